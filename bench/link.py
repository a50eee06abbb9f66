"""A simulated link: a wait before every answer, and so many bytes a second on each connection."""

import time
from dataclasses import dataclass

# How far a body may lag behind its schedule and still catch up. It makes up for sleeps that end late; more would let a
# connection whose reader paused run faster than the link afterwards.
_CATCH_UP = 0.02


@dataclass(frozen=True, slots=True)
class Link:
    """`latency` in seconds a request, `rate` in bytes a second a connection; 0 means none and no limit."""

    latency: float = 0.0
    rate: float = 0.0

    def wait(self) -> None:
        """The way there and back of one request."""
        if self.latency:
            time.sleep(self.latency)

    def pace(self) -> "Pace":
        return Pace(self.rate)


class Pace:
    """One body's schedule, made up of absolute times, so that sleeps that end late don't add up."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._due = time.monotonic()

    def before(self, count: int) -> None:
        """Sleeps until the next `count` bytes would have arrived: to be called before they are sent."""
        if not self._rate:
            return
        now = time.monotonic()
        self._due = max(self._due, now - _CATCH_UP) + count / self._rate
        if self._due > now:
            time.sleep(self._due - now)
