"""Whether the app could do its work now: each thing it needs is asked for with its own identity."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from acrmirror.errors import DeadJobs, InvalidReference, MirrorError, NotFound, RefusedEvents
from acrmirror.jobs import Depth, JobQueue, JobRecords, Refusal, Refusals
from acrmirror.mirror import MirrorStore
from acrmirror.package import other_python
from acrmirror.reference import Digest
from acrmirror.registry import Registry
from acrmirror.sync.comparisons import Compared, Comparisons
from acrmirror.sync.timer import check_compared
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE

BURIED_WITHIN = timedelta(minutes=1)
"""A function takes a message out of a poison queue within seconds; one that is there for longer stays."""
EMPTIED_BY = {DEAD_QUEUE: "on_dead_job", DEAD_BACKFILL_QUEUE: "on_dead_backfill_job"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; `error` says what is wrong and which role or setting mends it."""

    name: str
    error: MirrorError | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """`depths` has each queue that could be looked at, by its name. `refused` are events that may come again, the one
    refused last first."""

    checks: tuple[Check, ...]
    depths: Mapping[str, Depth] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    compared: Compared | None = None

    @property
    def ok(self) -> bool:
        return all(it.error is None for it in self.checks)

    def messages(self, *queues: str) -> int | None:
        """How many are in these queues together; None if none of them could be looked at."""
        known = [self.depths[name].messages for name in queues if name in self.depths]
        return sum(known) if known else None

    def oldest_seconds(self, queue: str) -> float | None:
        return _age(self.depths[queue], datetime.now(UTC)) if queue in self.depths else None


class HealthChecks:
    """Tries the registry, the mirror's container, signed URLs, queues and the table, and looks for refused events."""

    def __init__(
        self,
        registry: Registry,
        store: MirrorStore,
        queue: JobQueue,
        records: JobRecords,
        refusals: Refusals,
        comparisons: Comparisons,
        hours: float,
    ) -> None:
        self._registry = registry
        self._store = store
        self._queue = queue
        self._records = records
        self._refusals = refusals
        self._comparisons = comparisons
        self._hours = hours

    def run(self) -> Health:
        depths: dict[str, Depth] = {}

        def look(name: str) -> Depth:
            depths[name] = self._queue.depth(name)
            return depths[name]

        def look_at_dead(name: str) -> None:
            check_buried(name, look(name), datetime.now(UTC))

        refused, compared = self._recently_refused(), self._last_compared()
        checks = (
            _check("registry", self._list_registry),
            _check("mirror", lambda: self._store.listing.has_repository("health")),
            _check("links", lambda: self._store.signed_urls.blob(Digest.of(b""))),
            _check("queue", lambda: look(JOB_QUEUE)),
            _check("dead-jobs", lambda: look_at_dead(DEAD_QUEUE)),
            _check("backfill-queue", lambda: look(BACKFILL_QUEUE)),
            _check("dead-backfill-jobs", lambda: look_at_dead(DEAD_BACKFILL_QUEUE)),
            _check("records", lambda: next(self._records.newest(), None)),
            _check("events", lambda: check_refused(refused)),
            _check("comparison", lambda: check_compared(compared, self._hours, datetime.now(UTC))),
        )
        tried = (Check("settings"), Check("python", other_python()), *checks)
        return Health(tried, depths, refused, compared)

    def _recently_refused(self) -> tuple[Refusal, ...]:
        """None where the table can't be read: that is told as such."""
        with suppress(MirrorError):
            return tuple(self._refusals.recent())
        return ()

    def _last_compared(self) -> Compared | None:
        """As for refused events."""
        with suppress(MirrorError):
            return self._comparisons.read()
        return None

    def _list_registry(self) -> None:
        """The catalogue, and the tags of one repository: a registry that uses ABAC has a role for each. A name that is
        none is a sweep's to tell of."""
        repository = next(self._registry.list_repositories(lambda _: None), None)
        if repository is not None:
            with suppress(NotFound, InvalidReference):  # it may go just then
                next(self._registry.list_tags(repository), None)


def misconfigured(error: MirrorError) -> Health:
    """Health of an app that could not even read its settings."""
    return Health((Check("settings", error),))


def check_buried(queue: str, dead: Depth, now: datetime) -> None:
    """Raises DeadJobs for a message that nobody took out of a poison queue in good time."""
    age = _age(dead, now)
    if age is not None and age > BURIED_WITHIN.total_seconds():
        raise DeadJobs(
            f"look at {queue}",
            f"{dead.messages} messages lie there, the oldest for {age:.0f} seconds",
            f"Look into the log of {EMPTIED_BY[queue]}; what it can't decode has to be looked at and deleted by hand.",
        )


def check_refused(refused: tuple[Refusal, ...]) -> None:
    """Raises RefusedEvents, with cause and remedy of the one that was refused last."""
    if refused:
        last = refused[0]
        raise RefusedEvents(
            last.asked,
            f"{last.answered}; of {len(refused)} events, this one was refused last, at {last.last}",
            f"{last.remedy} Event Grid delivers each again for a day, then keeps it as a dead letter.",
        )


def _age(depth: Depth, now: datetime) -> float | None:
    return max(0.0, (now - depth.oldest).total_seconds()) if depth.oldest is not None else None


def _check(name: str, attempt: Callable[[], object]) -> Check:
    try:
        attempt()
    except MirrorError as error:
        return Check(name, error)
    return Check(name)
