"""What must hold of the function app and its plan."""

from devtools.bicep.settled import at
from devtools.deployment import SITE
from tests.infra.requirements.view import View

# As for the settings that Flex Consumption refuses.
REFUSED_PROPERTIES = {
    "alwaysOn", "functionAppScaleLimit", "ftpsState", "javaVersion", "linuxFxVersion", "minimumElasticInstanceCount",
    "netFrameworkVersion", "nodeVersion", "numberOfWorkers", "phpVersion", "powerShellVersion",
    "preWarmedInstanceCount",
    "pythonVersion", "use32BitWorkerProcess", "vnetRouteAllEnabled", "windowsFxVersion",
}  # fmt: skip


HTTP_CONCURRENCY = 16
"""Requests that an instance takes at once; the platform gives an app in Python one."""


def app(view: View) -> None:
    """Flex Consumption, keyless, with instances that wait for events and for jobs."""
    site, plan = view.one(SITE), view.one("Microsoft.Web/serverfarms")
    identity = view.one("Microsoft.ManagedIdentity/userAssignedIdentities", "id-mirror").id
    view.is_(plan, "sku", {"name": "FC1", "tier": "FlexConsumption"}, "no other plan scales like that")
    view.is_(plan, "properties/reserved", True, "Linux")
    view.is_(plan, "kind", "functionapp", "a plan for functions")
    view.is_(site, "kind", "functionapp,linux", "a function app on Linux")
    view.is_(site, "identity/type", "UserAssigned", "the identity outlives the app")
    view.is_(site, "identity/userAssignedIdentities", {identity: {}}, "its one identity")
    view.is_(site, "properties/serverFarmId", plan.id, "on its plan")
    view.is_(site, "properties/httpsOnly", True, "nothing travels in the clear")
    view.is_(site, "properties/clientAffinityEnabled", False, "no caller is bound to an instance")
    view.is_(site, "properties/siteConfig/minTlsVersion", "1.2", "older TLS is broken")
    config = at(site.body, "properties/functionAppConfig") or {}
    view.holds(
        config.get("deployment")
        == {
            "storage": {
                "type": "blobContainer",
                "value": f"https://{view.host.name}.blob.core.windows.net/app-package",
                "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity},
            }
        },
        "the package lies in the host's account, and is fetched by identity",
    )
    view.holds(config.get("runtime") == {"name": "python", "version": "3.13"}, "what the tests run on")
    rolling = view.option("siteUpdateStrategy", "Recreate") == "RollingUpdate"
    strategy = {"type": "RollingUpdate"} if rolling else None
    view.holds(config.get("siteUpdateStrategy") == strategy, "as set, and nothing of a preview where it is not wanted")
    ready = [
        {"name": name, "instanceCount": count}
        for name, count in (
            ("function:on_registry_event", view.option("alwaysReadyEvents", 1)),
            ("function:run_mirror_job", view.option("alwaysReadyJobs", 1)),
        )
        if count
    ]
    scale = {
        "instanceMemoryMB": view.option("instanceMemoryMB", 2048),
        "maximumInstanceCount": view.option("maximumInstanceCount", 40),
        "alwaysReady": ready,
        "triggers": {"http": {"perInstanceConcurrency": HTTP_CONCURRENCY}},
    }
    view.holds(
        config.get("scaleAndConcurrency") == scale,
        "memory, instances, requests at once and what is always ready are as set",
    )
    refused = REFUSED_PROPERTIES & ({*at(site.body, "properties"), *at(site.body, "properties/siteConfig")})
    view.holds(not refused, f"Flex Consumption refuses {refused}")
    for name in ("ftp", "scm"):
        policies = view.deployment.of(f"{SITE}/basicPublishingCredentialsPolicies")
        found = [item for item in policies if item.id == f"{site.id}/basicPublishingCredentialsPolicies/{name}"]
        view.holds([at(item.body, "properties/allow") for item in found] == [False], f"passwords for {name} are off")
    callers = view.option("allowedCallers", [])
    action = at(site.body, "properties/siteConfig/ipSecurityRestrictionsDefaultAction")
    rules = at(site.body, "properties/siteConfig/ipSecurityRestrictions")
    view.holds(action == ("Deny" if callers else "Allow"), "who is not named may not call, if any are named")
    asked = view.option("liveSeconds", 900) > 0
    view.holds(len(rules) == (len(callers) + 1 + asked if callers else 0), "Event Grid and those who are named")
    if callers:
        view.holds(
            {key: rules[0].get(key) for key in ("action", "tag", "ipAddress", "priority")}
            == {"action": "Allow", "tag": "ServiceTag", "ipAddress": "AzureEventGrid", "priority": 100},
            "Event Grid must get through, first",
        )
        view.holds(rules[0].get("name") == "event-grid" and rules[0].get("description"), "the rule says what it is for")
        if asked:
            passing = [rules[1].get(key) for key in ("action", "tag", "ipAddress", "priority")]
            wanted = ["Allow", "ServiceTag", "ApplicationInsightsAvailability", 110]
            view.holds(passing == wanted, "what watches the app must get through")
            view.holds(rules[1].get("name") == "availability" and rules[1].get("description"), "the rule says why")
        for at_, (rule, caller) in enumerate(zip(rules[1 + asked :], callers, strict=True)):
            lets = {"name": f"caller-{at_}", "priority": 200 + at_, "action": "Allow", "ipAddress": caller}
            view.holds(rule == lets, f"{caller} may call")
