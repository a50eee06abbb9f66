"""Runs sweeps of one registry against one mirror."""

from datetime import UTC, datetime

from acrmirror.cancel import Cancel
from acrmirror.errors import Denied, NotFound
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.task_runner import TaskRunner
from acrmirror.mirror.listing import Listing
from acrmirror.patterns import Patterns
from acrmirror.registry import Registry
from acrmirror.retrying import RetryPolicy
from acrmirror.settings import Settings
from acrmirror.sync.comparisons import Comparisons
from acrmirror.sync.sweeping import Sweeping
from acrmirror.telemetry import Telemetry
from acrmirror.work import Sweep


class SweepRunner(TaskRunner[Sweep]):
    """Killed and run again a sweep asks for the same jobs, and for those only once. Thread-safe."""

    final = (Denied, NotFound)
    """Of the registry: what it refuses all of is for a person to mend."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        listing: Listing,
        queue: JobQueue,
        records: JobRecords,
        comparisons: Comparisons,
        policy: RetryPolicy,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(queue, records, policy, telemetry)
        self._settings = settings
        self._registry = registry
        self._listing = listing
        self._comparisons = comparisons

    def _work(self, task: Sweep, cancel: Cancel) -> Sweeping:
        patterns = Patterns.parse(task.patterns, self._settings.registry)
        limit = self._settings.repository_limit
        return Sweeping(task, patterns, self._registry, self._listing, self._queue, self._records, cancel, limit)

    def _done(self, task: Sweep, begun: datetime) -> None:
        patterns = Patterns.parse(task.patterns, self._settings.registry)
        if patterns.cover(self._settings.mirrored) and not task.dry_run:
            self._comparisons.completed(begun)
            self._telemetry.compared((datetime.now(UTC) - begun).total_seconds())
