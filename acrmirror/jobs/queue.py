"""The queue of jobs: what the platform leases, retries and scales out on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from acrmirror.jobs.failures import explained
from acrmirror.transport import make_transport
from acrmirror.work.job import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Job
from acrmirror.work.sweep import Sweep

ROLE = "Storage Queue Data Contributor"
MAX_DELAY = 7 * 24 * 3600
"""Seconds; Queue Storage keeps a message invisible for at most a week."""


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages there are, those under way and delayed included, and when the next one was sent."""

    messages: int
    oldest: datetime | None


class JobQueue:
    """Sends pushes and pulls of one image to `mirror-jobs`, sweeps and what they ask for to `mirror-backfill`; looks at
    these and at their poison queues. The deployment makes all four.

    `clients` has one for each queue, by its name.
    """

    def __init__(self, clients: Mapping[str, QueueClient]) -> None:
        self._clients = clients

    @classmethod
    def open(cls, endpoint: str, credential: TokenCredential, trust_bundle: Path | None = None) -> "JobQueue":
        """`endpoint` is the queue service's URL."""
        connections = {JOB_QUEUE: 8, DEAD_QUEUE: 1, BACKFILL_QUEUE: 8, DEAD_BACKFILL_QUEUE: 1}
        clients = {
            name: QueueClient(
                endpoint,
                name,
                credential=credential,
                transport=make_transport(trust_bundle, count),
                message_encode_policy=TextBase64EncodePolicy(),
                retry_total=3,
                initial_backoff=1,
            )
            for name, count in connections.items()
        }
        return cls(clients)

    def send(self, job: Job, delay: float = 0) -> None:
        """Enqueues a job, invisible for `delay` seconds. It never expires. Raises Unavailable or Denied."""
        with explained(f"enqueue {job.reference} in {job.queue}", "queue", ROLE):
            self._clients[job.queue].send_message(job.to_json(), visibility_timeout=_invisible(delay), time_to_live=-1)

    def send_sweep(self, sweep: Sweep, delay: float = 0) -> None:
        """As `send`."""
        with explained(f"enqueue a pull of many in {BACKFILL_QUEUE}", "queue", ROLE):
            self._clients[BACKFILL_QUEUE].send_message(
                sweep.to_json(), visibility_timeout=_invisible(delay), time_to_live=-1
            )

    def depth(self, name: str = JOB_QUEUE) -> Depth:
        """Of the messages in one of the four queues. Raises Unavailable or Denied."""
        return _depth(self._clients[name], "poison queue" if name in (DEAD_QUEUE, DEAD_BACKFILL_QUEUE) else "queue")

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def _invisible(delay: float) -> int:
    return min(int(delay + 0.999), MAX_DELAY)


def _depth(client: QueueClient, name: str) -> Depth:
    with explained(f"look at {client.queue_name}", name, ROLE):
        count = client.get_queue_properties().approximate_message_count or 0
        waiting = client.peek_messages(1)
        return Depth(count, waiting[0].inserted_on if waiting else None)
