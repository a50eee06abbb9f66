"""What has to be there before anything is made: versions, providers, regions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from infra.hooks.environment import Environment
from infra.hooks.ids import region

AZ, AZD = (2, 80), (1, 25)
RUNTIME = "3.13"
"""As infra/modules/functions.bicep has it; a test holds the two together."""
PROVIDERS = (
    "Microsoft.Web",
    "Microsoft.App",
    "Microsoft.EventGrid",
    "Microsoft.Storage",
    "Microsoft.ManagedIdentity",
    "Microsoft.Insights",
    "Microsoft.OperationalInsights",
)
FOR_NETWORKS = ("Microsoft.Network", "Microsoft.ContainerRegistry")


def too_old(program: str, version: str, needed: tuple[int, int]) -> list[str]:
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < needed:
        least = ".".join(map(str, needed))
        upgrade = "run az upgrade" if program == "az" else "see https://aka.ms/azd"
        return [f"{program} is version {version}, and {least} or newer is needed: {upgrade}."]
    return []


def providers(environment: Environment) -> tuple[str, ...]:
    networks = "true" in (
        environment.get("MIRROR_PRIVATE_NETWORKING"),
        environment.get("MIRROR_REGISTRY_PRIVATE_ENDPOINT"),
        environment.get("MIRROR_NAT_GATEWAY"),
    )
    return PROVIDERS + (FOR_NETWORKS if networks or environment.get("MIRROR_SUBNET_IDS") else ())


def not_registered(listed: Iterable[Mapping[str, Any]], wanted: Sequence[str], subscription: str) -> list[str]:
    there = {
        str(item["namespace"]).lower() for item in listed if item["registrationState"] in ("Registered", "Registering")
    }
    lacking = [name for name in wanted if name.lower() not in there]
    if not lacking:
        return []
    commands = "\n".join(f"  az provider register --subscription {subscription} --namespace {name}" for name in lacking)
    return [
        f"Resource providers are not registered in the subscription {subscription}. Register them, and wait some "
        f"minutes:\n{commands}"
    ]


def unsupported_region(name: str, regions: Iterable[str]) -> list[str]:
    if region(name) in {region(item) for item in regions}:
        return []
    near = ", ".join(sorted(region(item) for item in regions))
    return [
        f"AZURE_LOCATION is '{name}', where this subscription can't have Flex Consumption plans. It can in: {near}."
    ]


def unsupported_runtime(name: str, runtimes: Iterable[Mapping[str, Any]]) -> list[str]:
    versions = sorted({str(item.get("version")) for item in runtimes})
    if RUNTIME in versions:
        return []
    return [
        f"AZURE_LOCATION is '{name}', where Flex Consumption has no Python {RUNTIME}. It has: {', '.join(versions)}."
    ]


def unsupported_redundancy(wanted: str, place: str, skus: Iterable[Mapping[str, Any]]) -> list[str]:
    """`skus` as the resource provider of storage lists them for a subscription."""
    offered = set(_offered(place, skus))
    if wanted in offered:
        return []
    have = ", ".join(sorted(name for name in offered if name.startswith("Standard_"))) or "no storage at all"
    return [f"MIRROR_REDUNDANCY is {wanted}, which {place} does not have for this subscription. It has {have}."]


def _offered(place: str, skus: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for sku in skus:
        here = region(place) in {region(item) for item in sku.get("locations") or ()}
        if here and sku.get("kind") == "StorageV2" and not sku.get("restrictions"):
            yield str(sku["name"])


def one_region(of_registry: str, mirror: str, redundancy: str) -> str:
    """What it means that both are in one region; empty if they are not."""
    if region(of_registry) != region(mirror):
        return ""
    one = f"The mirror is in the registry's region, {region(mirror)}: whatever takes that region away takes both."
    if redundancy.endswith(("LRS", "_ZRS")):
        return (
            f"{one} Another MIRROR_LOCATION survives it, or a MIRROR_REDUNDANCY with a copy elsewhere (Standard_GRS)."
        )
    return f"{one} With {redundancy} a copy in the paired region survives it; it may lack the last minutes."


def registry_tier(registry: Mapping[str, Any], environment: Environment) -> list[str]:
    if environment.get("MIRROR_REGISTRY_PRIVATE_ENDPOINT") == "true" and registry["sku"]["name"] != "Premium":
        return [
            f"MIRROR_REGISTRY_PRIVATE_ENDPOINT is true, and the registry {registry['name']} is "
            f"{registry['sku']['name']}: only a Premium one has private endpoints."
        ]
    if (
        registry.get("publicNetworkAccess") == "Disabled"
        and environment.get("MIRROR_REGISTRY_PRIVATE_ENDPOINT") != "true"
    ):
        return [
            f"The registry {registry['name']} takes no calls from public networks. Set "
            "MIRROR_REGISTRY_PRIVATE_ENDPOINT to true: the app then reaches it by a private endpoint."
        ]
    return []
