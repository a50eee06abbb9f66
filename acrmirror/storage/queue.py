"""One queue of Queue Storage."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from azure.core.credentials import TokenCredential
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from acrmirror.storage.failures import Place, explained
from acrmirror.transport import make_transport

MAX_DELAY = 7 * 24 * 3600
"""Seconds; storage keeps a message invisible for at most a week."""
_RETRIES: dict[str, Any] = {"retry_total": 3, "initial_backoff": 1}


@dataclass(frozen=True, slots=True)
class Depth:
    """About how many messages there are, those under way and delayed included, and when the next one was sent."""

    messages: int
    oldest: datetime | None


class Queue:
    """Messages in, and how many wait. Thread-safe; close it when done.

    In every method `asked` is what an error says was asked. All raise Denied and Unavailable; where the queue
    itself is missing, StorageMissing.
    """

    def __init__(self, client: QueueClient) -> None:
        self._client = client
        absent = frozenset({"QueueNotFound", "QueueBeingDeleted"})
        self._place = Place("queue", client.queue_name, "Storage Queue Data Contributor", absent)

    @classmethod
    def open(
        cls,
        endpoint: str,
        name: str,
        credential: TokenCredential,
        *,
        trust_bundle: Path | None = None,
        connections: int = 8,
    ) -> Self:
        """`endpoint` is the queue service's URL; `connections` how many are kept open for reuse."""
        client = QueueClient(
            endpoint,
            name,
            credential=credential,
            transport=make_transport(trust_bundle, connections),
            message_encode_policy=TextBase64EncodePolicy(),
            **_RETRIES,
        )
        return cls(client)

    def close(self) -> None:
        self._client.close()

    def send(self, text: str, asked: str, *, delay: float = 0) -> None:
        """Puts a message in, invisible for `delay` seconds (a week at most). It never expires."""
        invisible = min(int(delay + 0.999), MAX_DELAY)
        with self._explained(asked):
            self._client.send_message(text, visibility_timeout=invisible, time_to_live=-1)

    def depth(self, asked: str) -> Depth:
        """How much waits in it."""
        with self._explained(asked):
            count = self._client.get_queue_properties().approximate_message_count or 0
            waiting = self._client.peek_messages(1)
            return Depth(count, waiting[0].inserted_on if waiting else None)

    def _explained(self, asked: str) -> AbstractContextManager[None]:
        return explained(asked, self._place)
