"""The queue of jobs: what the platform leases, retries and scales out on."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from acrmirror.jobs.failures import explained
from acrmirror.jobs.job import DEAD_QUEUE, JOB_QUEUE, Job
from acrmirror.jobs.sweep import Sweep
from acrmirror.transport import make_transport

ROLE = "Storage Queue Data Contributor"
MAX_DELAY = 7 * 24 * 3600
"""Seconds; Queue Storage keeps a message invisible for at most a week."""


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages there are, those under way and delayed included, and when the next one was sent."""

    messages: int
    oldest: datetime | None


class JobQueue:
    """Sends jobs to `mirror-jobs`, and looks at it and at its poison queue. Both are made by the deployment."""

    def __init__(self, client: QueueClient, dead: QueueClient) -> None:
        self._client = client
        self._dead = dead

    @classmethod
    def open(cls, endpoint: str, credential: TokenCredential, trust_bundle: Path | None = None) -> "JobQueue":
        """`endpoint` is the queue service's URL."""
        client, dead = (
            QueueClient(
                endpoint,
                name,
                credential=credential,
                transport=make_transport(trust_bundle, connections),
                message_encode_policy=TextBase64EncodePolicy(),
                retry_total=3,
                initial_backoff=1,
            )
            for name, connections in ((JOB_QUEUE, 8), (DEAD_QUEUE, 1))
        )
        return cls(client, dead)

    def send(self, job: Job, delay: float = 0) -> None:
        """Enqueues a job, invisible for `delay` seconds. It never expires. Raises Unavailable or Denied."""
        with explained(f"enqueue {job.reference}", "queue", ROLE):
            self._client.send_message(job.to_json(), visibility_timeout=_invisible(delay), time_to_live=-1)

    def send_sweep(self, sweep: Sweep, delay: float = 0) -> None:
        """As `send`."""
        with explained("enqueue a pull of many", "queue", ROLE):
            self._client.send_message(sweep.to_json(), visibility_timeout=_invisible(delay), time_to_live=-1)

    def depth(self) -> Depth:
        """Of the jobs that wait. Raises Unavailable or Denied."""
        return _depth(self._client, "queue")

    def dead_depth(self) -> Depth:
        """Of the poison queue, which `on_dead_job` empties. Raises Unavailable or Denied."""
        return _depth(self._dead, "poison queue")

    def close(self) -> None:
        self._client.close()
        self._dead.close()


def _invisible(delay: float) -> int:
    return min(int(delay + 0.999), MAX_DELAY)


def _depth(client: QueueClient, name: str) -> Depth:
    with explained(f"look at {client.queue_name}", name, ROLE):
        count = client.get_queue_properties().approximate_message_count or 0
        waiting = client.peek_messages(1)
        return Depth(count, waiting[0].inserted_on if waiting else None)
