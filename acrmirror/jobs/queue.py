"""The queue of jobs: what the platform leases, retries and scales out on."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from acrmirror.errors import Unavailable
from acrmirror.jobs.failures import explained
from acrmirror.transport import make_transport
from acrmirror.work.job import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Job
from acrmirror.work.sweep import Sweep

ROLE = "Storage Queue Data Contributor"
MAX_DELAY = 7 * 24 * 3600
"""Seconds; Queue Storage keeps a message invisible for at most a week."""

_log = logging.getLogger(__name__)


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

    def send(self, job: Job, delay: float = 0, *, onward: bool = False) -> None:
        """Enqueues a job, invisible for `delay` seconds. It never expires. Raises Unavailable, also where there is no
        such queue (yet), or Denied.

        `onward`: the next message of a job that is being run. It must not be lost: where the queue of sweeps is not
        there, since the app is newer than what it was deployed into, it goes to that of pushes.
        """
        self._send(job.queue, str(job.reference), job.to_json(), _invisible(delay), onward)

    def send_sweep(self, sweep: Sweep, delay: float = 0, *, onward: bool = False) -> None:
        """As `send`."""
        self._send(BACKFILL_QUEUE, "a pull of many", sweep.to_json(), _invisible(delay), onward)

    def _send(self, queue: str, what: str, text: str, invisible: int, onward: bool) -> None:
        asked = f"enqueue {what} in {queue}"
        with explained(asked, "queue", ROLE):
            try:
                self._clients[queue].send_message(text, visibility_timeout=invisible, time_to_live=-1)
                return
            except ResourceNotFoundError as error:
                missing = Unavailable(
                    asked, f"there is no queue {queue}", "Deploy the templates of this version, which make it."
                )
                if queue == JOB_QUEUE or not onward:
                    raise missing from error
        _log.error("%s It goes to %s meanwhile, and holds up pushes there.", missing, JOB_QUEUE)
        self._send(JOB_QUEUE, what, text, invisible, onward)

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
