"""What Event Grid sends to an endpoint, and how it asks."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

# "Event Grid message delivery and retry" in its documentation: an endpoint has 30 s; 200 to 204 are a success.
ANSWER_SECONDS = 30
DELIVERED = range(200, 205)
NEVER_RETRIED = {400: "BadRequest", 403: "Forbidden", 413: "RequestEntityTooLarge"}
MAX_ATTEMPTS = 30


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    topic: str
    subject: str
    type: str
    time: str
    data: dict[str, Any]

    def in_schema(self, schema: str) -> dict[str, Any]:
        if schema == "cloudevents":
            return {
                "specversion": "1.0",
                "id": self.id,
                "source": self.topic,
                "subject": self.subject,
                "type": self.type,
                "time": self.time,
                "data": self.data,
            }
        return {
            "id": self.id,
            "topic": self.topic,
            "subject": self.subject,
            "eventType": self.type,
            "eventTime": self.time,
            "data": self.data,
            "dataVersion": "2.0",
            "metadataVersion": "1",
        }


@dataclass(frozen=True, slots=True)
class Subscription:
    """`scale` multiplies Event Grid's waits between attempts and its time to live, so that tests needn't wait."""

    endpoint: str
    schema: str = "eventgrid"
    name: str = "local"
    timeout: float = ANSWER_SECONDS
    scale: float = 1.0
    max_attempts: int = MAX_ATTEMPTS
    trust: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 0: none came, and `body` says in a word why."""

    status: int
    body: bytes
    headers: Message

    @property
    def outcome(self) -> str:
        """As a dead letter's lastDeliveryOutcome puts it."""
        if self.status in DELIVERED:
            return "Success"
        if self.status == 0:
            return self.body.decode()
        name = http.client.responses.get(self.status, "GenericError")
        return NEVER_RETRIED.get(self.status) or name.replace(" ", "")


def notify(subscription: Subscription, event: Event, body: bytes | None, attempts: int) -> Answer:
    """Posts one event, as an array of one in Event Grid's schema; `body`, if it isn't None, goes out instead as it is.

    The headers are those of "Event Grid message delivery": `attempts` counts what was tried before.
    """
    cloud = subscription.schema == "cloudevents"
    headers = {
        "Content-Type": f"application/{'cloudevents+json' if cloud else 'json'}; charset=utf-8",
        "aeg-event-type": "Notification",
        "aeg-subscription-name": subscription.name.upper(),
        "aeg-delivery-count": str(attempts),
        "aeg-data-version": "2.0",
        "aeg-metadata-version": "1",
    }
    if body is None:
        value = event.in_schema(subscription.schema)
        body = json.dumps(value if cloud else [value]).encode()
    return _ask(subscription, "POST", body, headers)


def validate(subscription: Subscription) -> str | None:
    """Event Grid's handshake with an endpoint; None if it passed, else what was wrong."""
    if subscription.schema == "cloudevents":
        # CloudEvents HTTP 1.1 webhooks, "Abuse protection".
        answer = _ask(subscription, "OPTIONS", None, {"WebHook-Request-Origin": "eventgrid.azure.net"})
        allowed = answer.headers.get("WebHook-Allowed-Origin")
        return None if allowed in ("*", "eventgrid.azure.net") else f"no allowed origin ({answer.status})"
    code = str(uuid.uuid4()).upper()
    event = {
        "id": str(uuid.uuid4()),
        "topic": "",
        "subject": "",
        "data": {"validationCode": code},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": stamp(time.time()),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    headers = {"aeg-event-type": "SubscriptionValidation", "Content-Type": "application/json; charset=utf-8"}
    answer = _ask(subscription, "POST", json.dumps([event]).encode(), headers)
    try:
        echoed = json.loads(answer.body).get("validationResponse")
    except (ValueError, AttributeError):
        echoed = None
    if answer.status == 200 and echoed == code:
        return None
    return f"the validation code was not echoed ({answer.status or answer.outcome})"


def stamp(seconds: float) -> str:
    """RFC 3339 with seven digits of fraction, as .NET writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e7):07d}Z"


def _ask(subscription: Subscription, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(subscription.endpoint)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=subscription.trust)
        connection = http.client.HTTPSConnection(parts.netloc, timeout=subscription.timeout, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=subscription.timeout)
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(1 << 20), answer.headers)
    except TimeoutError:
        return Answer(0, b"TimedOut", Message())
    except (OSError, http.client.HTTPException):
        return Answer(0, b"Unreachable", Message())
    finally:
        connection.close()
