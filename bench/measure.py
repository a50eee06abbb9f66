"""The measuring side of a measurement: runs one contender as a child and finds what it took."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_TAIL = 2000


class ContenderFailed(RuntimeError):
    """A contender that did not copy; its message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one copy took: seconds, CPU seconds (user and system), bytes of memory at its peak and before it began.

    `idle_rss` is None where a program begins to copy as soon as it starts.
    """

    seconds: float
    cpu: float
    peak_rss: int
    idle_rss: int | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_child(command: Sequence[str], environment: Mapping[str, str]) -> Taken:
    """A contender that speaks the protocol of `bench.child`."""
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            ready = process.stdout.readline()
            if ready:
                process.stdin.write(b"go\n")
                process.stdin.close()
            told = process.stdout.readline()
        if process.returncode or not told:
            raise ContenderFailed(_complaint(command, process.returncode, errors.fileno()))
    return Taken(**(json.loads(ready) | json.loads(told)))


def measure_program(command: Sequence[str], environment: Mapping[str, str]) -> Taken:
    """Any program that copies and ends, from its start to its end."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment)
        watch = _PeakWatch(process.pid)
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            # Also where this process is told to end: it would wait for the thread that watches, and for the program.
            if process.returncode is None:
                process.kill()
            peak = watch.stop()
        if process.returncode:
            raise ContenderFailed(_complaint(command, process.returncode, errors.fileno()))
    return Taken(seconds, usage.ru_utime + usage.ru_stime, peak or usage.ru_maxrss * 1024, None)


class _PeakWatch:
    """Follows a program's own high-water mark: the one that `wait4` gives includes what the forking parent had."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                lines = self._status.read_text(encoding="ascii").splitlines()
            except OSError:
                return
            for line in lines:
                if line.startswith("VmHWM"):
                    self._peak = int(line.split()[1]) * 1024

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak


def _complaint(command: Sequence[str], code: int, output: int) -> str:
    size = os.fstat(output).st_size
    said = os.pread(output, _TAIL, max(0, size - _TAIL)).decode(errors="replace")
    return f"{command[0]} ended with code {code}:\n{said}"
