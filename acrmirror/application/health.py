"""Whether the app could do its work now: each thing it needs is asked for with its own identity."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from acrmirror.application.failures import DeadJobs
from acrmirror.errors import MirrorError, NotFound
from acrmirror.jobs import DEAD_QUEUE, Depth, JobQueue, JobRecords
from acrmirror.reference import Digest
from acrmirror.registry import Registry
from acrmirror.store.links import Links
from acrmirror.store.listing import Listing

BURIED_WITHIN = timedelta(minutes=1)
"""`on_dead_job` takes a message out of the poison queue within seconds; one that lies there for longer stays."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; `error` says what is wrong and which role or setting mends it."""

    name: str
    error: MirrorError | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """`queue` and `dead` are None where they could not be looked at."""

    checks: tuple[Check, ...]
    queue: Depth | None = None
    dead: Depth | None = None

    @property
    def ok(self) -> bool:
        return all(it.error is None for it in self.checks)

    @property
    def oldest_message_seconds(self) -> float | None:
        return _age(self.queue, datetime.now(UTC)) if self.queue is not None else None


class HealthChecks:
    """Tries the registry, the mirror's container, links, the queues and the table."""

    def __init__(
        self, registry: Registry, listing: Listing, links: Links, queue: JobQueue, records: JobRecords
    ) -> None:
        self._registry = registry
        self._listing = listing
        self._links = links
        self._queue = queue
        self._records = records

    def run(self) -> Health:
        depths: dict[str, Depth] = {}

        def look(name: str, read: Callable[[], Depth]) -> Depth:
            depths[name] = read()
            return depths[name]

        checks = (
            _check("registry", self._list_registry),
            _check("mirror", lambda: self._listing.has_repository("health")),
            _check("links", lambda: self._links.blob(Digest.of(b""))),
            _check("queue", lambda: look("queue", self._queue.depth)),
            _check("dead-jobs", lambda: check_buried(look("dead", self._queue.dead_depth), datetime.now(UTC))),
            _check("records", lambda: next(self._records.newest(), None)),
        )
        return Health((Check("settings"), *checks), **depths)

    def _list_registry(self) -> None:
        """The catalogue, and the tags of one repository: a registry that uses ABAC has a role for each."""
        repository = next(self._registry.list_repositories(), None)
        if repository is not None:
            with suppress(NotFound):  # it may go just then
                next(self._registry.list_tags(repository), None)


def misconfigured(error: MirrorError) -> Health:
    """Health of an app that could not even read its settings."""
    return Health((Check("settings", error),))


def check_buried(dead: Depth, now: datetime) -> None:
    """Raises DeadJobs for a message that nobody took out of the poison queue in good time."""
    age = _age(dead, now)
    if age is not None and age > BURIED_WITHIN.total_seconds():
        raise DeadJobs(
            f"look at {DEAD_QUEUE}",
            f"{dead.messages} messages lie there, the oldest for {age:.0f} seconds",
            "Look into the log of on_dead_job; what it can't decode has to be looked at and deleted by hand.",
        )


def _age(depth: Depth, now: datetime) -> float | None:
    return max(0.0, (now - depth.oldest).total_seconds()) if depth.oldest is not None else None


def _check(name: str, attempt: Callable[[], object]) -> Check:
    try:
        attempt()
    except MirrorError as error:
        return Check(name, error)
    return Check(name)
