"""What must hold of a deployment, whatever the template looks like that makes it. Each line says why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from acrmirror.settings import Settings
from infra.checks.evaluate import Deployed, Deployment
from infra.checks.roles import BY_ID, ROLES
from infra.checks.scenarios import ELSEWHERE, HERE, REGISTRY, Scenario

ACCOUNT = "Microsoft.Storage/storageAccounts"
CONTAINER = f"{ACCOUNT}/blobServices/containers"
ROLE = "Microsoft.Authorization/roleAssignments"
SITE = "Microsoft.Web/sites"

# Flex Consumption refuses these, or takes them silently and then fails ("Flex Consumption plan deprecations" in
# learn.microsoft.com/azure/azure-functions/functions-app-settings).
REFUSED_SETTINGS = {
    "ENABLE_ORYX_BUILD", "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_MAX_HTTP_CONCURRENCY",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_WORKER_RUNTIME_VERSION", "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
    "SCM_DO_BUILD_DURING_DEPLOYMENT", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTOVERVNET",
    "WEBSITE_CONTENTSHARE", "WEBSITE_DNS_SERVER", "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
    "WEBSITE_NODE_DEFAULT_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_SKIP_CONTENTSHARE_VALIDATION",
    "WEBSITE_TIME_ZONE", "WEBSITE_VNET_ROUTE_ALL",
}  # fmt: skip
REFUSED_PROPERTIES = {
    "alwaysOn", "functionAppScaleLimit", "ftpsState", "javaVersion", "linuxFxVersion", "minimumElasticInstanceCount",
    "netFrameworkVersion", "nodeVersion", "numberOfWorkers", "phpVersion", "powerShellVersion",
    "preWarmedInstanceCount",
    "pythonVersion", "use32BitWorkerProcess", "vnetRouteAllEnabled", "windowsFxVersion",
}  # fmt: skip


@dataclass(slots=True)
class View:
    """One deployment under inspection."""

    scenario: Scenario
    deployment: Deployment
    events: Deployment
    problems: list[str]

    @property
    def given(self) -> Mapping[str, Any]:
        return self.scenario.given

    def option(self, name: str, default: Any) -> Any:
        return self.given.get(name, default)

    @property
    def private(self) -> bool:
        return bool(self.option("privateNetworking", False))

    @property
    def group(self) -> str:
        return f"/subscriptions/{HERE}/resourceGroups/rg-check"

    @property
    def owns_mirror(self) -> bool:
        return not self.option("existingMirrorAccountId", "")

    @property
    def host(self) -> Deployed:
        return self.one(ACCOUNT, "sthost")

    @property
    def mirror_account(self) -> str:
        return str(self.one(ACCOUNT, "stmirror").id if self.owns_mirror else self.given["existingMirrorAccountId"])

    @property
    def container(self) -> str:
        return f"{self.mirror_account}/blobServices/default/containers/{self.option('mirrorContainer', 'mirror')}"

    @property
    def topic(self) -> str:
        group, name = (
            self.option("existingTopicResourceGroup", "rg-images"),
            self.option("existingTopicName", "evgt-demo"),
        )
        return f"/subscriptions/{ELSEWHERE}/resourceGroups/{group}/providers/Microsoft.EventGrid/systemTopics/{name}"

    def one(self, type_name: str, prefix: str = "") -> Deployed:
        found = [item for item in self.deployment.of(type_name) if item.name.startswith(prefix)]
        if len(found) != 1:
            raise Missing(f"{len(found)} of {type_name} {prefix}")
        return found[0]

    def holds(self, truth: object, why: str) -> None:
        if not truth:
            self.problems.append(f"{self.scenario.name}: {why}")

    def is_(self, resource: Deployed, path: str, wanted: Any, why: str) -> None:
        found = at(resource.body, path)
        same_type = isinstance(found, bool) == isinstance(wanted, bool)
        self.holds(found == wanted and same_type, f"{resource.type} {resource.name}: {path} is {found!r}: {why}")


class Missing(Exception):
    """A resource that has to be there is not."""


def at(body: Any, path: str) -> Any:
    for part in path.split("/"):
        if isinstance(body, list):
            body = body[int(part)] if part.isdigit() and int(part) < len(body) else None
        else:
            body = body.get(part) if isinstance(body, Mapping) else None
    return body


def everywhere(view: View) -> None:
    """Tags, places, and names that Azure takes."""
    tags = {**view.option("tags", {}), "azd-env-name": "check"}
    location = view.given["location"]
    mirror_location = view.option("mirrorLocation", location)
    ids = [item.id for item in view.deployment.resources if not item.existing]
    view.holds(len(ids) == len(set(ids)), "two resources have one id")
    for item in view.deployment.resources + view.events.resources:
        if item.existing:
            continue
        pattern = NAMES.get(item.type)
        view.holds(pattern and re.fullmatch(pattern, item.name), f"{item.type} may not be named {item.name}")
        if "location" in item.body:
            wanted = _PLACES.get(item.type, location)
            if item.name.startswith("stmirror") or (item.type in _SERVED and not view.private):
                wanted = mirror_location
            if item.type.endswith("userAssignedIdentities") and item.name.startswith("id-serve") and not view.private:
                wanted = mirror_location
            view.holds(
                item.body["location"] == wanted, f"{item.name} is in {item.body['location']} instead of {wanted}"
            )
        elif item.type in _NEED_PLACE:
            view.holds(False, f"{item.name} has no location")
        if item.type in _TAGGED:
            found = dict(item.body.get("tags", {}))
            if item.type == SITE:
                view.holds(found.pop("azd-service-name", None) == "mirror", "azd finds the app by this tag")
            view.holds(found == tags, f"{item.name} is tagged {found}")


_SERVED = ("Microsoft.App/managedEnvironments", "Microsoft.App/containerApps")
_PLACES = {
    "Microsoft.EventGrid/systemTopics": "germanywestcentral",
    "Microsoft.Insights/actionGroups": "global",
    "Microsoft.Insights/metricAlerts": "global",
    "Microsoft.Network/privateDnsZones": "global",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "global",
}
_TAGGED = {
    "Microsoft.Resources/resourceGroups",
    ACCOUNT, SITE, "Microsoft.Web/serverfarms", "Microsoft.EventGrid/systemTopics", "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/components",
    "Microsoft.Insights/workbooks", "Microsoft.OperationalInsights/workspaces", "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/privateEndpoints", "Microsoft.Network/privateDnsZones", "Microsoft.App/managedEnvironments",
    "Microsoft.App/containerApps", "Microsoft.ManagedIdentity/userAssignedIdentities",
}  # fmt: skip
_NEED_PLACE = {*_TAGGED, "Microsoft.Network/privateDnsZones/virtualNetworkLinks"}

_LOG_ALERTS = "dead-job|failing-runs|late-pushes|failed-jobs|retries|quiet"
_UNIQUE = "[0-9a-f]{13}"
_GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NAMES = {
    "Microsoft.Resources/resourceGroups": "rg-check",
    "Microsoft.ManagedIdentity/userAssignedIdentities": f"id-(mirror|serve)-{_UNIQUE}",
    ACCOUNT: f"st(host|mirror){_UNIQUE}",
    f"{ACCOUNT}/blobServices": "default",
    f"{ACCOUNT}/queueServices": "default",
    f"{ACCOUNT}/tableServices": "default",
    f"{ACCOUNT}/managementPolicies": "default",
    CONTAINER: "app-package|dead-letters|mirror",
    f"{CONTAINER}/immutabilityPolicies": "default",
    f"{ACCOUNT}/queueServices/queues": "mirror-jobs(-poison)?",
    f"{ACCOUNT}/tableServices/tables": "mirrorjobs",
    ROLE: _GUID,
    "Microsoft.Web/serverfarms": f"plan-mirror-{_UNIQUE}",
    SITE: f"func-mirror-{_UNIQUE}",
    f"{SITE}/basicPublishingCredentialsPolicies": "ftp|scm",
    "Microsoft.EventGrid/systemTopics": "evgt-demo",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions": f"func-mirror-{_UNIQUE}",
    "Microsoft.OperationalInsights/workspaces": f"log-mirror-{_UNIQUE}",
    "Microsoft.Insights/components": f"appi-mirror-{_UNIQUE}",
    "Microsoft.Insights/workbooks": _GUID,
    "Microsoft.Insights/actionGroups": f"mirror-{_UNIQUE}-people",
    "Microsoft.Insights/scheduledQueryRules": f"mirror-{_UNIQUE}-({_LOG_ALERTS})",
    "Microsoft.Insights/metricAlerts": f"mirror-{_UNIQUE}-(backlog|dead-letters|dropped-events)",
    "Microsoft.Network/virtualNetworks": f"vnet-mirror-{_UNIQUE}",
    "Microsoft.Network/privateDnsZones": r"privatelink\.((blob|queue|table)\.core\.windows\.net|azurecr\.io)",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": f"vnet-mirror-{_UNIQUE}",
    "Microsoft.Network/privateEndpoints": f"pep-(st(host|mirror){_UNIQUE}-(blob|queue|table)|demo-registry)",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "default",
    "Microsoft.App/managedEnvironments": f"ca-mirror-{_UNIQUE}-env",
    "Microsoft.App/containerApps": f"ca-mirror-{_UNIQUE}",
}


def order(view: View) -> None:
    """Whatever names a resource that is made here waits for it."""
    made = {item.id for item in view.deployment.resources if not item.existing}
    for item in view.deployment.resources:
        if item.existing:
            continue
        named = {value for value in _texts(item.body) if value in made}
        named |= {item.on.id} & made if item.on else set()
        parent = item.id.rpartition("/")[0].rpartition("/")[0]
        named |= {parent} & made
        view.holds(named <= item.needs, f"{item.type} {item.name} does not wait for {sorted(named - item.needs)}")


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    for inner in body.values() if isinstance(body, Mapping) else body if isinstance(body, list) else ():
        yield from _texts(inner)


def storage(view: View) -> None:
    """Both accounts take identities only, over current TLS, and publish nothing."""
    accounts = view.deployment.of(ACCOUNT)
    view.holds(len(accounts) == (2 if view.owns_mirror else 1), "the mirror's account and the host's are two")
    for account in accounts:
        view.is_(account, "kind", "StorageV2", "it needs blobs, queues and tables")
        for path, wanted, why in (
            ("allowSharedKeyAccess", False, "keys let anyone in who has them"),
            ("allowBlobPublicAccess", False, "nothing is public"),
            ("allowCrossTenantReplication", False, "nothing leaves the tenant"),
            ("defaultToOAuthAuthentication", True, "the portal signs in with the person's account"),
            ("minimumTlsVersion", "TLS1_2", "older TLS is broken"),
            ("supportsHttpsTrafficOnly", True, "nothing travels in the clear"),
            ("accessTier", "Hot", "the mirror is read and written as it is; cooler tiers are by rule"),
            ("networkAcls/defaultAction", "Deny" if view.private else "Allow", "only private endpoints, if asked for"),
        ):
            view.is_(account, f"properties/{path}", wanted, why)
    view.is_(view.host, "sku/name", "Standard_LRS", "nothing in it has to survive the app's region")
    view.is_(view.host, "properties/publicNetworkAccess", "Enabled", "Event Grid writes dead letters from outside")
    view.is_(view.host, "properties/networkAcls/bypass", "AzureServices", "Event Grid is let in as a trusted service")
    for child in view.deployment.of(CONTAINER):
        view.is_(child, "properties/publicAccess", "None", "nothing is public")
    services = [item for item in view.deployment.of(f"{ACCOUNT}/blobServices") if item.id.startswith(view.host.id)]
    view.holds(len(services) == 1, "the host's blobs can be brought back for a week")
    for service in services:
        view.is_(service, "properties/deleteRetentionPolicy/enabled", True, "a package deleted by mistake comes back")
        view.is_(service, "properties/deleteRetentionPolicy/days", 7, "a package deleted by mistake comes back")
    containers_queues_and_table = {
        f"{view.host.id}/blobServices/default/containers/app-package",
        f"{view.host.id}/blobServices/default/containers/dead-letters",
        f"{view.host.id}/queueServices/default/queues/mirror-jobs",
        f"{view.host.id}/queueServices/default/queues/mirror-jobs-poison",
        f"{view.host.id}/tableServices/default/tables/mirrorjobs",
        *([view.container] if view.owns_mirror else []),
    }
    ids = {item.id for item in view.deployment.resources if not item.existing}
    for missing in containers_queues_and_table - ids:
        view.holds(False, f"{missing} is made by nobody: neither the app nor the host makes it")


def mirror(view: View) -> None:
    """What was mirrored can be brought back, cooled and frozen, and is never deleted or archived."""
    policies = view.deployment.of(f"{ACCOUNT}/managementPolicies")
    immutable = view.option("immutabilityDays", 0)
    frozen = view.deployment.of(f"{CONTAINER}/immutabilityPolicies")
    view.holds(len(frozen) == (1 if immutable else 0), "immutability is as asked for")
    cool, cold = view.option("coolAfterDays", 0), view.option("coldAfterDays", 0)
    view.holds(len(policies) == (1 if cool or cold else 0), "tiers are as asked for")
    if not view.owns_mirror:
        return
    account = view.one(ACCOUNT, "stmirror")
    view.is_(account, "sku/name", view.option("mirrorRedundancy", "Standard_LRS"), "redundancy is the owner's choice")
    view.is_(account, "properties/isHnsEnabled", False, "with a hierarchical namespace there are no versions")
    view.is_(account, "properties/networkAcls/bypass", "None", "no service of Azure has business in the mirror")
    access = "Disabled" if view.private else "Enabled"
    view.is_(account, "properties/publicNetworkAccess", access, "private endpoints only, if asked for")
    service = next(item for item in view.deployment.of(f"{ACCOUNT}/blobServices") if item.id.startswith(account.id))
    days = view.option("softDeleteDays", 30)
    for path, wanted in (
        ("isVersioningEnabled", True),
        ("deleteRetentionPolicy/enabled", True),
        ("deleteRetentionPolicy/days", days),
        ("containerDeleteRetentionPolicy/enabled", True),
        ("containerDeleteRetentionPolicy/days", days),
    ):
        view.is_(service, f"properties/{path}", wanted, "nothing is ever taken away by accident")
    container = next((item for item in view.deployment.of(CONTAINER) if item.id == view.container), None)
    if container is None:
        raise Missing(view.container)
    versioned = "properties/immutableStorageWithVersioning/enabled"
    view.is_(container, versioned, bool(immutable), "version-level: a policy on the container would freeze tags")
    for policy in frozen:
        view.holds(policy.id.startswith(container.id), "the mirror's container is what is frozen")
        view.is_(policy, "properties/immutabilityPeriodSinceCreationInDays", immutable, "as asked for")
    for policy in policies:
        rules = at(policy.body, "properties/policy/rules")
        actions = {}
        if cool:
            actions["tierToCool"] = {"daysAfterModificationGreaterThan": cool}
        if cold:
            actions["tierToCold"] = {"daysAfterModificationGreaterThan": cold}
        wanted_definition = {
            "filters": {"blobTypes": ["blockBlob"], "prefixMatch": [f"{container.name}/docker/registry/v2/blobs/"]},
            "actions": {"baseBlob": actions},
        }
        view.holds(len(rules) == 1 and rules[0]["enabled"] is True, "one rule, switched on")
        view.holds(rules[0]["type"] == "Lifecycle" and rules[0]["name"], "a lifecycle rule with a name")
        view.holds(
            rules[0]["definition"] == wanted_definition, "only content cools; links stay hot; nothing is deleted"
        )
        view.holds(policy.id.startswith(account.id), "the policy is the mirror's")
        view.holds(service.id in policy.needs, "a policy is refused while the blob service is still being set")


def roles(view: View) -> None:
    """Exactly these roles, to these principals, at these scopes."""
    wanted = set(expected_roles(view))
    found = set()
    for item in view.deployment.of(ROLE):
        properties = item.body["properties"]
        role = BY_ID.get(str(properties["roleDefinitionId"]).rpartition("/")[2])
        scope = item.on.id if item.on else ""
        subscription = "/".join(scope.split("/")[:3])
        view.holds(
            properties["roleDefinitionId"].startswith(
                f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/"
            ),
            f"{item.symbol}: a role definition is named within the subscription of its scope",
        )
        view.holds(
            properties.get("principalType") == "ServicePrincipal", "else a new identity may not be found in time"
        )
        found.add((role.name if role else "", properties["principalId"], scope))
    for name, principal, scope in wanted - found:
        view.holds(False, f"{principal} lacks {name} at {scope}")
    for name, principal, scope in found - wanted:
        view.holds(False, f"{principal} has no need of {name} at {scope}")
    names = [item.id for item in view.deployment.of(ROLE)]
    view.holds(len(names) == len(set(names)), "two assignments have one name")


def expected_roles(view: View) -> Iterator[tuple[str, str, str]]:
    """(role, principal, scope)."""
    app = f"{view.one('Microsoft.ManagedIdentity/userAssignedIdentities', 'id-mirror').id}.properties.principalId"
    if view.option("registryAuth", "identity") == "identity":
        if view.scenario.mode == "AbacRepositoryPermissions":
            yield ROLES["repositoryReader"].name, app, REGISTRY
            yield ROLES["catalogLister"].name, app, REGISTRY
        else:
            yield ROLES["acrPull"].name, app, REGISTRY
    host = view.host.id
    yield ROLES["storageBlobDataOwner"].name, app, host
    yield ROLES["storageTableDataContributor"].name, app, host
    for queue in ("mirror-jobs", "mirror-jobs-poison"):
        yield ROLES["storageQueueDataContributor"].name, app, f"{host}/queueServices/default/queues/{queue}"
    yield ROLES["storageBlobDataContributor"].name, app, view.container
    yield ROLES["storageBlobDelegator"].name, app, view.mirror_account
    yield ROLES["monitoringMetricsPublisher"].name, app, view.one("Microsoft.Insights/components").id
    dead_letters = f"{host}/blobServices/default/containers/dead-letters"
    yield ROLES["storageBlobDataContributor"].name, f"{view.topic}.identity.principalId", dead_letters
    if view.option("serveMirror", False):
        server = view.one("Microsoft.ManagedIdentity/userAssignedIdentities", "id-serve")
        yield ROLES["storageBlobDataReader"].name, f"{server.id}.properties.principalId", view.container
        yield ROLES["storageBlobDelegator"].name, f"{server.id}.properties.principalId", view.mirror_account


def settings(view: View) -> None:
    """The app's settings: what `settings.py` reads, what the host needs for signing in, and nothing else."""
    listed = at(view.one(SITE).body, "properties/siteConfig/appSettings")
    found = {item["name"]: item["value"] for item in listed}
    view.holds(len(found) == len(listed), "a setting is given twice")
    view.holds(not REFUSED_SETTINGS & set(found), "Flex Consumption refuses such a setting")
    for name, value in expected_settings(view).items():
        view.holds(found.get(name) == value, f"{name} is {found.get(name)!r} instead of {value!r}")
    for name in set(found) - set(expected_settings(view)):
        view.holds(False, f"{name} is set, and read by nobody")


# What the app takes by itself is what the deployment gives it, unless somebody says otherwise.
DEFAULTS: dict[str, Any] = {
    item.name: int(item.default) if isinstance(item.default, float) else item.default for item in fields(Settings)
}


def expected_settings(view: View) -> dict[str, str]:
    client = f"{view.one('Microsoft.ManagedIdentity/userAssignedIdentities', 'id-mirror').id}.properties.clientId"
    component = view.one("Microsoft.Insights/components").id
    host = view.host.name
    mirror_name = view.mirror_account.rpartition("/")[2]
    return {
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": client,
        "AzureWebJobsStorage__blobServiceUri": f"https://{host}.blob.core.windows.net",
        "AzureWebJobsStorage__queueServiceUri": f"https://{host}.queue.core.windows.net",
        "AzureWebJobsStorage__tableServiceUri": f"https://{host}.table.core.windows.net",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": f"{component}.properties.ConnectionString",
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"ClientId={client};Authorization=AAD",
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
        "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        "OTEL_SERVICE_NAME": view.one(SITE).name,
        "AZURE_CLIENT_ID": client,
        "MIRROR_REGISTRY": "demo.azurecr.io",
        "MIRROR_REGISTRY_RESOURCE_ID": REGISTRY,
        "MIRROR_REGISTRY_AUTH": view.option("registryAuth", "identity"),
        "MIRROR_REGISTRY_AUDIENCE": view.option("registryAudience", DEFAULTS["registry_audience"]),
        "MIRROR_REDIRECT_HOSTS": ".blob.core.windows.net,.data.azurecr.io",
        "MIRROR_BLOB_ENDPOINT": f"https://{mirror_name}.blob.core.windows.net",
        "MIRROR_CONTAINER": view.option("mirrorContainer", "mirror"),
        "MIRROR_PREFIX": view.option("mirrorPrefix", ""),
        "MIRROR_TABLE_ENDPOINT": f"https://{host}.table.core.windows.net",
        "MIRROR_TABLE": "mirrorjobs",
        "MIRROR_QUEUE__queueServiceUri": f"https://{host}.queue.core.windows.net",
        "MIRROR_QUEUE__credential": "managedidentity",
        "MIRROR_QUEUE__clientId": client,
        "MIRROR_THREADS": str(view.option("copyThreads", DEFAULTS["threads"])),
        "MIRROR_CLAIM_STALE_SECONDS": str(view.option("claimStaleSeconds", DEFAULTS["claim_stale_seconds"])),
        "MIRROR_NOT_FOUND_SECONDS": str(view.option("notFoundSeconds", DEFAULTS["not_found_seconds"])),
        "MIRROR_RETRY_SECONDS": str(view.option("retrySeconds", DEFAULTS["retry_seconds"])),
        "MIRROR_TELEMETRY_SECONDS": str(DEFAULTS["telemetry_seconds"]),
        "MIRROR_RECHECK_SECONDS": view.option(
            "recheckSeconds", ",".join(str(int(item)) for item in DEFAULTS["recheck_seconds"])
        ),
    }
