"""A drawing of what is deployed, made from the templates: docs/deployed.md (Mermaid)."""

import re
from collections.abc import Iterator
from typing import Any

from devtools.bicep.settled import Settled, Whole, at
from devtools.deployment import ROLE
from devtools.deployment.roles import BY_ID
from devtools.deployment.scenarios import REGISTRY, SCENARIOS, TOKEN, Scenario, run, subscribe

_SHORT = {
    "Microsoft.Storage/storageAccounts": "storage account",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "container",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "queue",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "table",
    "Microsoft.Storage/storageAccounts/managementPolicies": "lifecycle",
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": "immutability",
    "Microsoft.Authorization/locks": "lock",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "identity",
    "Microsoft.Web/serverfarms": "plan",
    "Microsoft.Web/sites": "function app",
    "Microsoft.EventGrid/systemTopics": "system topic",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": "event subscription",
    "Microsoft.OperationalInsights/workspaces": "workspace",
    "Microsoft.Insights/components": "Application Insights",
    "Microsoft.Insights/workbooks": "workbook",
    "Microsoft.Insights/actionGroups": "action group",
    "Microsoft.Insights/scheduledQueryRules": "log alert",
    "Microsoft.Insights/metricAlerts": "metric alert",
    "Microsoft.Insights/webtests": "availability test",
    "Microsoft.Network/virtualNetworks": "network",
    "Microsoft.Network/privateEndpoints": "private endpoint",
    "Microsoft.App/managedEnvironments": "Container Apps environment",
    "Microsoft.App/containerApps": "container app",
}


def page() -> str:
    """Two drawings: what every deployment has, and what all options together add."""
    lines = [
        "# What is deployed",
        "",
        "Made from the templates by `python3 dev.py infra --write`; a test keeps it true. `…` is a",
        "token that follows from the subscription, the environment's name and the region. A thick arrow is a",
        "role, with which its left end may do something at its right end; a dotted one says what works with",
        "what; boxes are resource groups and storage accounts.",
        "",
        "## As it comes",
        "",
        *drawing(SCENARIOS[0]),
        "",
        "## With everything switched on",
        "",
        "Registry in ABAC mode, private networking, immutability, tiers, and a stock registry that serves the mirror.",
        "",
        *drawing(SCENARIOS[1]),
    ]
    return "\n".join(lines) + "\n"


def drawing(scenario: Scenario) -> list[str]:
    deployment = run(scenario)
    events = subscribe(deployment)
    return _Drawing(scenario, deployment, events).lines()


class _Drawing:
    def __init__(self, scenario: Scenario, deployment: Whole, events: Whole) -> None:
        self.scenario = scenario
        self.resources = [item for item in deployment.resources + events.resources if item.type in _SHORT]
        self.roles = deployment.of(ROLE)
        self.numbers = {item.id: f"n{index}" for index, item in enumerate(self.resources)}
        self.numbers[REGISTRY] = "registry"

    def lines(self) -> list[str]:
        return ["```mermaid", "flowchart LR", *self.boxes(), *self.edges(), "```"]

    def boxes(self) -> Iterator[str]:
        yield '  subgraph theirs["the registry\'s resource group"]'
        yield '    registry["registry"]'
        yield from (f"    {line}" for item in self.resources if "rg-check" not in item.id for line in self.box(item))
        yield "  end"
        yield from self.group("ours", "rg-&lt;environment&gt;", "/rg-check/")
        yield from self.group("kept", "rg-&lt;environment&gt;-mirror", "/rg-check-mirror/")

    def group(self, name: str, title: str, within: str) -> Iterator[str]:
        yield f'  subgraph {name}["{title}"]'
        for item in self.resources:
            if within in item.id and self.account_of(item) is None:
                yield from (f"    {line}" for line in self.box(item))
        yield "  end"

    def box(self, item: Settled) -> Iterator[str]:
        within = [other for other in self.resources if self.account_of(other) == item.id]
        title = at(item.body, "properties/displayName") if item.type.endswith("workbooks") else item.name
        label = f'"{_SHORT[item.type]}<br/>{title.replace(TOKEN, "…")}"'
        if not within:
            yield f"{self.numbers[item.id]}[{label}]"
            return
        yield f"subgraph {self.numbers[item.id]}[{label}]"
        yield from (f"  {line}" for other in within for line in self.box(other))
        yield "end"

    def account_of(self, item: Settled) -> str | None:
        """The account that something is drawn within."""
        match = re.match(r"(.*/Microsoft\.Storage/storageAccounts/[^/]+)/", item.id)
        return match[1] if match and match[1] in self.numbers else None

    def edges(self) -> Iterator[str]:
        for item in self.roles:
            role = BY_ID[item.body["properties"]["roleDefinitionId"].rpartition("/")[2]]
            principal = item.body["properties"]["principalId"].rpartition(
                ".identity" if "Topics" in str(item.body) else ".properties"
            )[0]
            if item.on and principal in self.numbers and item.on in self.numbers:
                yield f'  {self.numbers[principal]} == "{role.name}" ==> {self.numbers[item.on]}'
        for item in self.resources:
            for target, label in self.uses(item):
                if target in self.numbers:
                    arrow = f'-. "{label}" .->' if label else "-.->"
                    yield f"  {self.numbers[item.id]} {arrow} {self.numbers[target]}"

    def uses(self, item: Settled) -> Iterator[tuple[str, str]]:
        body = item.body
        match item.type.rpartition("/")[2]:
            case "sites":
                yield from ((identity, "acts as") for identity in at(body, "identity/userAssignedIdentities"))
                yield str(at(body, "properties/serverFarmId")), ""
            case "containerApps":
                yield from ((identity, "acts as") for identity in at(body, "identity/userAssignedIdentities"))
                yield str(at(body, "properties/environmentId")), ""
            case "systemTopics":
                yield str(at(body, "properties/source")), "tells of"
            case "eventSubscriptions":
                yield item.id.partition("/eventSubscriptions")[0], "of"
                function = str(at(body, "properties/destination/properties/resourceId"))
                yield function.partition("/functions/")[0], "on_registry_event"
                dead = at(body, "properties/deadLetterWithResourceIdentity/deadLetterDestination/properties")
                container = f"{dead['resourceId']}/blobServices/default/containers/{dead['blobContainerName']}"
                yield container, "dead letters"
            case "components":
                yield str(at(body, "properties/WorkspaceResourceId")), ""
            case "scheduledQueryRules" | "metricAlerts":
                for scope in at(body, "properties/scopes"):
                    yield str(scope).partition("/queueServices")[0], "watches"
            case "workbooks":
                yield str(at(body, "properties/sourceId")), "reads"
            case "privateEndpoints":
                yield self.endpoint(body), "leads to"

    def endpoint(self, body: dict[str, Any]) -> str:
        return str(at(body, "properties/privateLinkServiceConnections/0/properties/privateLinkServiceId"))
