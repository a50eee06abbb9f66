"""What a registry tells through Event Grid, in either schema, as one checked value.

Every field but the repository and the digest counts as optional; what is there has to be right. The schemas:
Microsoft.ContainerRegistry events in the Event Grid schema, and CloudEvents 1.0 with the same `data`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

from acrmirror.errors import AnotherRegistry, Malformed, Untimely
from acrmirror.moments import Moment, ahead_of, nine_digits
from acrmirror.reference import REPOSITORY_LIMIT, Digest, Reference, check_repository, shown

AHEAD_LIMIT = timedelta(minutes=5)
"""How far a registry's clock may be ahead of ours."""

Kind = Literal["push", "delete"]

_KINDS: dict[str, Kind] = {
    "ImagePushed": "push",
    "ImageDeleted": "delete",
    "ChartPushed": "push",
    "ChartDeleted": "delete",
}
_PREFIX = "Microsoft.ContainerRegistry."
_SAFE_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", re.ASCII)
_REGION = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII)
_RESOURCE = re.compile(r"/providers/Microsoft\.ContainerRegistry/registries/([A-Za-z0-9]{1,64})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RegistryEvent:
    """A push or a deletion at a registry.

    `id` is safe in a blob name. `time` is the registry's own. A deletion names a digest and no tag.
    """

    id: str
    kind: Kind
    reference: Reference
    time: Moment
    registry_host: str | None = None
    topic: str | None = None
    media_type: str | None = None
    size: int | None = None


def parse_event(payload: Mapping[str, object], limit: int = REPOSITORY_LIMIT) -> RegistryEvent:
    """An event from its JSON object. `limit` is the longest repository name that fits behind the mirror's prefix.

    Raises InvalidReference for a repository, tag or digest that is none, Malformed for everything else.
    """
    if "specversion" in payload:
        kind_key, topic_key, time_key = "type", "source", "time"
    else:
        kind_key, topic_key, time_key = "eventType", "topic", "eventTime"
    kind = _kind(payload.get(kind_key))
    data = _object(payload.get("data"), "data")
    target = _object(data.get("target"), "data.target")
    repository = check_repository(_text(target.get("repository"), "data.target.repository"), limit)
    digest = Digest.parse(_text(target.get("digest"), "data.target.digest"))
    tag = _optional_text(target.get("tag")) if kind == "push" else None
    request = data.get("request")
    host = _optional_text(request.get("host")) if isinstance(request, Mapping) else None
    return RegistryEvent(
        id=identity_of(payload),
        kind=kind,
        reference=Reference(repository, tag, digest),
        time=_time(data.get("timestamp"), payload.get(time_key)),
        registry_host=host.lower() if host else None,
        topic=_optional_text(payload.get(topic_key)),
        media_type=_media_type(target.get("mediaType")),
        size=_size(target.get("size"), target.get("length")),
    )


def check_event(
    event: RegistryEvent, registry: str, resource_id: str | None = None, now: datetime | None = None
) -> None:
    """Raises AnotherRegistry for an event of another registry or topic than the settings', Untimely for one from the
    future. Nothing is fetched for it.

    `registry` is the login server, `resource_id` the ARM id if settings name one: then the topic has to be that one
    (rules S7, H4), and decides: a host that is odd matters no more, unless it is a login server of a registry of that
    name, and not the settings'. Else a host has to be the login server's, with a region or port 443 or without. `now`
    is the current time.
    """
    asked = f"take event {shown(event.id)} for {event.reference}"
    if resource_id is not None and (event.topic or "").rstrip("/").lower() != resource_id.rstrip("/").lower():
        raise AnotherRegistry(
            asked,
            f"its topic is {shown(event.topic)}, and settings name {resource_id}",
            "Subscribe to the registry that MIRROR_REGISTRY_RESOURCE_ID names, or correct that setting.",
        )
    other = _other_registry(event, registry.lower(), decided=resource_id is not None)
    if other is not None:
        raise _another_registry(asked, shown(other), registry)
    if ahead_of(event.time, now or datetime.now(UTC)) > AHEAD_LIMIT:
        raise Untimely(
            asked,
            f"its time {event.time} is more than five minutes ahead",
            "History is kept in the registry's own time: check the clocks of the sender and of this machine.",
        )


def identity_of(payload: Mapping[str, object]) -> str:
    """The event's id, safe in a blob's name, whatever else it holds. An id that can't be there, or is missing, is
    replaced by a hash that repeats with the event."""
    data = payload.get("data")
    for candidate in (payload.get("id"), data.get("id") if isinstance(data, Mapping) else None):
        if isinstance(candidate, str) and candidate:
            if _SAFE_ID.fullmatch(candidate):
                return candidate
            return hashlib.sha256(candidate.encode("utf-8", "surrogatepass")).hexdigest()
    whole = json.dumps(payload, sort_keys=True, default=str)
    return hashlib.sha256(whole.encode()).hexdigest()


def _other_registry(event: RegistryEvent, registry: str, *, decided: bool) -> str | None:
    """What the event says that it comes from, if that is not the registry in settings; `decided` if its topic is the
    one that they name."""
    found = _RESOURCE.search(event.topic or "")
    name = found[1].lower() if found else None
    host = event.registry_host
    if host is None:
        return name if name is not None and not _is_login_server(registry, name) else None
    if _same_registry(host, registry):
        return None
    if decided and name is not None and _is_login_server(registry, name):
        bare = host.partition(":")[0]
        if _same_registry(bare, registry) or not _is_login_server(bare, name):
            return None
    return host


def _is_login_server(host: str, name: str) -> bool:
    """Whether a registry of this name may have that host: the name and maybe a suffix that keeps others from taking it
    over."""
    label = host.partition(".")[0]
    return label == name or label.startswith(f"{name}-")


def _same_registry(host: str, registry: str) -> bool:
    """Whether a host is the login server, or one of a region: `demo.westeurope.geo.azurecr.io` is `demo.azurecr.io`."""
    host, registry = (it.removesuffix(":443").removesuffix(".") for it in (host, registry))
    label, _, suffix = registry.partition(".")
    region = host.removeprefix(f"{label}.").removesuffix(f".{suffix}")
    return host == registry or (host == f"{label}.{region}.{suffix}" and _REGION.fullmatch(region) is not None)


def _another_registry(asked: str, named: str, registry: str) -> AnotherRegistry:
    return AnotherRegistry(
        asked,
        f"it comes from the registry {named}, and this mirror serves {registry}",
        "Subscribe to the registry that MIRROR_REGISTRY names, or correct that setting.",
    )


def _kind(value: object) -> Kind:
    name = value if isinstance(value, str) else ""
    kind = _KINDS.get(name.removeprefix(_PREFIX))
    if kind is None:
        raise _malformed(f"its type is {shown(value)}, which is none of a container registry's")
    return kind


def _time(*candidates: object) -> Moment:
    problem = Malformed("read an event", "it has no time", "Send data.timestamp or the event's own time in RFC 3339.")
    for candidate in candidates:
        if isinstance(candidate, str) and candidate:
            try:
                return nine_digits(candidate)
            except Malformed as error:
                problem = error
    raise problem


def _object(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _malformed(f"{place} is not an object")
    return cast(Mapping[str, object], value)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise _malformed(f"{place} is not a string")
    return value


def _optional_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _media_type(value: object) -> str | None:
    text = _optional_text(value)
    return text if text and text.isascii() and text.isprintable() and len(text) <= 255 else None


def _size(*candidates: object) -> int | None:
    for candidate in candidates:
        if isinstance(candidate, int) and not isinstance(candidate, bool) and 0 <= candidate < 2**63:
            return candidate
    return None


def _malformed(answered: str) -> Malformed:
    return Malformed("read an event", answered, "Send what Event Grid sends for a container registry.")
