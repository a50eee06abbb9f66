"""The app's settings, exactly."""

from dataclasses import fields
from typing import Any

from acrmirror.settings import Settings
from devtools.bicep.settled import at
from devtools.deployment import SITE
from devtools.deployment.scenarios import REGISTRY
from tests.infra.requirements.app import HTTP_CONCURRENCY
from tests.infra.requirements.view import View

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
        "OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage",
        "OTEL_TRACES_SAMPLER_ARG": "1.0",
        # A thread for each request at once, and as many for events and jobs.
        "PYTHON_THREADPOOL_THREAD_COUNT": str(2 * HTTP_CONCURRENCY),
        "OTEL_SERVICE_NAME": view.one(SITE).name,
        "AZURE_CLIENT_ID": client,
        "MIRROR_REGISTRY": "demo.azurecr.io",
        "MIRROR_REGISTRY_RESOURCE_ID": REGISTRY,
        "MIRROR_REGISTRY_AUTH": view.option("registryAuth", "identity"),
        "MIRROR_REGISTRY_AUDIENCE": view.option("registryAudience", DEFAULTS["registry_audience"]),
        "MIRROR_REDIRECT_HOSTS": ".blob.core.windows.net,.data.azurecr.io",
        "MIRROR_BLOB_ENDPOINT": f"https://{mirror_name}.blob.core.windows.net",
        "MIRROR_REGISTRY_REGION": "germanywestcentral",
        "MIRROR_REGION": view.option("mirrorLocation", view.given["location"]) if view.owns_mirror else "francecentral",
        "MIRROR_REDUNDANCY": view.option("mirrorRedundancy", "Standard_LRS") if view.owns_mirror else "Standard_ZRS",
        "MIRROR_CONTAINER": view.option("mirrorContainer", "mirror"),
        "MIRROR_ARCHIVES_CONTAINER": DEFAULTS["archives_container"],
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
        "MIRROR_REPOSITORY_PREFIXES": ",".join(view.option("repositoryPrefixes", [])),
        "MIRROR_COMPARE_HOURS": str(view.option("compareHours", DEFAULTS["compare_hours"])),
        "MIRROR_SERVE": view.option("mirrorServe", DEFAULTS["serve"]),
        "MIRROR_RESTORE_TARGETS": "spare.azurecr.io" if view.option("restoreTargetId", "") else "",
        "MIRROR_AUDIT_DAYS": str(view.option("auditDays", int(DEFAULTS["audit_days"]))),
        "MIRROR_RECHECK_SECONDS": view.option(
            "recheckSeconds", ",".join(str(int(item)) for item in DEFAULTS["recheck_seconds"])
        ),
    }
