"""How long the host waits before it looks again: the strategies of the platform's own timers."""

from __future__ import annotations

import random

# RandomizedExponentialBackoffStrategy.cs
_RANDOMIZATION = 0.2


class Backoff:
    """From the minimum, doubling with ±20 %, up to the maximum; back to the minimum once something was found."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._current = 0.0
        self._exponent = 0

    def next(self, found: bool) -> float:
        if found:
            self._current = self._minimum
            self._exponent = 1
        elif self._current != self._maximum:
            delay = self._minimum
            if self._exponent > 0:
                spread = random.uniform(1 - _RANDOMIZATION, 1 + _RANDOMIZATION)
                delay += spread * 2 ** (self._exponent - 1) * self._minimum
            if delay < self._maximum:
                self._current = delay
                self._exponent += 1
            else:
                self._current = self._maximum
        return self._current
