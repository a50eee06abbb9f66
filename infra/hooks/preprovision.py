"""Before anything is made: which registry, where, with which topic; and whether all that is needed is there.

The only thing that it changes in Azure is the identity of a topic that is there without one, after every check.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.hooks import checks, landing_zone, rights
from infra.hooks.choices import Topic, asked_registry, choose_topic, labels
from infra.hooks.commands import Azd, Azure, CommandFailed, Console
from infra.hooks.environment import Environment
from infra.hooks.ids import ACCOUNT, REGISTRY, ResourceId, parse_id, region
from infra.hooks.problems import Problem, raise_all
from infra.hooks.variables import wrong_variables

TOPIC_VERSION = "2025-02-15"
PERMISSIONS_VERSION = "2022-04-01"
LOCATIONS_VERSION = "2022-12-01"
SKUS_VERSION = "2024-01-01"
SUBSCRIPTIONS_LOOKED_AT = 20
IDENTITY_TRIES, IDENTITY_PAUSE = 12, 5.0


def preprovision(
    environment: Environment,
    azure: Azure,
    azd: Azd,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Raises Problem, with all that is wrong at once as far as it can be told."""
    raise_all([*versions(azure, azd), *wrong_variables(environment)])
    subscription = choose_subscription(environment, azure, console)
    registry = choose_registry(environment, azure, console, subscription)
    shown = show_registry(azure, registry)
    flex = [
        str(item["name"])
        for item in azure.json("functionapp", "list-flexconsumption-locations", "--subscription", subscription)
    ]
    location = choose_location(environment, console, str(shown["location"]), flex)
    mirror = choose_mirror_location(environment, azure, console, subscription, str(shown["location"]))
    listed = azure.json("eventgrid", "system-topic", "list", "--subscription", registry.subscription)
    topic = choose_topic(
        registry,
        listed,
        environment.get("MIRROR_EXISTING_TOPIC_NAME"),
        environment.get("MIRROR_EXISTING_TOPIC_RESOURCE_GROUP"),
    )
    raise_all(problems(environment, azure, subscription, registry, shown, location, flex, mirror))
    if topic is not None and topic.lacks_identity:
        give_identity(azure, topic, console, sleep)
    if mirror:
        redundancy = environment.get("MIRROR_REDUNDANCY") or "Standard_LRS"
        if warning := checks.one_region(str(shown["location"]), mirror, redundancy):
            console.say(f"WARNING: {warning}")
    values = {
        **({"MIRROR_LOCATION": mirror} if mirror else {}),
        "AZURE_SUBSCRIPTION_ID": subscription,
        "AZURE_LOCATION": location,
        "MIRROR_REGISTRY_ID": str(registry),
        "MIRROR_EXISTING_TOPIC_NAME": topic.id.name if topic else "",
        "MIRROR_EXISTING_TOPIC_RESOURCE_GROUP": topic.id.group if topic else "",
    }
    environment.keep(values, azd, console)
    whose = f"its topic {topic.id.name}" if topic else "a topic of this deployment's own"
    console.say(
        f"The registry {registry.name} ({shown['location']}) is mirrored, with {whose}; the app runs in {location}."
    )


def versions(azure: Azure, azd: Azd) -> list[str]:
    found = checks.too_old("az", str(azure.json("version")["azure-cli"]), checks.AZ)
    return [*found, *(checks.too_old("azd", azd.version(), checks.AZD) if azd.is_there else [])]


def choose_subscription(environment: Environment, azure: Azure, console: Console) -> str:
    """The one that azd chose; else the Azure CLI's own."""
    chosen = environment.get("AZURE_SUBSCRIPTION_ID")
    account = azure.json("account", "show", *(("--subscription", chosen) if chosen else ()))
    if not chosen:
        console.say(f"AZURE_SUBSCRIPTION_ID is not set: taking the Azure CLI's, {account['name']} ({account['id']}).")
    return str(account["id"])


def choose_registry(environment: Environment, azure: Azure, console: Console, subscription: str) -> ResourceId:
    asked = asked_registry(environment.get("MIRROR_REGISTRY_ID"), environment.get("MIRROR_REGISTRY_NAME"))
    if asked.id is not None:
        return asked.id
    listed = list_registries(azure, subscription)
    if asked.name:
        named = [item for item in listed if str(item["name"]).lower() == asked.name.lower()]
        if named:
            return parse_id(str(named[0]["id"]), REGISTRY, "What az acr list answered")
        there = ", ".join(sorted(str(item["name"]) for item in listed)) or "none"
        raise Problem(
            f"MIRROR_REGISTRY_NAME is '{asked.name}', and you can see no registry of that name. You can see: {there}. "
            "For one that you may not list set MIRROR_REGISTRY_ID to its ARM id."
        )
    choices = labels(listed)
    how = "azd env set MIRROR_REGISTRY_NAME <name>, or MIRROR_REGISTRY_ID <ARM id>"
    if not choices:
        raise Problem(f"Which registry? You can see none in your subscriptions. Set it: {how}.")
    if not console.interactive:
        raise Problem(f"Which registry? Set it: {how}. You can see:\n" + "\n".join(f"  {label}" for label in choices))
    console.say("Registries that you can see:")
    return choices[console.choose("Which one is to be mirrored?", list(choices))]


def list_registries(azure: Azure, subscription: str) -> list[Mapping[str, Any]]:
    """Those of the chosen subscription; where there is none, those of the others."""
    found: list[Mapping[str, Any]] = azure.json("acr", "list", "--subscription", subscription) or []
    if found:
        return found
    others = [str(item["id"]) for item in azure.json("account", "list") if item["id"] != subscription]
    for other in others[:SUBSCRIPTIONS_LOOKED_AT]:
        found += azure.json("acr", "list", "--subscription", other) or []
    return found


def show_registry(azure: Azure, registry: ResourceId) -> Mapping[str, Any]:
    where = ("--name", registry.name, "--resource-group", registry.group, "--subscription", registry.subscription)
    try:
        shown: Mapping[str, Any] = azure.json("acr", "show", *where)
    except CommandFailed as error:
        raise Problem(
            f"MIRROR_REGISTRY_ID names {registry}, which can't be read: it is not there, or you may not.\n{error}"
        ) from error
    return shown


def choose_location(environment: Environment, console: Console, of_registry: str, flex: list[str]) -> str:
    if chosen := environment.get("AZURE_LOCATION"):
        return region(chosen)
    if not console.interactive:
        raise Problem(
            f"AZURE_LOCATION is not set. Set it: azd env set AZURE_LOCATION <region>; the registry is in {of_registry}."
        )
    default = region(of_registry) if region(of_registry) in flex else ""
    console.say("Regions that have Flex Consumption:")
    return console.choose("Where is the app to run? The registry's region keeps copies short.", sorted(flex), default)


def choose_mirror_location(
    environment: Environment, azure: Azure, console: Console, subscription: str, of_registry: str
) -> str:
    """Empty for a mirror that is there already. Whoever names the registry's own region insists on it."""
    if environment.get("MIRROR_EXISTING_ACCOUNT_ID"):
        return ""
    if chosen := environment.get("MIRROR_LOCATION"):
        return region(chosen)
    listed = azure.get(f"/subscriptions/{subscription}/locations", LOCATIONS_VERSION)["value"]
    physical = {region(item["name"]): item for item in listed if item["metadata"]["regionType"] == "Physical"}
    here = physical.get(region(of_registry), {"metadata": {}})
    paired = [region(item["name"]) for item in here["metadata"].get("pairedRegion") or ()]
    default = next((name for name in paired if name in physical), "")
    why = "Another region than the registry's survives the loss of that one, which is what a mirror is for."
    if not console.interactive:
        raise Problem(
            f"MIRROR_LOCATION is not set: where is the mirror to be? {why} The registry is in {region(of_registry)}"
            f"{f', which is paired with {default}' if default else ''}. Set it: azd env set MIRROR_LOCATION <region>."
        )
    console.say(f"Regions of this subscription. {why} It can't be changed later.")
    return console.choose("Where is the mirror to be?", sorted(physical), default)


def problems(
    environment: Environment,
    azure: Azure,
    subscription: str,
    registry: ResourceId,
    shown: Mapping[str, Any],
    location: str,
    flex: list[str],
    mirror: str,
) -> list[str]:
    found = [*checks.registry_tier(shown, environment), *checks.unsupported_region(location, flex)]
    if not found:
        runtimes = azure.json(
            "functionapp",
            "list-flexconsumption-runtimes",
            "--location",
            location,
            "--runtime",
            "python",
            "--subscription",
            subscription,
        )
        found += checks.unsupported_runtime(location, runtimes)
    listed = azure.json("provider", "list", "--subscription", subscription)
    found += checks.not_registered(listed, checks.providers(environment), subscription)
    here = f"/subscriptions/{subscription}"
    makes_lock = not environment.get("MIRROR_EXISTING_ACCOUNT_ID") and environment.get("MIRROR_LOCK") != "false"
    scopes = {
        here: rights.AT_SUBSCRIPTION,
        registry.scope: rights.AT_REGISTRY,
    }
    if account := environment.get("MIRROR_EXISTING_ACCOUNT_ID"):
        there = parse_id(account, ACCOUNT, "MIRROR_EXISTING_ACCOUNT_ID").scope
        scopes[there] = tuple(dict.fromkeys((*scopes.get(there, ()), *rights.AT_MIRROR)))
    else:
        place = region(mirror)
        skus = azure.get(f"/subscriptions/{subscription}/providers/Microsoft.Storage/skus", SKUS_VERSION)["value"]
        found += checks.unsupported_redundancy(environment.get("MIRROR_REDUNDANCY") or "Standard_LRS", place, skus)
    if target := environment.get("MIRROR_RESTORE_TARGET_ID"):
        there = parse_id(target, REGISTRY, "MIRROR_RESTORE_TARGET_ID").scope
        scopes[there] = tuple(dict.fromkeys((*scopes.get(there, ()), rights.DEPLOY, rights.ASSIGN)))
    for scope, action in dict.fromkeys(landing_zone.rights_needed(environment)):
        found += rights.missing(permissions(azure, scope), (action,), scope, landing_zone.REMEDY)
    for scope, actions in scopes.items():
        may = permissions(azure, scope)
        found += rights.missing(may, actions, scope)
        if makes_lock and scope == here and not rights.allows(may, rights.LOCK):
            found.append(rights.FOR_THE_LOCK)
    return found


def permissions(azure: Azure, scope: str) -> list[Mapping[str, Any]]:
    path = f"{scope}/providers/Microsoft.Authorization/permissions"
    try:
        answered: list[Mapping[str, Any]] = azure.get(path, PERMISSIONS_VERSION)["value"]
    except CommandFailed as error:
        if error.is_denied:
            return []
        raise
    return answered


def give_identity(azure: Azure, topic: Topic, console: Console, sleep: Callable[[float], None]) -> None:
    """By a request of its own: the CLI's command for it was seen to send an empty one. Raises Problem if the topic has
    none a minute later."""
    console.say(f"The registry's topic {topic.id.name} gets an identity, with which Event Grid writes dead letters.")
    url = f"{topic.id}?api-version={TOPIC_VERSION}"
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "identity.json"
        body.write_text(json.dumps({"identity": {"type": "SystemAssigned"}}), encoding="utf-8")
        azure.json("rest", "--method", "patch", "--url", url, "--body", f"@{body}")
    for _ in range(IDENTITY_TRIES):
        identity = azure.get(str(topic.id), TOPIC_VERSION).get("identity") or {}
        if "SystemAssigned" in str(identity.get("type")):
            return
        sleep(IDENTITY_PAUSE)
    raise Problem(
        f"The topic {topic.id.name} has no identity although it was given one. Switch it on (Identity page of the "
        "topic, System assigned), then run this again."
    )
