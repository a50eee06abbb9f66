"""What is made at its first use, and once for the process.

`functools.cache` would make it twice where two first calls come at the same time, and two of an app's clients, threads
and meters would then live side by side.
"""

import threading
from collections.abc import Callable
from functools import update_wrapper
from typing import TypeVar

_T = TypeVar("_T")


def once(make: Callable[[], _T]) -> Callable[[], _T]:
    """`make` with its first result kept. Calls that come meanwhile wait for it; after one that raised, the next one
    makes it."""
    lock = threading.Lock()
    made: list[_T] = []

    def get() -> _T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    update_wrapper(get, make)
    return get
