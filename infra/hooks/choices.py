"""Which registry, which topic: decided from what is set and what Azure lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.hooks.ids import REGISTRY, TOPIC, ResourceId, folded, parse_id
from infra.hooks.problems import Problem


@dataclass(frozen=True, slots=True)
class Asked:
    """Which registry is set: by its id or by its name. Nothing: somebody has to be asked."""

    id: ResourceId | None = None
    name: str = ""


def asked_registry(given_id: str, given_name: str) -> Asked:
    """Raises Problem for a text that is no id, and for an id and a name that are two registries."""
    if not given_id:
        return Asked(name=given_name)
    found = parse_id(given_id, REGISTRY, "MIRROR_REGISTRY_ID")
    if given_name and folded(given_name) != folded(found.name):
        raise Problem(
            f"MIRROR_REGISTRY_NAME is '{given_name}', and MIRROR_REGISTRY_ID names '{found.name}', which an earlier "
            "run may have kept. Set the one that is right and empty the other (azd env set MIRROR_REGISTRY_ID=, or "
            "azd env set MIRROR_REGISTRY_NAME=). To mirror two registries use an azd environment for each."
        )
    return Asked(found)


def labels(listed: Sequence[Mapping[str, Any]]) -> dict[str, ResourceId]:
    """The registries of `az acr list`, as a person tells them apart."""
    found = {}
    for item in sorted(listed, key=lambda item: str(item["name"]).lower()):
        one = parse_id(str(item["id"]), REGISTRY, "What az acr list answered")
        found[f"{one.name} ({item['location']}, in {one.group}, {item['sku']['name']})"] = one
    return found


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that is there and is not this deployment's own; `lacks_identity` has to be put right first."""

    id: ResourceId
    lacks_identity: bool = False


def choose_topic(
    registry: ResourceId, listed: Sequence[Mapping[str, Any]], set_name: str, set_group: str
) -> Topic | None:
    """None if this deployment makes one, or made it before. A registry can have only one. Raises Problem where what is
    set is not what is there."""
    found = [item for item in listed if registry.is_(str(item.get("source", "")))]
    named = [
        item
        for item in found
        if folded(item["name"]) == folded(set_name) and (not set_group or folded(group(item)) == folded(set_group))
    ]
    if set_name and not named:
        raise Problem(_contradiction(registry, found, set_name, set_group))
    candidates = named or found
    if not candidates:
        return None
    if len(candidates) > 1:
        names = ", ".join(f"{item['name']} in {group(item)}" for item in candidates)
        raise Problem(
            f"The registry {registry.name} has several system topics: {names}. Say which one with "
            "MIRROR_EXISTING_TOPIC_NAME and MIRROR_EXISTING_TOPIC_RESOURCE_GROUP."
        )
    return _usable(registry, candidates[0], chosen=bool(named))


def _usable(registry: ResourceId, topic: Mapping[str, Any], *, chosen: bool) -> Topic | None:
    """What a person chose stays chosen, also if it has the name that this deployment gives."""
    identity = str((topic.get("identity") or {}).get("type") or "None")
    place = ResourceId(registry.subscription, group(topic), TOPIC, str(topic["name"]))
    ours = folded(place.name) == folded(f"evgt-{registry.name}") and folded(place.group) == folded(registry.group)
    if ours and identity == "SystemAssigned" and not chosen:
        return None
    if identity != "None" and "SystemAssigned" not in identity:
        raise Problem(
            f"The registry's topic {place.name} has user-assigned identities only. Add a system-assigned one (Identity "
            "page of the topic), then run this again: Event Grid writes dead letters with it."
        )
    return Topic(place, identity == "None")


def _contradiction(registry: ResourceId, found: Sequence[Mapping[str, Any]], set_name: str, set_group: str) -> str:
    where = f" in {set_group}" if set_group else ""
    there = ", ".join(f"{item['name']} in {group(item)}" for item in found)
    is_ = f"the registry's topic is {there}" if there else "it has no topic"
    return (
        f"MIRROR_EXISTING_TOPIC_NAME is '{set_name}'{where}, which is no system topic of the registry {registry.name}: "
        f"{is_}. Take the variable away to have it found (azd env set MIRROR_EXISTING_TOPIC_NAME= "
        "MIRROR_EXISTING_TOPIC_RESOURCE_GROUP=), or set the right one."
    )


def group(item: Mapping[str, Any]) -> str:
    """Its resource group, from the id where the CLI leaves it out."""
    given = item.get("resourceGroup")
    return str(given) if given else str(item["id"]).split("/")[4]
