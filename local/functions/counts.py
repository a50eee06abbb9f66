"""What the host dispatched: how often, to whom, and how it ended. For tests and `/_local/dispatches` alone."""

from __future__ import annotations

import threading
from typing import Any

from local.functions.wire import Call


class Counts:
    """By function: runs begun and how they ended, and by message or event id how often each was begun, and where."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._functions: dict[str, dict[str, Any]] = {}

    def begin(self, call: Call, instance: int) -> None:
        with self._lock:
            entry = self._entry(call.function)
            entry["begun"] += 1
            entry["running"] += 1
            if call.about is not None:
                entry["of"].setdefault(call.about, []).append(instance)

    def end(self, call: Call, how: str) -> None:
        """`how` is succeeded, failed or lost (with its instance)."""
        with self._lock:
            entry = self._entry(call.function)
            entry["running"] -= 1
            entry[how] += 1

    def note(self, function: str, what: str) -> None:
        """Anything else worth counting: renewed, poisoned, taken over."""
        with self._lock:
            entry = self._entry(function)
            entry[what] = entry.get(what, 0) + 1

    def told(self) -> dict[str, Any]:
        with self._lock:
            return {name: {**entry, "of": dict(entry["of"])} for name, entry in self._functions.items()}

    def _entry(self, function: str) -> dict[str, Any]:
        return self._functions.setdefault(
            function, {"begun": 0, "running": 0, "succeeded": 0, "failed": 0, "lost": 0, "of": {}}
        )
