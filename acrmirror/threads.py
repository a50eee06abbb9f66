"""Threads that work for one call of a function: what they log belongs to that call.

The Functions worker keeps in a context variable which call a thread works for, and the host puts what is logged by a
thread of none where nobody looks for it. A thread does not have its maker's context by itself.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads(ThreadPoolExecutor):
    """A pool whose tasks run in the context of whoever submits them."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        return super().submit(copy_context().run, partial(fn, *args, **kwargs))


def thread(work: Callable[[], None], name: str, *, daemon: bool = False) -> Thread:
    """One that is not started yet, and works in the context of whoever makes it."""
    return Thread(target=copy_context().run, args=(work,), name=name, daemon=daemon)
