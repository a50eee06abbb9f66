"""Sweeps: the registry is listed, what stands already is left out, and the rest is asked for, image by image."""

import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from acrmirror.errors import Denied, MirrorError, NotFound, Transient
from acrmirror.jobs import FINAL_STATES, JobQueue, JobRecord, JobRecords, Sweep
from acrmirror.jobs.records import error_fields
from acrmirror.moments import from_datetime
from acrmirror.patterns import Patterns
from acrmirror.reference import Reference
from acrmirror.registry import Registry
from acrmirror.settings import Settings
from acrmirror.store.listing import Listing

PATIENCE = (1.0, 4.0, 10.0)
"""Seconds between attempts at one listing; what asks for more patience than 30 gets 30."""
SAMPLE = 300
PROBLEMS_SHOWN = 100
TAGS_PAGE = 1000
THREADS = 8

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tally:
    """How far a sweep is. `sample` are some of the images that are asked for."""

    repositories: int = 0
    listed: int = 0
    standing: int = 0
    asked: int = 0
    sample: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        return {
            "match_repositories": self.repositories,
            "match_listed": self.listed,
            "match_standing": self.standing,
            "match_asked": self.asked,
            "match_sample": self.sample[:SAMPLE],
            "notes": self.problems[:PROBLEMS_SHOWN],
            "requests": sum(self.requests.values()),
            "requests_by_kind": dict(self.requests),
            "heartbeat": _now(),
        }


class Sweeps:
    """What runs a sweep, and what asks for one."""

    def __init__(
        self, settings: Settings, registry: Registry, listing: Listing, queue: JobQueue, records: JobRecords
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._listing = listing
        self._queue = queue
        self._records = records

    def ask(self, patterns: list[str], *, dry_run: bool) -> JobRecord:
        """Raises Malformed for what is no pattern."""
        parsed = Patterns.parse(patterns, self._settings.registry)
        return self.send(Sweep.now(parsed.texts, uuid4().hex, dry_run=dry_run))

    def send(self, sweep: Sweep) -> JobRecord:
        fields = asked_fields(sweep)
        self._records.change(sweep.id, fields)
        try:
            self._queue.send_sweep(sweep)
        except MirrorError as error:
            self._records.change(sweep.id, {"state": "failed", "finished": _now()} | error_fields(error))
            raise
        return JobRecord(sweep.id, fields, "")

    def run(self, sweep: Sweep) -> None:
        """Runs to a final record. Killed and run again it asks for the same jobs, and for those only once."""
        record = self._records.get(sweep.id)
        if record is not None and record.state in FINAL_STATES:
            return
        self._records.change(
            sweep.id, asked_fields(sweep) | {"state": "running", "first_started": _now(), "heartbeat": _now()}
        )
        tally = _Tally()
        try:
            state = self._sweep(sweep, tally)
        except MirrorError as error:
            _log.error("Failed %s: %s", sweep.id, error)
            self._finish(sweep, tally, "failed", error)
            return
        self._finish(sweep, tally, state, None)
        _log.info("%s %s: asked for %d of %d images", state.capitalize(), sweep.id, tally.asked, tally.listed)

    def _finish(self, sweep: Sweep, tally: _Tally, state: str, error: MirrorError | None) -> None:
        self._records.change(
            sweep.id, tally.fields() | {"state": state, "finished": _now()} | error_fields(error), unless_final=True
        )

    def _sweep(self, sweep: Sweep, tally: _Tally) -> str:
        patterns = Patterns.parse(sweep.patterns, self._settings.registry)

        def count(kind: str) -> None:
            tally.requests[kind] = tally.requests.get(kind, 0) + 1

        source = self._registry.counted(count)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="sweep") as pool:
            for repository in _patiently(lambda: list(source.list_repositories())):
                if not patterns.may_match(repository):
                    continue
                record = self._records.get(sweep.id)
                if record is not None and record.fields.get("cancel_requested"):
                    return "cancelled"
                tally.repositories += 1
                try:
                    missing = self._missing(source, repository, patterns, tally)
                except (NotFound, Denied) as error:
                    tally.problems.append(f"{repository}: {error.answered}")
                    continue
                except MirrorError as error:
                    tally.problems.append(f"{repository}: {error.answered}, and was left out")
                    continue
                if not sweep.dry_run:
                    list(pool.map(lambda reference: self._ask_for(sweep, reference), missing))
                tally.asked += len(missing)
                tally.sample += [str(it) for it in missing[: SAMPLE - len(tally.sample)]]
                self._records.change(sweep.id, tally.fields())
        return "done"

    def _missing(self, source: Registry, repository: str, patterns: Patterns, tally: _Tally) -> list[Reference]:
        """Tags that the patterns mean and that are not in the mirror as the registry has them."""
        manifests = _patiently(lambda: list(source.list_manifests(repository)))
        expected = _patiently(lambda: source.count_manifests(repository))
        if len(manifests) < expected:
            tally.problems.append(
                f"{repository}: its listing stopped at {len(manifests)} of {expected} manifests; ask again"
            )
        meant = {tag: it.digest for it in manifests for tag in it.tags if patterns.matches(repository, tag)}
        tally.listed += len(meant)
        stands = self._tags(repository) if meant else {}
        tally.standing += sum(stands.get(tag) == digest for tag, digest in meant.items())
        return [Reference(repository, tag) for tag, digest in meant.items() if stands.get(tag) != digest]

    def _tags(self, repository: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        cursor: str | None = None
        while True:
            page = self._listing.tags(repository, TAGS_PAGE, cursor, hide=False)
            found.update({it.name: it.digest for it in page.tags})
            cursor = page.cursor
            if cursor is None:
                return found

    def _ask_for(self, sweep: Sweep, reference: Reference) -> None:
        job = sweep.job(reference)
        if self._records.get(job.id) is None:
            self._queue.send(job)
            self._records.add(job)

    def bury(self, sweep: Sweep, error: MirrorError) -> None:
        """What the platform gave up on ends in its record."""
        self._records.change(
            sweep.id,
            asked_fields(sweep) | {"state": "failed", "finished": _now()} | error_fields(error),
            unless_final=True,
        )


def asked_fields(sweep: Sweep) -> dict[str, Any]:
    return {
        "kind": "match",
        "state": "queued",
        "patterns": list(sweep.patterns),
        "dry_run": sweep.dry_run,
        "at": sweep.at,
        "received": sweep.at,
    }


def sweep_of(record: JobRecord) -> Sweep:
    """The sweep behind a record of kind `match`."""
    fields = record.fields
    return Sweep(record.id, tuple(json.loads(fields["patterns"])), str(fields["at"]), bool(fields.get("dry_run")))


def _patiently(attempt: Callable[[], _T]) -> _T:
    """What may go away is tried again for a short while."""
    for pause in PATIENCE:
        try:
            return attempt()
        except (NotFound, Denied):
            raise
        except Transient as error:
            time.sleep(min(30.0, max(pause, error.retry_after or 0.0)))
    return attempt()


def _now() -> str:
    return from_datetime(datetime.now(UTC))
