"""What must hold of the function app, its events, its network, its alerts and the serving registry."""

import ipaddress
import json
import re

from infra.checks import INFRA
from infra.checks.requirements import ACCOUNT, REFUSED_PROPERTIES, ROLE, SITE, View, at
from infra.checks.scenarios import ELSEWHERE, REGISTRY

DOCS = INFRA.parent / "docs"


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
    view.holds(
        config.get("siteUpdateStrategy") == {"type": view.option("siteUpdateStrategy", "RollingUpdate")}, "as set"
    )
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
    }
    view.holds(config.get("scaleAndConcurrency") == scale, "memory, instances and what is always ready are as set")
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
    view.holds(len(rules) == (len(callers) + 1 if callers else 0), "Event Grid and those who are named")
    if callers:
        view.holds(
            {key: rules[0].get(key) for key in ("action", "tag", "ipAddress", "priority")}
            == {"action": "Allow", "tag": "ServiceTag", "ipAddress": "AzureEventGrid", "priority": 100},
            "Event Grid must get through, first",
        )
        view.holds(rules[0].get("name") == "event-grid" and rules[0].get("description"), "the rule says what it is for")
        for at_, (rule, caller) in enumerate(zip(rules[1:], callers, strict=True)):
            wanted = {"name": f"caller-{at_}", "priority": 200 + at_, "action": "Allow", "ipAddress": caller}
            view.holds(rule == wanted, f"{caller} may call")
    needed = {
        item.id
        for item in view.deployment.of(ROLE)
        if "dead-letters" not in item.id and "id-serve" not in str(item.body)
    }
    needed |= {item.id for item in view.deployment.of("Microsoft.Network/privateEndpoints")}
    needed = {item for item in needed if not item.startswith(f"{view.host.id}/blobServices")}
    view.holds(needed <= site.needs, f"the app starts before it may do anything: {sorted(needed - site.needs)}")


def events(view: View) -> None:
    """Push and delete events reach the function by its id, and what cannot be delivered is kept."""
    topics = view.deployment.of("Microsoft.EventGrid/systemTopics")
    view.holds(len(topics) == (0 if view.option("existingTopicName", "") else 1), "one system topic a registry")
    for topic in topics:
        view.holds(topic.id == view.topic, "the topic stands beside the registry, in its subscription")
        view.is_(topic, "identity/type", "SystemAssigned", "the only kind that passes a storage firewall")
        view.is_(topic, "properties/source", REGISTRY, "the registry is what it tells of")
        view.is_(topic, "properties/topicType", "Microsoft.ContainerRegistry.Registries", "a registry's topic")
    subscription = view.events.of("Microsoft.EventGrid/systemTopics/eventSubscriptions")[0]
    site = view.one(SITE)
    view.holds(subscription.id.startswith(f"{view.topic}/eventSubscriptions/"), "the subscription is to that topic")
    destination = at(subscription.body, "properties/destination")
    view.holds(destination["endpointType"] == "AzureFunction", "a webhook would need a key")
    view.holds(destination["properties"]["resourceId"] == f"{site.id}/functions/on_registry_event", "the function")
    view.holds(destination["properties"].get("maxEventsPerBatch") == 1, "the worker's decoder refuses several at once")
    view.holds(destination["properties"].get("preferredBatchSizeInKilobytes") == 64, "one event fits")
    view.is_(subscription, "properties/eventDeliverySchema", "EventGridSchema", "a system topic's own")
    types = {
        f"Microsoft.ContainerRegistry.{what}" for what in ("ImagePushed", "ImageDeleted", "ChartPushed", "ChartDeleted")
    }
    found = at(subscription.body, "properties/filter/includedEventTypes")
    view.holds(set(found) == types and len(found) == 4, "pushes and deletions, and nothing else")
    prefixes = view.option("repositoryPrefixes", [])
    wanted = (
        [{"operatorType": "StringBeginsWith", "key": "data.target.repository", "values": prefixes}] if prefixes else []
    )
    view.is_(subscription, "properties/filter/advancedFilters", wanted, "the repositories that were asked for")
    view.is_(subscription, "properties/filter/enableAdvancedFilteringOnArrays", False, "the repository is no array")
    retry = {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
    view.is_(subscription, "properties/retryPolicy", retry, "as long as Event Grid goes on")
    dead = at(subscription.body, "properties/deadLetterWithResourceIdentity")
    view.holds(dead["identity"] == {"type": "SystemAssigned"}, "dead letters are written by the topic's identity")
    view.holds(
        dead["deadLetterDestination"]
        == {
            "endpointType": "StorageBlob",
            "properties": {"resourceId": view.host.id, "blobContainerName": "dead-letters"},
        },
        "dead letters go into the container that the topic may write to",
    )
    wanted_outputs = {
        "AZURE_RESOURCE_GROUP": "rg-check",
        "AZURE_SUBSCRIPTION_ID": view.group.split("/")[2],
        "MIRROR_FUNCTION_APP": site.name,
        "MIRROR_FUNCTION_APP_ID": site.id,
        "MIRROR_APP_URL": f"https://{site.id}.properties.defaultHostName",
        "MIRROR_BLOB_ENDPOINT": f"https://{view.mirror_account.rpartition('/')[2]}.blob.core.windows.net",
        "MIRROR_CONTAINER": view.option("mirrorContainer", "mirror"),
        "MIRROR_HOST_ACCOUNT_ID": view.host.id,
        "MIRROR_DEAD_LETTER_CONTAINER": "dead-letters",
        "MIRROR_TOPIC_NAME": view.topic.rpartition("/")[2],
        "MIRROR_TOPIC_RESOURCE_GROUP": view.topic.split("/")[4],
        "MIRROR_TOPIC_SUBSCRIPTION_ID": ELSEWHERE,
        "MIRROR_REPOSITORY_PREFIXES": prefixes,
    }
    for name, value in wanted_outputs.items():
        view.holds(
            view.deployment.outputs.get(name) == value, f"{name} is put out as {view.deployment.outputs.get(name)}"
        )


def network(view: View) -> None:
    """With private networking the app's calls stay inside, as far as they can."""
    site = view.one(SITE)
    subnet = at(site.body, "properties/virtualNetworkSubnetId")
    zones = {item.name: item for item in view.deployment.of("Microsoft.Network/privateDnsZones")}
    endpoints = view.deployment.of("Microsoft.Network/privateEndpoints")
    if not (view.private or view.option("registryPrivateEndpoint", False)):
        view.holds(subnet is None and not zones and not endpoints, "no network unless asked for")
        return
    net = view.one("Microsoft.Network/virtualNetworks")
    prefix = view.option("networkPrefix", "10.80.0.0/24")
    view.is_(net, "properties/addressSpace/addressPrefixes", [prefix], "as set")
    subnets = {item["name"]: item["properties"] for item in at(net.body, "properties/subnets")}
    view.holds(set(subnets) == {"app", "endpoints", "serve"}, "one subnet for each of the three")
    parts = list(ipaddress.ip_network(prefix).subnets(new_prefix=26))
    for name, part in zip(("app", "endpoints", "serve"), parts, strict=False):
        view.holds(subnets.get(name, {}).get("addressPrefix") == str(part), f"the subnet {name} has its own range")
    for name in ("app", "serve"):
        delegations = subnets.get(name, {}).get("delegations") or [{}]
        service = at(delegations, "0/properties/serviceName")
        view.holds(
            service == "Microsoft.App/environments" and delegations[0].get("name"), f"{name} needs its delegation"
        )
    view.holds(subnets.get("endpoints", {}).get("privateEndpointNetworkPolicies") == "Disabled", "as endpoints want it")
    view.holds(subnet == f"{net.id}/subnets/app", "the app's calls leave from its subnet")
    links = view.deployment.of("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    view.holds(len(links) == len(zones) == 4, "each zone is linked to the network")
    for link in links:
        view.is_(link, "properties/registrationEnabled", False, "nothing registers itself")
        view.is_(link, "properties/virtualNetwork/id", net.id, "the network of the app")
        view.holds(link.id.rpartition("/virtualNetworkLinks/")[0] in {zone.id for zone in zones.values()}, "its zone")
        if "azurecr" in link.id:
            view.is_(link, "properties/resolutionPolicy", "NxDomainRedirect", "other registries stay reachable")
    targets = []
    if view.private:
        targets += [(view.host.id, service, service) for service in ("blob", "queue", "table")]
        targets += [(view.mirror_account, "blob", "blob")] if view.owns_mirror else []
    if view.option("registryPrivateEndpoint", False):
        targets.append((REGISTRY, "registry", "registry"))
    found = []
    for endpoint in endpoints:
        view.is_(endpoint, "properties/subnet/id", f"{net.id}/subnets/endpoints", "endpoints have their own subnet")
        connections = at(endpoint.body, "properties/privateLinkServiceConnections")
        service = at(connections, "0/properties/groupIds/0")
        view.holds(len(connections) == 1 and connections[0].get("name") == service, "one connection, named")
        view.holds(len(at(connections, "0/properties/groupIds") or []) == 1, "one service an endpoint")
        groups = view.deployment.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
        group = [item for item in groups if item.id.startswith(f"{endpoint.id}/")]
        configs = at(group[0].body, "properties/privateDnsZoneConfigs") if len(group) == 1 else []
        zone = "privatelink.azurecr.io" if service == "registry" else f"privatelink.{service}.core.windows.net"
        view.holds(len(configs) == 1 and configs[0].get("name") == service, "its name is entered once")
        wanted = zones[zone].id if zone in zones else ""
        view.holds(at(configs, "0/properties/privateDnsZoneId") == wanted, f"in {zone}")
        view.holds(endpoint.name.endswith(f"-{service}"), "an endpoint is named after its service")
        found.append((at(connections, "0/properties/privateLinkServiceId"), service, service))
    view.holds(sorted(found) == sorted(targets), f"endpoints for {targets}, not {found}")
    made = {item.id for item in view.deployment.resources if not item.existing}
    for endpoint in endpoints:
        target = at(endpoint.body, "properties/privateLinkServiceConnections/0/properties/privateLinkServiceId")
        view.holds(target not in made or target in endpoint.needs, "an endpoint waits for its target")


def telemetry(view: View) -> None:
    """Telemetry by identity; alerts that somebody gets; a workbook."""
    workspace, component = (
        view.one("Microsoft.OperationalInsights/workspaces"),
        view.one("Microsoft.Insights/components"),
    )
    view.is_(workspace, "properties/sku/name", "PerGB2018", "paid by volume")
    view.is_(workspace, "properties/retentionInDays", view.option("telemetryDays", 30), "as set")
    view.is_(workspace, "properties/features/disableLocalAuth", True, "no keys")
    view.is_(component, "kind", "web", "the usual kind")
    for path, wanted in (
        ("Application_Type", "web"),
        ("WorkspaceResourceId", workspace.id),
        ("IngestionMode", "LogAnalytics"),
        ("DisableLocalAuth", True),
    ):
        view.is_(component, f"properties/{path}", wanted, "into the workspace, by identity only")
    people = view.one("Microsoft.Insights/actionGroups")
    receivers = [
        {"name": f"person-{index}", "emailAddress": address, "useCommonAlertSchema": True}
        for index, address in enumerate(view.option("alertEmails", []))
    ]
    view.is_(people, "properties/emailReceivers", receivers, "those who are to be told")
    view.is_(people, "properties/enabled", True, "they are told")
    view.is_(people, "properties/groupShortName", "mirror", "the sender's name, twelve characters at most")
    queries = view.deployment.of("Microsoft.Insights/scheduledQueryRules")
    view.holds(len(queries) == len(_QUERIES), "each log alert is there")
    for rule in queries:
        name = rule.name.partition("-")[2].partition("-")[2]
        if name not in _QUERIES:
            continue
        file, severity, every, threshold, measured = _QUERIES[name]
        view.is_(rule, "kind", "LogAlert", "a log alert")
        view.is_(rule, "properties/skipQueryValidation", True, "a new workspace has none of the tables yet")
        view.is_(rule, "properties/scopes", [workspace.id], "it reads the workspace")
        view.is_(rule, "properties/actions/actionGroups", [people.id], "somebody is told")
        view.is_(rule, "properties/severity", severity, "as docs/operate.md has it")
        view.is_(rule, "properties/evaluationFrequency", every, "as docs/operate.md has it")
        view.is_(rule, "properties/windowSize", every, "no gap between two looks")
        view.is_(
            rule, "properties/overrideQueryTimeRange", "P2D" if name == "quiet" else None, "what is usual shows in days"
        )
        criteria = at(rule.body, "properties/criteria/allOf") or [{}]
        by_cause = [{"name": "cause", "operator": "Include", "values": ["*"]}]
        asked: dict[str, object] = {
            "query": _query(view, file),
            "timeAggregation": "Total" if measured else "Count",
            **({"metricMeasureColumn": measured, "dimensions": by_cause} if measured else {}),
            "operator": "GreaterThan",
            "threshold": threshold,
            "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
        }
        view.holds(criteria == [asked], f"{rule.name} asks {file}, and takes more than {threshold}")
        _said(view, rule.name, at(rule.body, "properties/description"))
        view.holds(at(rule.body, "properties/displayName"), "an alert has a title")
        _common(view, rule.body["properties"])
    metrics = {
        item.name.partition("-")[2].partition("-")[2]: item
        for item in view.deployment.of("Microsoft.Insights/metricAlerts")
    }
    view.holds(set(metrics) == set(_METRICS), "each metric alert is there")
    for name, rule in metrics.items():
        metric, namespace, severity, every, aggregation, threshold = _METRICS.get(name, ("", "", 0, "", "", 0))
        target = view.topic if "EventGrid" in namespace else f"{view.host.id}/queueServices/default"
        place = "/".join(target.split("/")[:5]) if "EventGrid" in namespace else view.group
        view.holds(
            rule.id.startswith(f"{place}/providers/"), "a metric alert stands in the subscription of what it watches"
        )
        view.is_(rule, "properties/scopes", [target], "what it watches")
        view.is_(rule, "properties/severity", severity, "as docs/operate.md has it")
        view.is_(rule, "properties/evaluationFrequency", every, "as docs/operate.md has it")
        view.is_(rule, "properties/windowSize", every, "no gap between two looks")
        view.is_(rule, "properties/actions", [{"actionGroupId": people.id}], "somebody is told")
        view.is_(
            rule,
            "properties/criteria/odata.type",
            "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
            "one resource",
        )
        criterion = at(rule.body, "properties/criteria/allOf/0") or {}
        asked = {
            "criterionType": "StaticThresholdCriterion",
            "metricNamespace": namespace,
            "metricName": metric,
            "timeAggregation": aggregation,
            "operator": "GreaterThan",
            "threshold": threshold,
        }
        view.holds(
            {key: criterion.get(key) for key in asked} == asked and criterion.get("name"), f"{name}: {criterion}"
        )
        _said(view, rule.name, at(rule.body, "properties/description"))
        _common(view, rule.body["properties"])
    book = view.one("Microsoft.Insights/workbooks")
    view.is_(book, "properties/sourceId", workspace.id, "it reads the workspace")
    view.is_(book, "properties/category", "workbook", "it is listed among the workbooks")
    view.is_(book, "properties/version", "Notebook/1.0", "the format of its data")
    view.is_(book, "kind", "shared", "everybody sees it")
    view.is_(book, "properties/displayName", "Mirror of demo", "it says of what")
    view.holds(json.loads(at(book.body, "properties/serializedData"))["items"], "it shows something")


_QUERIES = {
    "dead-job": ("dead-jobs.kql", 1, "PT5M", 0, ""),
    "failing-runs": ("failing-runs.kql", 2, "PT15M", 5, ""),
    "late-pushes": ("late-pushes.kql", 2, "PT15M", 0, ""),
    "failed-jobs": ("failed-jobs.kql", 2, "PT15M", 0, "jobs"),
    "retries": ("retries.kql", 2, "PT15M", 20, "runs"),
    "quiet": ("quiet.kql", 3, "PT1H", 0, ""),
}
_METRICS = {
    "backlog": ("QueueMessageCount", f"{ACCOUNT}/queueServices", 2, "PT1H", "Average", 1000),
    "dead-letters": ("DeadLetteredCount", "Microsoft.EventGrid/systemTopics", 1, "PT5M", "Total", 0),
    "dropped-events": ("DroppedEventCount", "Microsoft.EventGrid/systemTopics", 1, "PT5M", "Total", 0),
}


def _query(view: View, file: str) -> str:
    text = (INFRA / "alerts" / file).read_text(encoding="utf-8")
    text = text.replace("{app}", view.one(SITE).name).replace("{minutes}", str(view.option("lagMinutes", 15)))
    return text.replace("{hours}", str(view.option("quietHours", 0)))


def _common(view: View, properties: dict[str, object]) -> None:
    view.holds(properties.get("enabled") is True, "the alert is on")
    view.holds(properties.get("autoMitigate") is True, "the alert ends by itself")


def _said(view: View, name: str, description: object) -> None:
    """An alert says where to read on, and there is something to read there."""
    link = re.search(r"docs/operate\.md#([a-z-]+)", str(description))
    headings = re.findall(r"^#+ (.+)$", (DOCS / "operate.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    view.holds(link and link[1] in anchors, f"{name} sends its reader to a chapter that is not there")


def serve(view: View) -> None:
    """A stock registry that can read the mirror, and nothing else, behind a sign-in."""
    apps = view.deployment.of("Microsoft.App/containerApps")
    wanted = bool(view.option("serveMirror", False))
    view.holds(len(apps) == (1 if wanted else 0), "only if asked for")
    view.holds(bool(view.deployment.outputs.get("MIRROR_SERVED_AT")) == wanted, "its address is put out")
    if not wanted or not apps:
        return
    served, environment = apps[0], view.one("Microsoft.App/managedEnvironments")
    identity = view.one("Microsoft.ManagedIdentity/userAssignedIdentities", "id-serve").id
    address = f"https://{served.id}.properties.configuration.ingress.fqdn"
    view.holds(view.deployment.outputs["MIRROR_SERVED_AT"] == address, "its address is put out")
    view.is_(served, "identity", {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}, "its own identity")
    view.is_(served, "properties/environmentId", environment.id, "in its environment")
    view.is_(served, "properties/workloadProfileName", "Consumption", "paid while it runs")
    profiles = [{"name": "Consumption", "workloadProfileType": "Consumption"}]
    view.is_(environment, "properties/workloadProfiles", profiles, "paid while it runs")
    view.is_(
        environment, "properties/appLogsConfiguration/destination", "azure-monitor", "a workspace would take a key"
    )
    network = at(environment.body, "properties/vnetConfiguration")
    if view.private:
        subnet = f"{view.one('Microsoft.Network/virtualNetworks').id}/subnets/serve"
        view.holds(
            network == {"infrastructureSubnetId": subnet, "internal": False}, "it reads storage from the network"
        )
    else:
        view.holds(network is None, "no network unless asked for")
    configuration = at(served.body, "properties/configuration")
    ingress = {"external": True, "allowInsecure": False, "targetPort": 5000, "transport": "http"}
    view.holds(configuration["ingress"] == ingress, "HTTPS only, to the registry's port")
    view.holds(configuration["activeRevisionsMode"] == "Single", "one at a time")
    config = (INFRA / "registry" / "config.yml").read_text(encoding="utf-8")
    secrets = [{"name": "config", "value": config}, {"name": "users", "value": view.given["serveUsers"]}]
    view.holds(configuration["secrets"] == secrets, "the configuration that is tested, and the users who may pull")
    template = at(served.body, "properties/template")
    view.holds(template["scale"] == {"minReplicas": 0, "maxReplicas": 10}, "nothing runs while nobody pulls")
    files = [{"secretRef": "config", "path": "config.yml"}, {"secretRef": "users", "path": "htpasswd"}]
    volumes = [{"name": "settings", "storageType": "Secret", "secrets": files}]
    view.holds(template["volumes"] == volumes, "both as files")
    container = template["containers"][0]
    view.holds(container["image"] == "docker.io/library/registry:3.1.2", "the version that is tested")
    view.holds(container["name"] == "registry" and len(template["containers"]) == 1, "one container")
    view.holds(container["command"] == ["registry"], "the registry")
    view.holds(container["args"] == ["serve", "/etc/mirror/config.yml"], "with that configuration")
    mounts = [{"volumeName": "settings", "mountPath": "/etc/mirror"}]
    view.holds(container["volumeMounts"] == mounts, "where the configuration looks for its users")
    view.holds("path: /etc/mirror/htpasswd" in config, "where the configuration looks for its users")
    environment_variables = {item["name"]: item["value"] for item in container["env"]}
    view.holds(
        environment_variables
        == {
            "AZURE_CLIENT_ID": f"{identity}.properties.clientId",
            "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": view.mirror_account.rpartition("/")[2],
            "REGISTRY_STORAGE_AZURE_CONTAINER": view.option("mirrorContainer", "mirror"),
            "REGISTRY_STORAGE_REDIRECT_DISABLE": "true" if view.private else "false",
            "OTEL_TRACES_EXPORTER": "none",
        },
        "it finds the mirror, as itself",
    )
    view.holds(container["resources"] == {"cpu": 0.5, "memory": "1Gi"}, "a pair that Container Apps has")
    probe = [{"type": "Readiness", "httpGet": {"path": "/", "port": 5000, "scheme": "HTTP"}, "periodSeconds": 10}]
    view.holds(container["probes"] == probe, "it is asked whether it is ready where no sign-in is needed")
