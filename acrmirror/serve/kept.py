"""What a worker remembers of what storage told it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Kept(Generic[_K, _V]):
    """The values used last, of at most `weight` together, each for `seconds` at most. Thread-safe."""

    def __init__(self, weight: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._room = weight
        self._seconds = seconds
        self._clock = clock
        self._guard = threading.Lock()
        self._held: OrderedDict[_K, tuple[_V, int, float]] = OrderedDict()
        self._weight = 0

    def get(self, key: _K) -> _V | None:
        with self._guard:
            found = self._held.get(key)
            if found is None:
                return None
            value, _, until = found
            if self._clock() >= until:
                self._drop(key)
                return None
            self._held.move_to_end(key)
            return value

    def put(self, key: _K, value: _V, weight: int = 1) -> None:
        with self._guard:
            if key in self._held:
                self._drop(key)
            self._held[key] = (value, weight, self._clock() + self._seconds)
            self._weight += weight
            while self._weight > self._room:
                self._drop(next(iter(self._held)))

    def _drop(self, key: _K) -> None:
        _, weight, _ = self._held.pop(key)
        self._weight -= weight
