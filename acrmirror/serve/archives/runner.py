"""Runs archives of one mirror."""

from acrmirror.cancel import Cancel
from acrmirror.errors import Damaged, DigestMismatch, NotHere
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.task_runner import TaskRunner
from acrmirror.mirror import MirrorStore
from acrmirror.retrying import RetryPolicy
from acrmirror.serve.archives.assembly import Assembly
from acrmirror.serve.images import Images
from acrmirror.storage import Container
from acrmirror.telemetry import Telemetry
from acrmirror.work import Archive


class ArchiveRunner(TaskRunner[Archive]):
    """Killed and run again an archive goes on from the blocks that are staged. Thread-safe."""

    final = (NotHere, Damaged, DigestMismatch)
    """Images are named by digest: what the mirror lacks, or has damaged, does not come by waiting."""

    def __init__(
        self,
        registry: str,
        images: Images,
        store: MirrorStore,
        archives: Container,
        queue: JobQueue,
        records: JobRecords,
        policy: RetryPolicy,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(queue, records, policy, telemetry)
        self._registry = registry
        self._images = images
        self._store = store
        self._archives = archives

    def _work(self, task: Archive, cancel: Cancel) -> Assembly:
        return Assembly(task, self._registry, self._images, self._store, self._archives, cancel)
