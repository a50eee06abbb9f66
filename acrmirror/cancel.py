"""Cancelling: one event a job, which ends whatever is waited for on its behalf (rule W3).

A thread that works for a job is bound to its `Cancel`. What waits deep inside an SDK asks `bound_cancel()`: connections
are cut, pauses and waits for others end, and nothing more is sent.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar
from weakref import WeakSet

from acrmirror.errors import Cancelled
from acrmirror.threads import Threads, thread

LOCK_POLL_SECONDS = 0.1

_T = TypeVar("_T")
_thread = threading.local()


class Line(Protocol):
    """A connection that can be cut from another thread, if it still serves `whose` job."""

    def cut(self, whose: "Cancel") -> None: ...


class Cancel:
    """One event a job. Setting it wakes whoever waits, cuts the connections in use, and calls back whoever asked to be
    told."""

    def __init__(self, asked: str = "copy an image") -> None:
        self._asked = asked
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._lines: WeakSet[Line] = WeakSet()
        self.reason = "the job was cancelled"

    def set(self, reason: str | None = None) -> None:
        with self._lock:
            if reason is not None and not self._event.is_set():
                self.reason = reason
            self._event.set()
            callbacks = list(self._callbacks.values())
            lines = list(self._lines)
        for callback in callbacks:
            callback()
        for line in lines:
            line.cut(self)

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleeps, unless and until cancelled; returns whether it was."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raises Cancelled once it is set."""
        if self._event.is_set():
            raise self.error()

    def error(self) -> Cancelled:
        """What ends a run that is cancelled."""
        return Cancelled(self._asked, self.reason, "Request it again: what is staged is reused.")

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Registers `callback`; returns what unregisters it. Called at once if already set."""
        with self._lock:
            self._callbacks[id(callback)] = callback
            already = self._event.is_set()
        if already:
            callback()

        def forget() -> None:
            with self._lock:
                self._callbacks.pop(id(callback), None)

        return forget

    def attach(self, line: Line) -> None:
        """A connection that is used for this job from now on; it is cut at once if this is set already."""
        with self._lock:
            self._lines.add(line)
            already = self._event.is_set()
        if already:
            line.cut(self)

    def bind(self) -> None:
        """Binds this thread for good: the first thing that a thread of a job's pool does."""
        _thread.cancel = self

    @contextmanager
    def bound(self) -> Iterator[None]:
        """Binds this thread for a while."""
        with _binding(self):
            yield


@contextmanager
def within(seconds: float, asked: str) -> Iterator[None]:
    """Binds this thread for that long: what it still waits for then ends as a cancelled job's does, with Cancelled."""
    cancel = Cancel(asked)
    timer = threading.Timer(seconds, cancel.set, [f"there was no answer within {seconds:.0f} s"])
    timer.daemon = True
    timer.start()
    try:
        with cancel.bound():
            yield
    finally:
        timer.cancel()


def bound_cancel() -> Cancel | None:
    """What ends the work of this thread, if anything does."""
    return getattr(_thread, "cancel", None)


def check_bound() -> None:
    """Raises Cancelled once this thread's job is cancelled."""
    cancel = bound_cancel()
    if cancel is not None:
        cancel.check()


@contextmanager
def unbound() -> Iterator[None]:
    """For what has to be done after a cancel, too. It needs bounds of its own."""
    with _binding(None):
        yield


def pause(seconds: float) -> None:
    """Sleeps; raises Cancelled as soon as this thread's job is cancelled."""
    cancel = bound_cancel() or Cancel()
    if cancel.wait(seconds):
        cancel.check()


@contextmanager
def holding(lock: threading.Lock) -> Iterator[None]:
    """The lock, which another job may hold for as long as it waits for something; raises Cancelled as `pause` does."""
    cancel = bound_cancel()
    while not lock.acquire(timeout=-1 if cancel is None else LOCK_POLL_SECONDS):
        if cancel is not None:
            cancel.check()
    try:
        yield
    finally:
        lock.release()


def awaited(call: Callable[[], _T]) -> _T:
    """The outcome of a call that nothing can cut short: it is left to itself once this thread's job is cancelled."""
    cancel = bound_cancel()
    if cancel is None:
        return call()
    outcome: list[_T] = []
    failure: list[BaseException] = []
    over = threading.Event()

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001  # it is raised by whoever waits
            failure.append(error)
        over.set()

    forget = cancel.on_set(over.set)
    thread(work, "awaited", daemon=True).start()
    over.wait()
    forget()
    if failure:
        raise failure[0]
    if not outcome:
        cancel.check()
    return outcome[0]


@contextmanager
def beside(call: Callable[[], _T], name: str) -> Iterator[Callable[[], _T]]:
    """Runs `call` on a thread of its own beside the block, for the same job. What is yielded waits for its outcome; the
    block ends when the call has ended, in any case."""
    cancel = bound_cancel()
    with Threads(1, name, cancel.bind if cancel is not None else None) as pool:
        yield pool.submit(call).result


@contextmanager
def _binding(cancel: Cancel | None) -> Iterator[None]:
    before = bound_cancel()
    _thread.cancel = cancel
    try:
        yield
    finally:
        _thread.cancel = before
