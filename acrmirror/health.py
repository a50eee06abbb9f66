"""Whether the app could do its work now: each thing that it needs is tried with its own identity."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from acrmirror.cancel import Cancel
from acrmirror.errors import DeadJobs, InvalidReference, MirrorError, NotFound, RefusedEvents, Unavailable
from acrmirror.jobs import Depth, JobQueue, JobRecords, Refusal, Refusals
from acrmirror.mirror import MirrorStore, Owner
from acrmirror.package import other_python
from acrmirror.proof.audits import check_proven
from acrmirror.proof.ledger import Known, Ledger
from acrmirror.reference import Digest
from acrmirror.registry import Registry
from acrmirror.storage import Container
from acrmirror.sync.comparisons import Compared, Comparisons
from acrmirror.sync.timer import check_compared
from acrmirror.threads import Threads
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE

_log = logging.getLogger(__name__)

BURIED_WITHIN = timedelta(minutes=1)
"""A function takes a message out of a poison queue within seconds; one that is there for longer stays."""
WITHIN = 10.0
"""Seconds for all that is asked: whoever asks waits for it, and so does what watches over the app."""
ASKED = {
    "registry": "MIRROR_REGISTRY",
    "mirror": "MIRROR_BLOB_ENDPOINT",
    "archives": "MIRROR_BLOB_ENDPOINT",
    "links": "MIRROR_BLOB_ENDPOINT",
    "queue": "MIRROR_QUEUE__queueServiceUri",
    "dead-jobs": "MIRROR_QUEUE__queueServiceUri",
    "backfill-queue": "MIRROR_QUEUE__queueServiceUri",
    "dead-backfill-jobs": "MIRROR_QUEUE__queueServiceUri",
    "records": "MIRROR_TABLE_ENDPOINT",
    "events": "MIRROR_TABLE_ENDPOINT",
    "comparison": "MIRROR_TABLE_ENDPOINT",
    "audit": "MIRROR_TABLE_ENDPOINT",
}
"""The setting that names what each check asks."""
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
    warnings: tuple[str, ...] = ()
    """What works, and is a risk that the owner may not know of."""
    audited: Known | None = None

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
    """Tries the registry, the mirror's container and that of archives, signed URLs, queues and the table, and looks for
    refused events: all at once, within about ten seconds (`WITHIN`)."""

    def __init__(
        self,
        registry: Registry,
        store: MirrorStore,
        owner: Owner,
        archives: Container,
        queue: JobQueue,
        records: JobRecords,
        refusals: Refusals,
        comparisons: Comparisons,
        hours: float,
        ledger: Ledger,
        days: float,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._registry = registry
        self._store = store
        self._owner = owner
        self._archives = archives
        self._queue = queue
        self._records = records
        self._refusals = refusals
        self._comparisons = comparisons
        self._hours = hours
        self._warnings = warnings
        self._ledger = ledger
        self._days = days

    def run(self) -> Health:
        depths: dict[str, Depth] = {}

        def look(name: str) -> Depth:
            depths[name] = self._queue.depth(name)
            return depths[name]

        def look_at_dead(name: str) -> None:
            check_buried(name, look(name), datetime.now(UTC))

        refused: list[Refusal] = []
        compared: list[Compared | None] = []

        def look_at_refused() -> None:
            with suppress(MirrorError):  # "records" tells that the table can't be read
                refused.extend(self._refusals.recent())
            check_refused(tuple(refused))

        def look_at_comparison() -> None:
            with suppress(MirrorError):
                compared.append(self._comparisons.read())
            check_compared(compared[0] if compared else None, self._hours, datetime.now(UTC))

        audited: list[Known | None] = []

        def look_at_audit() -> None:
            with suppress(MirrorError):
                audited.append(self._ledger.read())
            check_proven(audited[0] if audited else None, self._days, datetime.now(UTC))

        checks = tried(
            {
                "registry": self._list_registry,
                "mirror": self._owner.check,
                "archives": lambda: self._archives.head("health", "look into the container of archives"),
                "links": lambda: self._store.signed_urls.blob(Digest.of(b"")),
                "queue": lambda: look(JOB_QUEUE),
                "dead-jobs": lambda: look_at_dead(DEAD_QUEUE),
                "backfill-queue": lambda: look(BACKFILL_QUEUE),
                "dead-backfill-jobs": lambda: look_at_dead(DEAD_BACKFILL_QUEUE),
                "records": lambda: next(self._records.newest(), None),
                "events": look_at_refused,
                "comparison": look_at_comparison,
                "audit": look_at_audit,
            }
        )
        all_checks = (Check("settings"), Check("python", other_python()), *checks)
        whole, seen = compared[0] if compared else None, audited[0] if audited else None
        return Health(all_checks, dict(depths), tuple(refused), whole, self._warnings, seen)

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


def risks(registry_region: str, region: str, redundancy: str) -> tuple[str, ...]:
    """What the places of registry and mirror mean for the day on which a region is lost; nothing where they are not
    known."""
    if not region or region != registry_region:
        return ()
    one = f"The registry and the mirror are in one region, {region}: whatever takes that region away takes both."
    if "G" not in redundancy.rpartition("_")[2]:
        return (
            f"{one} Put the mirror into another region (MIRROR_LOCATION), or copy it to another (MIRROR_REDUNDANCY).",
        )
    second = "can be read at once" if "_RA" in redundancy else "can be read after a failover of the account"
    return (f"{one} Its copy in the paired region ({redundancy}) {second}, and may lack the last minutes.",)


def check_buried(queue: str, dead: Depth, now: datetime) -> None:
    """Raises DeadJobs for a message that nobody took out of a poison queue in good time."""
    age = _age(dead, now)
    if age is not None and age > BURIED_WITHIN.total_seconds():
        raise DeadJobs(
            f"look at {queue}",
            f"{dead.messages} messages are there, the oldest for {age:.0f} seconds",
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


def tried(attempts: Mapping[str, Callable[[], object]]) -> tuple[Check, ...]:
    """All of them at once, each in a thread; those that are not over after `WITHIN` are cut, and have failed."""
    cancel = Cancel()
    pool = Threads(len(attempts), "health", cancel.bind)
    under_way: dict[str, Future[object]] = {}
    try:
        under_way |= {name: pool.submit(attempt) for name, attempt in attempts.items()}
        wait(under_way.values(), WITHIN)
        return tuple(_outcome(name, attempt) for name, attempt in under_way.items())
    finally:
        if not all(it.done() for it in under_way.values()):
            # It cuts the connections that they wait on; those that are kept for reuse stay, where all is over.
            cancel.set("the health check does not wait for longer")
        pool.shutdown(wait=False)


def _outcome(name: str, attempt: Future[object]) -> Check:
    if not attempt.done():
        remedy = f"Check {ASKED[name]}, and the network between the function and it."
        return Check(name, Unavailable(f"check {name}", f"there was no answer within {WITHIN:.0f} s", remedy))
    error = attempt.exception()
    if error is None or isinstance(error, MirrorError):
        return Check(name, error)
    _log.error("The health check %s failed, and nobody expected why", name, exc_info=error)
    told = f"it failed unexpectedly ({type(error).__name__})"
    return Check(name, Unavailable(f"check {name}", told, "Look into the function's log."))
