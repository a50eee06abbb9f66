"""A value that takes long to make: the last one is given, and a thread makes the next."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from acrmirror.errors import MirrorError
from acrmirror.threads import thread

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Refreshed(Generic[_T]):
    """What `make` gives. It is made anew, at most once at a time, when somebody asks and the last one is older than
    `least` seconds and than `share` times as long as it took: so it never keeps a thread busy for more than a part of
    the time. Thread-safe."""

    def __init__(
        self,
        make: Callable[[], _T],
        least: float = 5.0,
        share: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._least = least
        self._share = share
        self._clock = clock
        self._changed = threading.Condition()
        self._making = False
        self._due = float("-inf")
        self._value: tuple[_T] | None = None
        self._error: MirrorError | None = None

    def get(self, first: float, again: float) -> _T | None:
        """The value. It is waited for, for at most `first` seconds where there is none yet, and `again` where one is
        due; then the one before is given, or None. Where the last attempt failed, its MirrorError is raised if there
        is no value from before."""
        with self._changed:
            if not self._making and self._clock() >= self._due:
                self._making, self._error = True, None
                thread(self._refresh, "refresh", daemon=True).start()
            self._changed.wait_for(lambda: not self._making, first if self._value is None else again)
            if self._value is not None:
                return self._value[0]
            if self._error is not None:
                raise self._error
            return None

    def _refresh(self) -> None:
        begun = self._clock()
        value, failed = None, None
        try:
            value = (self._make(),)
        except MirrorError as error:
            _log.warning("What is known stays as it was: %s", error)
            failed = error
        finally:
            ended = self._clock()
            with self._changed:
                self._making = False
                self._value = value or self._value
                self._error = failed
                self._due = ended + max(self._least, self._share * (ended - begun))
                self._changed.notify_all()
