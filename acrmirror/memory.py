"""The memory of this process: whether what it is to hold fits, and that it gives back what it had for a while."""

import ctypes
import os
from pathlib import Path

from acrmirror.errors import Misconfigured

MIB = 1024 * 1024
GIVEN_BACK = MIB
"""An allocation of as many bytes or more is given back to the system when it is freed."""
BESIDES = 256 * MIB
"""What the host, Python, the SDKs and a dozen jobs take besides the blocks of layers."""
_MMAP_THRESHOLD = -3
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def give_back_what_is_freed() -> None:
    """Without it, glibc raises the size over which it does so to that of what was freed last, and each thread keeps as
    much as the largest blob that it ever put: a dozen threads come to a hundred MB. Elsewhere nothing is done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, GIVEN_BACK)


def memory_of_this_machine() -> int:
    """Bytes that this process may take at most: those of its container, or else of the machine."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 1 << 40
    for path in _LIMITS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found = min(found, int(text))
    return found


def check_blocks(threads: int, block: int, memory: int) -> None:
    """Raises Misconfigured where `threads` blocks of so many bytes do not fit into `memory` bytes."""
    needed = threads * block + BESIDES
    if needed > memory:
        fitting = max(0, (memory - BESIDES) // block)
        raise Misconfigured(
            f"copy with {threads} threads",
            f"they and the rest of the app take {needed // MIB} MiB, and there are {memory // MIB} MiB",
            f"Set MIRROR_THREADS to {fitting} or fewer, or take larger instances (MIRROR_INSTANCE_MEMORY_MB)."
            if fitting
            else "Take larger instances (MIRROR_INSTANCE_MEMORY_MB).",
        )
