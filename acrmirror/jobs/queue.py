"""The queue of jobs: what the platform leases, retries and scales out on."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from acrmirror.jobs.failures import explained
from acrmirror.jobs.job import JOB_QUEUE, Job
from acrmirror.jobs.sweep import Sweep
from acrmirror.transport import make_transport, trust

MAX_DELAY = 7 * 24 * 3600
"""Seconds; Queue Storage keeps a message invisible for at most a week."""


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages there are, those under way and delayed included, and when the next one was sent."""

    messages: int
    oldest: datetime | None


class JobQueue:
    """Sends jobs to `mirror-jobs`. The queue is made by the deployment."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    @classmethod
    def open(cls, endpoint: str, credential: TokenCredential, trust_bundle: Path | None = None) -> "JobQueue":
        """`endpoint` is the queue service's URL."""
        client = QueueClient(
            endpoint,
            JOB_QUEUE,
            credential=credential,
            transport=make_transport(trust(trust_bundle), 8),
            message_encode_policy=TextBase64EncodePolicy(),
            retry_total=3,
            initial_backoff=1,
        )
        return cls(client)

    def send(self, job: Job, delay: float = 0) -> None:
        """Enqueues a job, invisible for `delay` seconds. It never expires. Raises Unavailable or Denied."""
        with explained(f"enqueue {job.reference}", "queue", "Storage Queue Data Message Sender"):
            self._client.send_message(
                job.to_json(), visibility_timeout=min(int(delay + 0.999), MAX_DELAY), time_to_live=-1
            )

    def send_sweep(self, sweep: Sweep) -> None:
        """As `send`."""
        with explained("enqueue a pull of many", "queue", "Storage Queue Data Message Sender"):
            self._client.send_message(sweep.to_json(), time_to_live=-1)

    def depth(self) -> Depth:
        """Raises Unavailable or Denied."""
        with explained("look at the job queue", "queue", "Storage Queue Data Contributor"):
            count = self._client.get_queue_properties().approximate_message_count or 0
            waiting = self._client.peek_messages(1)
            return Depth(count, waiting[0].inserted_on if waiting else None)

    def close(self) -> None:
        self._client.close()
