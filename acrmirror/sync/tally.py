"""How far a sweep is, as its record has it."""

import threading
from itertools import islice
from typing import cast

from acrmirror.jobs.run import RequestCounts
from acrmirror.reference import Reference
from acrmirror.work import RecordFields

SAMPLE = 300
PROBLEMS_SHOWN = 100
PROBLEMS_TOLD = 5
"""How many an error names; the notes of the record have more."""
COUNTS = ("repositories", "manifests", "listed", "mirrored", "under_way", "requested")


class Tally:
    """Thread-safe. The sample are some of the images that are requested; problems are what could not be compared, notes
    what is worth knowing besides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(COUNTS, 0)
        self._sample: list[str] = []
        self._problems: dict[str, None] = {}
        """In their order, each once."""
        self._notes: list[str] = []
        self.requests = RequestCounts()

    def count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                self._counts[name] += number

    def requested(self, reference: Reference) -> None:
        with self._lock:
            self._counts["requested"] += 1
            if len(self._sample) < SAMPLE:
                self._sample.append(str(reference))

    def problem(self, text: str) -> None:
        with self._lock:
            self._problems[text] = None

    def note(self, text: str) -> None:
        with self._lock:
            self._notes.append(text)

    def tell(self) -> str:
        with self._lock:
            return f"requested {self._counts['requested']} of {self._counts['listed']} images"

    def tell_problems(self) -> str:
        """Empty if all was compared."""
        with self._lock:
            first = "; ".join(islice(self._problems, PROBLEMS_TOLD))
            more = len(self._problems) - PROBLEMS_TOLD
        return f"{first}; and {more} more, which its notes name" if more > 0 else first

    def fields(self) -> RecordFields:
        with self._lock:
            counts = cast(RecordFields, {f"match_{name}": number for name, number in self._counts.items()})
            return (
                counts
                | self.requests.fields()
                | {
                    "match_sample": list(self._sample),
                    "notes": [*self._problems, *self._notes][:PROBLEMS_SHOWN],
                }
            )
