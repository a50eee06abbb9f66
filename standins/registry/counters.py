"""What was asked of the registry: every request, for tests and benchmarks to count."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

# Enough for a benchmark of hours; the oldest are forgotten first, and the totals keep counting.
KEPT = 200_000


@dataclass(slots=True)
class Entry:
    """`at` is by the wall clock; `status` is 0 if no answer went out; `complete` if the answer went out whole.

    `credential` is the scheme of the Authorization header: at the data host there should be none. `received` and `sent`
    are bytes of bodies.
    """

    method: str
    kind: str
    path: str
    repository: str | None = None
    reference: str | None = None
    digest: str | None = None
    status: int = 0
    range: str | None = None
    credential: str | None = None
    user_agent: str | None = None
    peer: str | None = None
    received: int = 0
    sent: int = 0
    complete: bool = False
    at: float = field(default_factory=time.time)
    seconds: float = 0.0

    @property
    def counted(self) -> bool:
        """Whether it is a call to the registry: under /v2/, and not answered 401."""
        return self.path.startswith("/v2/") and self.status not in (0, 401)


class Counters:
    """An answer is counted before its last byte goes out: who has it all finds it counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._entries: deque[Entry] = deque(maxlen=KEPT)
            self._kinds: Counter[str] = Counter()
            self._statuses: Counter[str] = Counter()
            self._calls: Counter[str] = Counter()
            self._sent: Counter[str] = Counter()
            self._received: Counter[str] = Counter()

    def answered(self, entry: Entry, received: int) -> None:
        """Once a request, when its status is known."""
        with self._lock:
            entry.received = received
            self._entries.append(entry)
            self._under_way += 1
            self._kinds[entry.kind] += 1
            self._statuses[str(entry.status)] += 1
            self._received[entry.kind] += received
            if entry.counted:
                self._calls[entry.kind] += 1

    def moved(self, entry: Entry, count: int) -> None:
        with self._lock:
            entry.sent += count
            self._sent[entry.kind] += count

    def ended(self, entry: Entry, seconds: float) -> None:
        with self._lock:
            entry.seconds = seconds
            self._under_way -= 1

    def totals(self) -> dict[str, object]:
        """`calls` are those under /v2/ that were not answered 401; `sent` and `received` are bytes by kind."""
        with self._lock:
            return {
                "calls": sum(self._calls.values()),
                "calls_by_kind": dict(self._calls),
                "by_kind": dict(self._kinds),
                "by_status": dict(self._statuses),
                "sent": dict(self._sent),
                "received": dict(self._received),
                "under_way": self._under_way,
            }

    def entries(self, wanted: Mapping[str, str]) -> Iterator[dict[str, object]]:
        """In the order of their answers; each key of `wanted` must equal the entry's value."""
        with self._lock:
            found = [{**asdict(entry), "counted": entry.counted} for entry in self._entries]
        for value in found:
            if all(str(value.get(key)) == want for key, want in wanted.items()):
                yield value
