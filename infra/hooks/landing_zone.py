"""What a deployment is given in place of its own: subnets, private DNS zones, a workspace."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from infra.hooks.environment import Environment
from infra.hooks.ids import NETWORK, WORKSPACE, ZONE, ResourceId, folded, parse_id
from infra.hooks.problems import Problem

SUBNETS, ZONES, WORKSPACE_ID = "MIRROR_SUBNET_IDS", "MIRROR_DNS_ZONE_IDS", "MIRROR_EXISTING_WORKSPACE_ID"
USE_SUBNET = "Microsoft.Network/virtualNetworks/subnets/join/action"
USE_NETWORK = "Microsoft.Network/virtualNetworks/join/action"
USE_ZONE = "Microsoft.Network/privateDnsZones/join/action"
READ_WORKSPACE = "Microsoft.OperationalInsights/workspaces/read"
REMEDY = "A role there that has this will do: Network Contributor, Private DNS Zone Contributor, Reader of a workspace."

_SUBNET = re.compile(r"(.*)/subnets/[\w.-]{1,80}/?", re.IGNORECASE)


def wrong(environment: Environment) -> Iterator[str]:
    """A sentence for each that the templates would refuse, or that does not go together."""
    subnets, zones = _texts(environment, SUBNETS), _texts(environment, ZONES)
    networks = set()
    for name, text in subnets.items():
        try:
            networks.add(folded(str(_network(text, name))))
        except Problem as problem:
            yield str(problem)
    if len(networks) > 1:
        yield f"{SUBNETS} has subnets of {len(networks)} networks, and they have to be of one."
    private = environment.get("MIRROR_PRIVATE_NETWORKING") == "true"
    to_registry = environment.get("MIRROR_REGISTRY_PRIVATE_ENDPOINT") == "true"
    if subnets:
        needed = {
            "app": True,
            "endpoints": private or to_registry,
            "serve": private and environment.get("MIRROR_STOCK_REGISTRY") == "true",
        }
        for name in (it for it, used in needed.items() if used and it not in subnets):
            yield f'{SUBNETS} has no "{name}", which is needed with what else is set.'
        if environment.get("MIRROR_NAT_GATEWAY") == "true":
            yield "MIRROR_NAT_GATEWAY is for a network of its own: attach a gateway to your subnet."
    for name, text in zones.items():
        try:
            parse_id(text, ZONE, f'"{name}" in {ZONES}')
        except Problem as problem:
            yield str(problem)
    if zones:
        needed_zones = [*(("blob", "queue", "table") if private else ()), *(("registry",) if to_registry else ())]
        for name in (it for it in needed_zones if it not in zones):
            yield f'{ZONES} has no "{name}", which is needed with what else is set.'
        if environment.get("MIRROR_DNS_BY_POLICY") == "true":
            yield f"MIRROR_DNS_BY_POLICY is true, and {ZONES} has zones: set one of the two."
    if text := environment.get(WORKSPACE_ID):
        try:
            parse_id(text, WORKSPACE, WORKSPACE_ID)
        except Problem as problem:
            yield str(problem)


def rights_needed(environment: Environment) -> Iterator[tuple[str, str]]:
    """The id of each that is given, and what has to be allowed there: roles are given at a subnet as well as at its
    group. Nothing of it is `wrong`."""
    subnets = _texts(environment, SUBNETS)
    endpoints = "true" in (
        environment.get("MIRROR_PRIVATE_NETWORKING"),
        environment.get("MIRROR_REGISTRY_PRIVATE_ENDPOINT"),
    )
    by_others = _texts(environment, ZONES) or environment.get("MIRROR_DNS_BY_POLICY") == "true"
    makes_zones = endpoints and not by_others
    for name, text in subnets.items():
        network = _network(text, name)
        yield text.strip().rstrip("/"), USE_SUBNET
        if makes_zones:
            yield str(network), USE_NETWORK
    for name, text in _texts(environment, ZONES).items():
        yield str(parse_id(text, ZONE, name)), USE_ZONE
    if text := environment.get(WORKSPACE_ID):
        yield str(parse_id(text, WORKSPACE, WORKSPACE_ID)), READ_WORKSPACE


def _network(text: str, name: str) -> ResourceId:
    found = _SUBNET.fullmatch(text.strip())
    said = f'"{name}" in {SUBNETS}'
    if found is None:
        raise Problem(f"{said} is '{text}', and has to be the id of a subnet: …/{NETWORK}/<name>/subnets/<name>.")
    return parse_id(found[1], NETWORK, said)


def _texts(environment: Environment, name: str) -> dict[str, str]:
    """Empty for what is no object of texts, which is told by its kind."""
    try:
        value = json.loads(environment.get(name) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) and all(isinstance(it, str) for it in value.values()) else {}
