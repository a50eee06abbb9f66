"""The queue of jobs: what the platform leases, retries and scales out on."""

import logging
from collections.abc import Mapping
from pathlib import Path

from acrmirror.errors import StorageMissing
from acrmirror.storage import Depth, Queue, TokenCredential
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, BackfillTask, Batch, Job
from acrmirror.work.audit import Audit

_log = logging.getLogger(__name__)


class JobQueue:
    """Sends pushes and pulls of one image to `mirror-jobs`, sweeps and what they ask for to `mirror-backfill`; looks at
    these and at their poison queues. The deployment makes all four.

    `queues` has each of them by its name.
    """

    def __init__(self, queues: Mapping[str, Queue]) -> None:
        self._queues = queues

    @classmethod
    def open(cls, endpoint: str, credential: TokenCredential, trust_bundle: Path | None = None) -> "JobQueue":
        """`endpoint` is the queue service's URL."""
        connections = {JOB_QUEUE: 8, DEAD_QUEUE: 1, BACKFILL_QUEUE: 8, DEAD_BACKFILL_QUEUE: 1}
        return cls(
            {
                name: Queue.open(endpoint, name, credential, trust_bundle=trust_bundle, connections=count)
                for name, count in connections.items()
            }
        )

    def send(self, job: Job, delay: float = 0, *, onward: bool = False) -> None:
        """Enqueues a job, invisible for `delay` seconds. It never expires. Raises Unavailable, also where there is no
        such queue (yet), or Denied.

        `onward`: the next message of a job that is being run. It must not be lost: where the queue of sweeps is not
        there, since the app is newer than what it was deployed into, it goes to that of pushes.
        """
        self._send(job.queue, str(job.reference), job.to_json(), delay, onward)

    def send_task(self, task: BackfillTask, delay: float = 0, *, onward: bool = False) -> None:
        """As `send`, of what goes through the queue of sweeps."""
        self._send(BACKFILL_QUEUE, task.title, task.to_json(), delay, onward)

    def send_audit(self, audit: Audit, delay: float = 0, *, onward: bool = False) -> None:
        """As `send`: the next slice of an audit."""
        self._send(BACKFILL_QUEUE, "an audit", audit.to_json(), delay, onward)

    def send_batch(self, batch: Batch) -> None:
        """As `send`: several copies in one message."""
        what = f"{len(batch.wanted)} copies of {batch.repository}"
        self._send(BACKFILL_QUEUE, what, batch.to_json(), 0, onward=False)

    def _send(self, queue: str, what: str, text: str, delay: float, onward: bool) -> None:
        try:
            self._queues[queue].send(text, f"enqueue {what} in {queue}", delay=delay)
        except StorageMissing as missing:
            if queue == JOB_QUEUE or not onward:
                raise
            _log.error("%s It goes to %s meanwhile, and holds up pushes there.", missing, JOB_QUEUE)
            self._send(JOB_QUEUE, what, text, delay, onward)

    def depth(self, name: str = JOB_QUEUE) -> Depth:
        """Of the messages in one of the four queues. Raises Unavailable or Denied."""
        return self._queues[name].depth(f"look at {name}")

    def close(self) -> None:
        for queue in self._queues.values():
            queue.close()
