"""A queue's message on the host's side, and what a function is told of it."""

from __future__ import annotations

import base64
import binascii
import json

from azure.storage.queue import QueueMessage

from standins.functions import newtonsoft
from standins.functions.wire import TypedValue


class Held:
    """A received message and the receipt that its next operation needs."""

    def __init__(self, message: QueueMessage) -> None:
        self.message = message
        self.id = str(message.id)
        self.dequeue_count = int(message.dequeue_count or 0)
        self.receipt = str(message.pop_receipt)
        self.ours = True


def content_of(held: Held, *, encoded: bool) -> bytes | None:
    """What was put into it; None where it has to be base64, and is not."""
    content = str(held.message.content).encode()
    if not encoded:
        return content
    try:
        # Convert.FromBase64String takes white space.
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return None


def payload(content: bytes, data_type: object) -> TypedValue:
    """As the function wants it. Raises UnicodeDecodeError where it wants text, and gets something else."""
    return {"bytes": content} if data_type in ("BINARY", "binary") else {"string": content.decode()}


def metadata(held: Held, body: TypedValue) -> dict[str, TypedValue]:
    """The trigger's metadata (QueueTriggerBinding.cs), overlaid with the payload's own properties (Utility.cs)."""
    message = held.message
    known: dict[str, TypedValue] = {
        "DequeueCount": {"json": str(held.dequeue_count)},
        "ExpirationTime": {"json": json.dumps(message.expires_on.isoformat() if message.expires_on else None)},
        "Id": {"string": held.id},
        "InsertionTime": {"json": json.dumps(message.inserted_on.isoformat() if message.inserted_on else None)},
        "NextVisibleTime": {
            "json": json.dumps(message.next_visible_on.isoformat() if message.next_visible_on else None)
        },
        "PopReceipt": {"string": held.receipt},
    }
    if "string" in body:
        known["QueueTrigger"] = body
        _apply_binding_data(str(body["string"]), known)
    return known


def _apply_binding_data(text: str, metadata: dict[str, TypedValue]) -> None:
    """Utility.ApplyBindingData: a JSON object's top-level properties replace metadata of the same name in any case.

    So an app whose messages have an `id` sees that, and not the message's own, as `QueueMessage.id`.
    """
    try:
        properties = newtonsoft.parse(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(properties, dict):
        return
    for name, value in properties.items():
        if value is None or isinstance(value, list):
            continue
        key = next((known for known in metadata if known.lower() == name.lower()), name)
        written = {"json": json.dumps(value)} if isinstance(value, dict) else {"string": newtonsoft.displayed(value)}
        metadata[key] = written
