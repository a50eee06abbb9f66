"""What the host dispatched: how often, to whom, and how it ended. For tests and `/_local/dispatches` alone."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from standins.functions.wire import Call

# Of each function: a host that runs for days sees any number of them.
KEPT = 2000


@dataclass(slots=True)
class _Function:
    numbers: dict[str, int] = field(
        default_factory=lambda: {"begun": 0, "running": 0, "succeeded": 0, "failed": 0, "lost": 0}
    )
    of: dict[str, list[int]] = field(default_factory=dict)


class Counts:
    """By function: runs begun and how they ended; and by message or event id, of the newest `KEPT`, on which instances
    each was begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._functions: dict[str, _Function] = {}

    def begin(self, call: Call, instance: int) -> None:
        with self._lock:
            entry = self._entry(call.function)
            entry.numbers["begun"] += 1
            entry.numbers["running"] += 1
            if call.about is not None:
                # Begun again, it is a new one again.
                entry.of[call.about] = [*entry.of.pop(call.about, []), instance]
                if len(entry.of) > KEPT:
                    del entry.of[next(iter(entry.of))]

    def end(self, call: Call, how: str) -> None:
        """`how` is succeeded, failed or lost (with its instance)."""
        with self._lock:
            entry = self._entry(call.function)
            entry.numbers["running"] -= 1
            entry.numbers[how] += 1

    def note(self, function: str, what: str) -> None:
        """Anything else worth counting: renewed, poisoned, taken over."""
        with self._lock:
            numbers = self._entry(function).numbers
            numbers[what] = numbers.get(what, 0) + 1

    def told(self) -> dict[str, Any]:
        with self._lock:
            return {name: {**entry.numbers, "of": dict(entry.of)} for name, entry in self._functions.items()}

    def _entry(self, function: str) -> _Function:
        return self._functions.setdefault(function, _Function())
