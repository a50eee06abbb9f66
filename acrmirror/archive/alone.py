"""One export at a time into one place: a lock that the system takes back from whoever dies."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.1

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def alone(lock: Path, waits: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds `lock`, a file of no content that is made and taken away again; one that has content is another program's,
    and stays. Waits for whoever holds it, and calls `waits` once before it does. Excludes other processes, and other
    threads. Raises OSError where files can't be locked."""
    descriptor = _locked(lock, waits)
    try:
        yield
    finally:
        ours = os.fstat(descriptor).st_size == 0
        # Windows takes no file away that is open, whoever has it open; whoever comes last does.
        if sys.platform == "win32":
            os.close(descriptor)
            with contextlib.suppress(OSError):
                if ours:
                    lock.unlink()
        else:
            if ours:
                lock.unlink(missing_ok=True)
            os.close(descriptor)


def _locked(lock: Path, waits: Callable[[], None] | None) -> int:
    while True:
        # As any other file: who shares the folder with a group can take the lock of an export that died.
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            while not _try_lock(descriptor):
                if waits is not None:
                    waits()
                    waits = None
                time.sleep(POLL_SECONDS)
            # Whoever held it before may have taken the file away: then this is a lock that nobody else will meet.
            if _is_there(lock, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_there(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
