"""The events that a registry raises, in the form of Event Grid's schema for Container Registry."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from .content import Manifest, now_ns
from .delivery import Courier
from .webhook import Event
from .wire import RegistryRequest

DEFAULT_RESOURCE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ContainerRegistry/registries/local"
)


def nano_time(ns: int) -> str:
    """RFC 3339 with as many digits of fraction as it takes, as Go writes it: the registry's own stamps vary so."""
    fraction = f".{ns % 10**9:09d}".rstrip("0").rstrip(".")
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ns // 10**9))}{fraction}Z"


def tick_time(ns: int) -> str:
    """With seven digits of fraction, as .NET writes it."""
    seconds, rest = divmod(ns, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 100:07d}Z"


@dataclass(frozen=True, slots=True)
class Events:
    """One event for every manifest PUT and every manifest deleted; an untag raises none.

    Event types and fields: "Azure Container Registry as an Event Grid source" in the Event Grid documentation.
    """

    host: str
    courier: Courier
    topic: str = DEFAULT_RESOURCE
    location: str = field(default="local")

    def pushed(self, repository: str, manifest: Manifest, tag: str | None, request: RegistryRequest) -> None:
        size = len(manifest.raw)
        target: dict[str, object] = {
            "mediaType": manifest.media_type,
            "size": size,
            "digest": manifest.digest,
            "length": size,
            "repository": repository,
        }
        if tag is not None:
            target["tag"] = tag
        subject = f"{repository}:{tag}" if tag else repository
        self._raise("Microsoft.ContainerRegistry.ImagePushed", "push", subject, target, request)

    def deleted(self, repository: str, manifest: Manifest, request: RegistryRequest) -> None:
        target: dict[str, object] = {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "repository": repository,
        }
        self._raise("Microsoft.ContainerRegistry.ImageDeleted", "delete", repository, target, request)

    def _raise(self, kind: str, action: str, subject: str, target: dict[str, object], request: RegistryRequest) -> None:
        now = now_ns()
        data = {
            "id": str(uuid.uuid4()),
            "timestamp": nano_time(now),
            "action": action,
            "location": self.location,
            "target": target,
            "request": {
                "id": str(uuid.uuid4()),
                "host": self.host,
                "method": request.method,
                "useragent": request.headers.get("User-Agent", ""),
            },
        }
        # Event Grid stamps an event when it gets it, a little later than the registry did.
        event = Event(str(uuid.uuid4()), self.topic, subject, kind, tick_time(now_ns()), data)
        self.courier.send(event)
