"""The measured side of a measurement, for contenders written in Python: get ready, wait for the word, copy, tell.

Starting an interpreter and importing its libraries happens once in a worker's life, so it is not counted as copying.
"""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from standins.process import announce, die_with_parent

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def measure(prepare: Callable[[], Callable[[], None]]) -> None:
    """Prints {"idle_rss"} once `prepare` has returned what copies, and {"seconds", "cpu", "peak_rss"} after it ran.

    Sizes are in bytes, times in seconds, `cpu` is user plus system of all threads.
    """
    die_with_parent()
    copy = prepare()
    _forget_peak()
    announce({"idle_rss": _resident("VmRSS")})
    if not sys.stdin.readline():
        return
    cpu, start = _cpu(), time.perf_counter()
    copy()
    seconds, cpu = time.perf_counter() - start, _cpu() - cpu
    announce({"seconds": seconds, "cpu": cpu, "peak_rss": _resident("VmHWM")})


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _forget_peak() -> None:
    """Linux: makes the peak be the present size, so that what imports needed for a moment does not count."""
    if _CLEAR_REFS.exists():
        _CLEAR_REFS.write_text("5", encoding="ascii")


def _resident(field: str) -> int:
    if not _STATUS.exists():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    found = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(field))
    return int(found.split()[1]) * 1024
