"""Deployments that between them switch everything on and off."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from infra.checks import INFRA
from infra.checks.deployment import Deployment, Surroundings
from infra.checks.evaluate import deploy
from infra.checks.parser import read
from infra.checks.syntax import File

HERE = "11111111-1111-1111-1111-111111111111"
ELSEWHERE = "22222222-2222-2222-2222-222222222222"
REGISTRY = f"/subscriptions/{ELSEWHERE}/resourceGroups/rg-images/providers/Microsoft.ContainerRegistry/registries/demo"
OTHER_MIRROR = (
    f"/subscriptions/{ELSEWHERE}/resourceGroups/rg-mirrors/providers/Microsoft.Storage/storageAccounts/stother"
)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: str | None = "LegacyRegistryPermissions"
    """None is a registry that is older than the choice, and does not say."""

    @property
    def given(self) -> dict[str, Any]:
        return {"environmentName": "check", "location": "westeurope", "registryId": REGISTRY, **self.parameters}


SCENARIOS = (
    Scenario("as it comes"),
    Scenario(
        "everything",
        {
            "mirrorLocation": "northeurope",
            "mirrorRedundancy": "Standard_GRS",
            "mirrorPrefix": "demo",
            "immutabilityDays": 90,
            "softDeleteDays": 14,
            "coolAfterDays": 30,
            "coldAfterDays": 90,
            "instanceMemoryMB": 4096,
            "maximumInstanceCount": 7,
            "alwaysReadyEvents": 2,
            "alwaysReadyJobs": 3,
            "copyThreads": 9,
            "claimStaleSeconds": 77,
            "notFoundSeconds": 78,
            "retrySeconds": 79,
            "recheckSeconds": "80,81",
            "siteUpdateStrategy": "Recreate",
            "registryAudience": "https://registry.example",
            "repositoryPrefixes": ["team/", "base/"],
            "privateNetworking": True,
            "networkPrefix": "10.9.8.0/24",
            "registryPrivateEndpoint": True,
            "allowedCallers": ["192.0.2.0/24", "198.51.100.7/32"],
            "serveMirror": True,
            "serveUsers": "reader:$2y$05$hash",
            "alertEmails": ["one@example.com", "two@example.com"],
            "lagMinutes": 23,
            "quietHours": 5,
            "telemetryDays": 60,
            "tags": {"owner": "platform"},
        },
        "AbacRepositoryPermissions",
    ),
    Scenario(
        "what is there already",
        {
            "existingMirrorAccountId": OTHER_MIRROR,
            "mirrorContainer": "images",
            "mirrorPrefix": "demo",
            "existingTopicName": "evgt-shared",
            "existingTopicResourceGroup": "rg-events",
            "registryAuth": "anonymous",
            "alwaysReadyEvents": 0,
            "alwaysReadyJobs": 0,
            "serveMirror": True,
            "serveUsers": "reader:$2y$05$hash",
        },
    ),
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
        {"privateNetworking": True, "coldAfterDays": 1, "mirrorLocation": "northeurope"},
        mode=None,
    ),
)


class Loader:
    """Reads files once, and lets a test put other text in place of one."""

    def __init__(self, changed: Mapping[Path, str] | None = None) -> None:
        self.changed = {path.resolve(): text for path, text in (changed or {}).items()}
        self.known: dict[Path, File] = {}

    def __call__(self, path: Path) -> File:
        path = path.resolve()
        if path not in self.known:
            self.known[path] = read(path, self.changed[path]) if path in self.changed else _read(path)
        return self.known[path]


@cache
def _read(path: Path) -> File:
    return read(path)


def run(scenario: Scenario, load: Callable[[Path], File] | None = None) -> Deployment:
    """Raises Impossible."""
    facts = {
        "properties.loginServer": "demo.azurecr.io",
        "properties.roleAssignmentMode": scenario.mode,
        "location": "germanywestcentral",
    }
    around = Surroundings(HERE, {REGISTRY: facts})
    return deploy(INFRA / "main.bicep", scenario.given, load or Loader(), around)


def subscribe(deployment: Deployment, load: Callable[[Path], File] | None = None) -> Deployment:
    """What the hook after the deployment makes, out of what the deployment puts out."""
    outputs = deployment.outputs
    parameters = {
        "topicName": outputs["MIRROR_TOPIC_NAME"],
        "subscriptionName": outputs["MIRROR_FUNCTION_APP"],
        "functionAppId": outputs["MIRROR_FUNCTION_APP_ID"],
        "deadLetterAccountId": outputs["MIRROR_HOST_ACCOUNT_ID"],
        "deadLetterContainer": outputs["MIRROR_DEAD_LETTER_CONTAINER"],
        "repositoryPrefixes": outputs["MIRROR_REPOSITORY_PREFIXES"],
    }
    around = Surroundings(outputs["MIRROR_TOPIC_SUBSCRIPTION_ID"])
    path = INFRA / "subscription.bicep"
    return deploy(path, parameters, load or Loader(), around, outputs["MIRROR_TOPIC_RESOURCE_GROUP"])
