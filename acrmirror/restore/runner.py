"""Runs restores, and the images that they request."""

import logging
import threading
import time

from acrmirror.cancel import Cancel
from acrmirror.errors import MirrorError, NotHere
from acrmirror.jobs import Holder, JobQueue, JobRecords, TableClaims
from acrmirror.jobs.task_runner import TaskRunner
from acrmirror.mirror import MirrorStore
from acrmirror.patterns import Patterns
from acrmirror.registry import RegistryTarget
from acrmirror.restore.claims import LocalClaims
from acrmirror.restore.images import ImageRestoring, SendingManner, Way
from acrmirror.restore.known import KnownBlobs
from acrmirror.restore.listing import Restoring
from acrmirror.restore.plans import Plan
from acrmirror.restore.targets import Targets
from acrmirror.retrying import RetryPolicy
from acrmirror.telemetry import Telemetry
from acrmirror.work import ImageRestore, Restore
from acrmirror.work.ids import hash_of

_log = logging.getLogger(__name__)


class ListRunner(TaskRunner[Restore]):
    """Lists what is to be restored. Thread-safe. `registry` is the host that patterns may name."""

    final = (NotHere,)

    def __init__(
        self,
        registry: str,
        store: MirrorStore,
        targets: Targets,
        queue: JobQueue,
        records: JobRecords,
        policy: RetryPolicy,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(queue, records, policy, telemetry)
        self._registry = registry
        self._store = store
        self._targets = targets

    def _work(self, task: Restore, cancel: Cancel) -> Restoring:
        patterns = Patterns.parse(task.patterns, self._registry)
        session = self._targets.session(task.into.target)
        plan: Plan | None = None
        if task.dry_run:
            prefix = task.into.prefix
            plan = Plan(
                self._store,
                lambda repository, count: RegistryTarget(session, repository, count, prefix=prefix),
                overwrite=task.into.overwrite,
            )
        return Restoring(task, patterns, self._store, self._queue, self._records, cancel, plan)


class ImageRunner(TaskRunner[ImageRestore]):
    """Copies one image into its target. Thread-safe."""

    final = (NotHere,)

    def __init__(
        self,
        store: MirrorStore,
        targets: Targets,
        queue: JobQueue,
        records: JobRecords,
        policy: RetryPolicy,
        manner: SendingManner,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(queue, records, policy, telemetry)
        self._store = store
        self._targets = targets
        self._manner = manner
        self._lock = threading.Lock()
        self._ways: dict[str, Way] = {}

    def _work(self, task: ImageRestore, cancel: Cancel) -> ImageRestoring:
        return self._begin(task, cancel, "")

    def _begin(self, task: ImageRestore, cancel: Cancel, run: str) -> ImageRestoring:
        self._heed_parent(task, cancel)
        way = self._way(task.into.target)
        # A later run of the job takes over what an earlier one held. Clocks may differ by seconds, which costs as many.
        turn = f"{task.retries:06d}.{task.attempt:06d}.{time.time_ns():020d}"
        return ImageRestoring(task, cancel, self._store, way, way.claims.of(Holder(task.id, run, turn)), self._manner)

    def _heed_parent(self, task: ImageRestore, cancel: Cancel) -> None:
        """An image whose restore was cancelled while it was being requested has no record yet that could say so. One
        that a person has sent again by itself is restored."""
        if task.retries:
            return
        try:
            parent = self._records.get(task.parent)
        except MirrorError as error:
            # The image's own record can still be cancelled.
            _log.warning("Whether the restore of %s was cancelled is not known: %s", task.id, error)
            return
        if parent is not None and (parent.fields["cancel_requested"] or parent.state == "cancelled"):
            cancel.set("a person cancelled the restore")

    def _way(self, host: str) -> Way:
        session = self._targets.session(host)
        with self._lock:
            if host not in self._ways:
                table = self._records.table
                claims = TableClaims(table, self._manner.claim_wait, self._records, scope=f"{hash_of(host)}-")
                self._ways[host] = Way(session, KnownBlobs(table, host), LocalClaims(), claims)
            return self._ways[host]


class RestoreRunner:
    """Thread-safe."""

    def __init__(self, lists: ListRunner, images: ImageRunner) -> None:
        self._lists = lists
        self._images = images

    def run(self, task: Restore | ImageRestore, deliveries: int) -> None:
        """As `TaskRunner.run`."""
        if isinstance(task, Restore):
            self._lists.run(task, deliveries)
        else:
            self._images.run(task, deliveries)

    def bury(self, task: Restore | ImageRestore, error: MirrorError) -> None:
        """As `TaskRunner.bury`."""
        if isinstance(task, Restore):
            self._lists.bury(task, error)
        else:
            self._images.bury(task, error)
