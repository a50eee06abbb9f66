"""Whether the app could do its work now: each thing it needs is asked for with its own identity."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from acrmirror.errors import MirrorError, NotFound
from acrmirror.jobs import Depth, JobQueue, JobRecords
from acrmirror.reference import Digest
from acrmirror.registry import Registry
from acrmirror.store.links import Links
from acrmirror.store.listing import Listing


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; `error` says what is wrong and which role or setting mends it."""

    name: str
    error: MirrorError | None = None


@dataclass(frozen=True, slots=True)
class Health:
    checks: tuple[Check, ...]
    queue: Depth | None = None

    @property
    def ok(self) -> bool:
        return all(it.error is None for it in self.checks)

    @property
    def oldest_message_seconds(self) -> float | None:
        oldest = self.queue.oldest if self.queue is not None else None
        return max(0.0, (datetime.now(UTC) - oldest).total_seconds()) if oldest is not None else None


class HealthChecks:
    """Tries the registry, the mirror's container, links, the queue and the table."""

    def __init__(
        self, registry: Registry, listing: Listing, links: Links, queue: JobQueue, records: JobRecords
    ) -> None:
        self._registry = registry
        self._listing = listing
        self._links = links
        self._queue = queue
        self._records = records

    def run(self) -> Health:
        depths: list[Depth] = []
        checks = (
            _check("registry", self._list_registry),
            _check("mirror", lambda: self._listing.has_repository("health")),
            _check("links", lambda: self._links.blob(Digest.of(b""))),
            _check("queue", lambda: depths.append(self._queue.depth())),
            _check("records", lambda: next(self._records.newest(), None)),
        )
        return Health((Check("settings"), *checks), depths[0] if depths else None)

    def _list_registry(self) -> None:
        """The catalogue, and the tags of one repository: a registry that uses ABAC has a role for each."""
        repository = next(self._registry.list_repositories(), None)
        if repository is not None:
            with suppress(NotFound):  # it may go just then
                next(self._registry.list_tags(repository), None)


def misconfigured(error: MirrorError) -> Health:
    """Health of an app that could not even read its settings."""
    return Health((Check("settings", error),))


def _check(name: str, attempt: Callable[[], object]) -> Check:
    try:
        attempt()
    except MirrorError as error:
        return Check(name, error)
    return Check(name)
