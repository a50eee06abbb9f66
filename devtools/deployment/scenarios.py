"""Deployments that between them switch everything on and off.

Three are files in infra/snapshots, each beside the form that the compiler predicts for it; the rest differs from the
first of them in few values.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from devtools.bicep.deployment import Deployment, Scope, Target
from devtools.bicep.evaluate import deploy, parameters
from devtools.bicep.functions import unique_string
from devtools.bicep.reading import Template, read
from devtools.bicep.settled import Place, Whole, settle
from devtools.deployment import INFRA

HERE = "11111111-1111-1111-1111-111111111111"
ELSEWHERE = "22222222-2222-2222-2222-222222222222"
REGISTRY = f"/subscriptions/{ELSEWHERE}/resourceGroups/rg-images/providers/Microsoft.ContainerRegistry/registries/demo"
SPARE = f"/subscriptions/{ELSEWHERE}/resourceGroups/rg-spare/providers/Microsoft.ContainerRegistry/registries/spare"
OTHER_MIRROR = (
    f"/subscriptions/{ELSEWHERE}/resourceGroups/rg-mirrors/providers/Microsoft.Storage/storageAccounts/stother"
)
HUB = f"/subscriptions/{ELSEWHERE}/resourceGroups/rg-hub/providers"
SUBNETS = {
    name: f"{HUB}/Microsoft.Network/virtualNetworks/vnet-spoke/subnets/{name}-of-mirror"
    for name in ("app", "endpoints", "serve")
}
ZONES = {
    service: f"{HUB}/Microsoft.Network/privateDnsZones/privatelink.{service}.core.windows.net"
    for service in ("blob", "queue", "table")
} | {"registry": f"{HUB}/Microsoft.Network/privateDnsZones/privatelink.azurecr.io"}
WORKSPACE = f"{HUB}/Microsoft.OperationalInsights/workspaces/log-shared"
SNAPSHOTS = INFRA / "snapshots"
TOKEN = unique_string(f"/subscriptions/{HERE}", "check", "westeurope")
"""What the names of all these deployments end with."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`mode` is what the registry says of its roles; one that is older than the choice says nothing."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: str | None = "LegacyRegistryPermissions"
    file: str = ""

    @property
    def given(self) -> dict[str, Any]:
        return {**_given(SNAPSHOTS / f"{self.file or 'plain'}.bicepparam"), **self.parameters}


RESTORING = Scenario("a registry to restore into", {"restoreTargetId": SPARE})
SCENARIOS = (
    Scenario("as it comes", file="plain"),
    Scenario("everything", mode="AbacRepositoryPermissions", file="everything"),
    Scenario("what is there already", file="shared"),
    RESTORING,
    # The network is there, and what reads storage stays out of it.
    Scenario(
        "only the registry is private",
        {
            "registryPrivateEndpoint": True,
            "mirrorLocation": "northeurope",
            "coolAfterDays": 1,
            "immutabilityDays": 1,
            "serveMirror": True,
            "serveUsers": "reader:$2y$05$hash",
        },
    ),
    Scenario(
        "only storage is private",
        {
            "writeOnlyRole": True,
            "mirrorLogs": "none",
            "privateNetworking": True,
            # With zones of its own for a network that is there already.
            "subnetIds": {name: SUBNETS[name] for name in ("app", "endpoints")},
            "coldAfterDays": 1,
            "mirrorLocation": "northeurope",
        },
        mode=None,
    ),
    Scenario(
        "a second registry into a private mirror",
        {
            "existingMirrorAccountId": OTHER_MIRROR,
            "mirrorPrefix": "demo",
            "privateNetworking": True,
            "registryPrivateEndpoint": True,
            "registryEndpointByHand": True,
            "subnetIds": {name: SUBNETS[name] for name in ("app", "endpoints")},
            "dnsByPolicy": True,
        },
    ),
    Scenario(
        "a landing zone",
        {
            "privateNetworking": True,
            "registryPrivateEndpoint": True,
            "subnetIds": SUBNETS,
            "dnsZoneIds": ZONES,
            "existingWorkspaceId": WORKSPACE,
            "serveMirror": True,
            "serveUsers": "reader:$2y$05$hash",
        },
    ),
)
COMMITTED = tuple(scenario for scenario in SCENARIOS if scenario.file)


@cache
def load(path: Path) -> Template:
    return read(path)


@cache
def _given(path: Path) -> dict[str, Any]:
    return parameters(path, load=load)


def predicted(scenario: Scenario, read_template: Callable[[Path], Template] = load) -> Deployment:
    """Raises Impossible."""
    return deploy(INFRA / "main.bicep", scenario.given, Target(Scope(HERE)), read_template)


def run(scenario: Scenario) -> Whole:
    """What the app's deployment comes to. Raises Impossible."""
    facts: dict[str, Any] = {"properties.loginServer": "demo.azurecr.io", "location": "germanywestcentral"}
    facts["properties.roleAssignmentMode"] = scenario.mode
    other = {"location": "francecentral", "sku.name": "Standard_ZRS"}
    spare = facts | {"properties.loginServer": "spare.azurecr.io"}
    known = {REGISTRY: facts, OTHER_MIRROR: other, SPARE: spare}
    return settle(predicted(scenario).form(), Place(known, scenario.given))


def subscription_parameters(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the hook after the deployment gives to subscription.bicep, of what the deployment puts out."""
    return {
        "topicName": outputs["MIRROR_TOPIC_NAME"],
        "subscriptionName": outputs["MIRROR_FUNCTION_APP"],
        "functionAppId": outputs["MIRROR_FUNCTION_APP_ID"],
        "deadLetterAccountId": outputs["MIRROR_HOST_ACCOUNT_ID"],
        "deadLetterContainer": outputs["MIRROR_DEAD_LETTER_CONTAINER"],
        "repositoryPrefixes": outputs["MIRROR_REPOSITORY_PREFIXES"],
    }


def subscribe(deployment: Whole) -> Whole:
    """What the hook after the deployment deploys."""
    outputs = deployment.outputs
    scope = Scope(outputs["MIRROR_TOPIC_SUBSCRIPTION_ID"], outputs["MIRROR_TOPIC_RESOURCE_GROUP"])
    made = deploy(INFRA / "subscription.bicep", subscription_parameters(outputs), Target(scope), load)
    return settle(made.form(), Place())


def snapshot(scenario: Scenario) -> Path:
    return SNAPSHOTS / f"{scenario.file}.snapshot.json"


def snapshot_text(scenario: Scenario) -> str:
    """As the compiler writes it: indented by two, without a line's end at the end."""
    return json.dumps(predicted(scenario).form(), indent=2, ensure_ascii=False)
