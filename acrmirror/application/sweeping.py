"""One run of a sweep: the registry is listed, what stands already is left out, and the rest is asked for."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from acrmirror.application.running import Requests
from acrmirror.copying import Cancel
from acrmirror.errors import Cancelled, Denied, MirrorError, NotFound, Transient
from acrmirror.jobs import JobQueue, JobRecords, Sweep
from acrmirror.patterns import Patterns
from acrmirror.reference import Digest, Reference
from acrmirror.registry import Registry
from acrmirror.store.listing import Listing

PATIENCE = (1.0, 4.0, 10.0)
"""Seconds between attempts at one listing; what asks for more patience than 30 gets 30."""
SAMPLE = 300
PROBLEMS_SHOWN = 100
LIST_CHARACTERS = 30_000
"""A property of a table's entity has at most 32 Ki characters."""
TAGS_PAGE = 1000
THREADS = 8

_T = TypeVar("_T")


class Tally:
    """How far a sweep is; the sample are some of the images that are asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("repositories", "listed", "standing", "asked"), 0)
        self._sample: list[str] = []
        self._problems: list[str] = []
        self.requests = Requests()

    def count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                self._counts[name] += number

    def asked(self, reference: Reference) -> None:
        with self._lock:
            self._counts["asked"] += 1
            if len(self._sample) < SAMPLE:
                self._sample.append(str(reference))

    def problem(self, text: str) -> None:
        with self._lock:
            self._problems.append(text)

    def tell(self) -> str:
        with self._lock:
            return f"asked for {self._counts['asked']} of {self._counts['listed']} images"

    def fields(self) -> dict[str, Any]:
        """As the record has it."""
        with self._lock:
            return {
                **{f"match_{name}": number for name, number in self._counts.items()},
                "match_sample": that_fit(self._sample),
                "notes": that_fit(self._problems[:PROBLEMS_SHOWN]),
                **self.requests.fields(),
            }


class Sweeping:
    """`cancel` ends it between two requests."""

    def __init__(
        self,
        sweep: Sweep,
        patterns: Patterns,
        source: Registry,
        listing: Listing,
        queue: JobQueue,
        records: JobRecords,
        cancel: Cancel,
    ) -> None:
        self.tally = Tally()
        self._sweep = sweep
        self._patterns = patterns
        self._source = source.counted(self.tally.requests.count)
        self._listing = listing
        self._queue = queue
        self._records = records
        self._cancel = cancel

    def run(self) -> None:
        """What is wrong with one repository is noted, and the others are done. Raises what stops all of it: no list of
        repositories, no queue, Cancelled."""
        with ThreadPoolExecutor(THREADS, thread_name_prefix="sweep") as pool:
            for repository in self._patiently(lambda: self._all(self._source.list_repositories())):
                if not self._patterns.may_match(repository):
                    continue
                self._check()
                self.tally.count(repositories=1)
                try:
                    missing = self._missing(repository)
                except Cancelled:
                    raise
                except (NotFound, Denied) as error:
                    self.tally.problem(f"{repository}: {error.answered}")
                except MirrorError as error:
                    self.tally.problem(f"{repository}: {error.answered}, and was left out")
                else:
                    list(pool.map(self._ask_for, missing))

    def _missing(self, repository: str) -> list[Reference]:
        """Tags that the patterns mean and that are not in the mirror as the registry has them."""
        manifests = self._patiently(lambda: self._all(self._source.list_manifests(repository)))
        expected = self._patiently(lambda: self._source.count_manifests(repository))
        if len(manifests) < expected:
            self.tally.problem(
                f"{repository}: its listing stopped at {len(manifests)} of {expected} manifests; ask again"
            )
        meant = {tag: it.digest for it in manifests for tag in it.tags if self._patterns.matches(repository, tag)}
        stands = self._tags(repository) if meant else {}
        missing = [Reference(repository, tag) for tag, digest in meant.items() if stands.get(tag) != digest]
        self.tally.count(listed=len(meant), standing=len(meant) - len(missing))
        return missing

    def _tags(self, repository: str) -> dict[str, Digest]:
        found: dict[str, Digest] = {}
        cursor: str | None = None
        while True:
            page = self._listing.tags(repository, TAGS_PAGE, cursor, hide=False)
            found.update({it.name: it.at_registry for it in page.tags})
            cursor = page.cursor
            if cursor is None:
                return found

    def _ask_for(self, reference: Reference) -> None:
        self._check()
        if not self._sweep.dry_run:
            job = self._sweep.job(reference)
            if self._records.get(job.id) is None:
                self._queue.send(job)
                self._records.add(job)
        self.tally.asked(reference)

    def _all(self, listing: Iterator[_T]) -> list[_T]:
        found: list[_T] = []
        for entry in listing:
            self._check()
            found.append(entry)
        return found

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """What may go away is tried again for a short while."""
        for pause in PATIENCE:
            self._check()
            try:
                return attempt()
            except (NotFound, Denied):
                raise
            except Transient as error:
                self._cancel.wait(min(30.0, max(pause, error.retry_after or 0.0)))
        self._check()
        return attempt()

    def _check(self) -> None:
        if self._cancel.is_set():
            raise Cancelled("list the registry", self._cancel.reason, "Ask again: what was asked for by then goes on.")


def that_fit(texts: Iterable[str]) -> list[str]:
    """As many of the first as one property of a record takes."""
    found: list[str] = []
    room = LIST_CHARACTERS
    for text in texts:
        room -= len(json.dumps(text)) + 2
        if room < 0:
            break
        found.append(text)
    return found
