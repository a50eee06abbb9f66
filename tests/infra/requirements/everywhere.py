"""What must hold of every resource: its name, its place, its tags."""

import re

from devtools.bicep.functions import unique_string
from devtools.deployment import ACCOUNT, CONTAINER, ROLE, SITE
from devtools.deployment.scenarios import HERE
from tests.infra.requirements.view import View


def everywhere(view: View) -> None:
    """Tags, places, and names that Azure takes."""
    tags = {**view.option("tags", {}), "azd-env-name": "check"}
    location = view.given["location"]
    mirror_location = view.option("mirrorLocation", location)
    token = unique_string(f"/subscriptions/{HERE}", view.given["environmentName"], location)
    view.holds(view.host.name == f"sthost{token}", "one deployed again keeps its names, and shares none")
    ids = [item.id for item in view.deployment.resources]
    view.holds(len(ids) == len(set(ids)), "two resources have one id")
    view.holds(view.group in ids, "the resource group is made")
    made = view.mirror_group in ids
    view.holds(made == view.owns_mirror, "the mirror has a group of its own, and another's stays where it is")
    for item in view.deployment.resources:
        parent = item.id.rpartition("/")[0].rpartition("/")[0]
        # The container of archives is made in an account that was there before, too.
        known = parent in ids or (item.id == view.archives and not view.owns_mirror)
        view.holds(item.type.count("/") < 2 or known, f"{parent} is not made, and {item.name} is part of it")
    for item in view.deployment.resources + view.events.resources:
        pattern = NAMES.get(item.type)
        view.holds(pattern and re.fullmatch(pattern, item.name), f"{item.type} may not be named {item.name}")
        if "location" in item.body:
            wanted = _PLACES.get(item.type, location)
            of_mirror = item.name.startswith("stmirror") or item.id == view.mirror_group
            if of_mirror or (item.type in _SERVED and not view.private):
                wanted = mirror_location
            if item.type.endswith("userAssignedIdentities") and item.name.startswith("id-serve") and not view.private:
                wanted = mirror_location
            view.holds(
                item.body["location"] == wanted, f"{item.name} is in {item.body['location']} instead of {wanted}"
            )
        elif item.type in _NEED_PLACE:
            view.holds(False, f"{item.name} has no location")
        if item.type in _TAGGED:
            view.holds("tags" in item.body, f"{item.name} takes tags")
            found = dict(item.body.get("tags", {}))
            if item.type == SITE:
                view.holds(found.pop("azd-service-name", None) == "mirror", "azd finds the app by this tag")
            if item.type == "Microsoft.Insights/webtests":
                linked = f"hidden-link:{view.one('Microsoft.Insights/components').id}"
                view.holds(found.pop(linked, None) == "Resource", "the portal finds the test by this tag")
            # What azd finds by its tag it may delete: not the mirror.
            kept = item.name.startswith("stmirror") or item.id == view.mirror_group
            view.holds(found == (view.option("tags", {}) if kept else tags), f"{item.name} is tagged {found}")


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
    "Microsoft.Insights/workbooks", "Microsoft.Insights/webtests",
    "Microsoft.OperationalInsights/workspaces", "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/natGateways", "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/privateEndpoints", "Microsoft.Network/privateDnsZones", "Microsoft.App/managedEnvironments",
    "Microsoft.App/containerApps", "Microsoft.ManagedIdentity/userAssignedIdentities",
}  # fmt: skip
_NEED_PLACE = {*_TAGGED, "Microsoft.Network/privateDnsZones/virtualNetworkLinks"}

_LOG_ALERTS = (
    "dead-job|failing-runs|late-pushes|failed-jobs|lost-pushes|refused-events|retries|quiet|not-compared"
    "|not-proven|backlog|backfill"
)
_UNIQUE = "[a-z2-7]{13}"
_GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
NAMES = {
    "Microsoft.Resources/resourceGroups": "rg-check(-mirror)?",
    "Microsoft.Authorization/locks": "keep-the-mirror",
    "Microsoft.Authorization/roleDefinitions": _GUID,
    "Microsoft.Insights/diagnosticSettings": "mirror",
    "Microsoft.ManagedIdentity/userAssignedIdentities": f"id-(mirror|serve)-{_UNIQUE}",
    ACCOUNT: f"st(host|mirror){_UNIQUE}",
    f"{ACCOUNT}/blobServices": "default",
    f"{ACCOUNT}/queueServices": "default",
    f"{ACCOUNT}/tableServices": "default",
    f"{ACCOUNT}/managementPolicies": "default",
    CONTAINER: "app-package|archives|dead-letters|mirror",
    f"{CONTAINER}/immutabilityPolicies": "default",
    f"{ACCOUNT}/queueServices/queues": "mirror-(jobs|backfill)(-poison)?",
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
    "Microsoft.Insights/metricAlerts": f"mirror-{_UNIQUE}-(delivery-failures|dead-letters|dropped-events|live)",
    "Microsoft.Insights/webtests": f"mirror-{_UNIQUE}-live",
    "Microsoft.Network/virtualNetworks": f"vnet-mirror-{_UNIQUE}",
    "Microsoft.Network/privateDnsZones": r"privatelink\.((blob|queue|table)\.core\.windows\.net|azurecr\.io)",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": f"vnet-(mirror-{_UNIQUE}|spoke)",
    "Microsoft.Network/natGateways": f"vnet-mirror-{_UNIQUE}-nat",
    "Microsoft.Network/publicIPAddresses": f"vnet-mirror-{_UNIQUE}-out",
    "Microsoft.Network/privateEndpoints": f"pep-(st(host|mirror){_UNIQUE}-[a-z]+|stother-blob|demo-registry)",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "default",
    "Microsoft.App/managedEnvironments": f"ca-mirror-{_UNIQUE}-env",
    "Microsoft.App/containerApps": f"ca-mirror-{_UNIQUE}",
}
