"""What must hold of telemetry, its alerts and its workbook."""

import json
import re

from devtools.bicep.functions import guid
from devtools.bicep.settled import Settled, at
from devtools.deployment import INFRA, SITE
from tests.infra.requirements.view import View

TROUBLESHOOTING = INFRA.parent / "docs" / "troubleshooting.md"


def telemetry(view: View) -> None:
    """Telemetry by identity; alerts that somebody gets; a workbook."""
    component = view.one("Microsoft.Insights/components")
    workspace = view.option("existingWorkspaceId", "") or _own_workspace(view)
    view.is_(component, "kind", "web", "the usual kind")
    for path, wanted in (
        ("Application_Type", "web"),
        ("WorkspaceResourceId", workspace),
        ("IngestionMode", "LogAnalytics"),
        ("DisableLocalAuth", True),
    ):
        view.is_(component, f"properties/{path}", wanted, "into the workspace, by identity only")
    _logs(view, workspace)
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
        file, severity, every, limit, measured = _QUERIES[name]
        threshold = view.option(limit, _LIMITS[limit]) if isinstance(limit, str) else limit
        view.is_(rule, "kind", "LogAlert", "a log alert")
        view.is_(rule, "properties/skipQueryValidation", True, "a new workspace has none of the tables yet")
        view.is_(rule, "properties/scopes", [workspace], "it reads the workspace")
        view.is_(rule, "properties/actions/actionGroups", [people.id], "somebody is told")
        view.is_(rule, "properties/severity", severity, "as docs/alerts.md has it")
        view.is_(rule, "properties/evaluationFrequency", every, "as docs/alerts.md has it")
        view.is_(rule, "properties/windowSize", _WINDOWS.get(name, every), "no gap between two looks")
        view.is_(rule, "properties/overrideQueryTimeRange", _LOOKS_BACK.get(name), "what is usual shows in days")
        criteria = at(rule.body, "properties/criteria/allOf") or [{}]
        by_cause = [{"name": "cause", "operator": "Include", "values": ["*"]}]
        asked: dict[str, object] = {
            "query": _query(view, file),
            "timeAggregation": "Total" if measured else "Count",
            "metricMeasureColumn": measured or None,
            "dimensions": by_cause if measured else [],
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
    _availability(view, component, people, metrics.pop("live", None))
    view.holds(set(metrics) == set(_METRICS), "each metric alert is there")
    for name, rule in metrics.items():
        metric, namespace, severity, every, aggregation, threshold = _METRICS.get(name, ("", "", 0, "", "", 0))
        threshold = view.option(threshold, _LIMITS[threshold]) if isinstance(threshold, str) else threshold
        target = view.topic
        place = "/".join(target.split("/")[:5])
        view.holds(
            rule.id.startswith(f"{place}/providers/"), "a metric alert stands in the subscription of what it watches"
        )
        view.is_(rule, "properties/scopes", [target], "what it watches")
        view.is_(rule, "properties/severity", severity, "as docs/alerts.md has it")
        view.is_(rule, "properties/evaluationFrequency", every, "as docs/alerts.md has it")
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
        asked["name"] = name
        ours = {"name": "EventSubscriptionName", "operator": "Include", "values": [view.one(SITE).name]}
        asked["dimensions"] = [ours]
        subscription = view.events.of("Microsoft.EventGrid/systemTopics/eventSubscriptions")[0]
        view.holds(subscription.name == view.one(SITE).name, "what the alert watches is the app's subscription")
        view.holds(criterion == asked, f"{name}: {criterion}")
        _said(view, rule.name, at(rule.body, "properties/description"))
        _common(view, rule.body["properties"])
    book = view.one("Microsoft.Insights/workbooks")
    view.holds(book.name == guid(view.group, "mirror"), "a book with another name would stand beside this one")
    view.is_(book, "properties/sourceId", workspace, "it reads the workspace")
    view.is_(book, "properties/category", "workbook", "it is listed among the workbooks")
    view.is_(book, "properties/version", "Notebook/1.0", "the format of its data")
    view.is_(book, "kind", "shared", "everybody sees it")
    view.is_(book, "properties/displayName", "Mirror of demo", "it says of what")
    view.holds(json.loads(at(book.body, "properties/serializedData"))["items"], "it shows something")


def _own_workspace(view: View) -> str:
    workspace = view.one("Microsoft.OperationalInsights/workspaces")
    view.is_(workspace, "properties/sku/name", "PerGB2018", "paid by volume")
    view.is_(workspace, "properties/retentionInDays", view.option("telemetryDays", 30), "as set")
    view.is_(workspace, "properties/features/disableLocalAuth", True, "no keys")
    return workspace.id


def _logs(view: View, workspace: str) -> None:
    """Deletions in the mirror and events that could not be delivered can be looked up, in tables of their own."""
    wanted: dict[str, list[str]] = {}
    asked = view.option("mirrorLogs", "deletes")
    if view.owns_mirror and asked != "none":
        mirror = f"{view.mirror_account}/blobServices/default"
        wanted[mirror] = ["StorageDelete", *(["StorageRead"] if asked == "reads" else [])]
    if not view.option("existingTopicName", ""):
        wanted[view.topic] = ["DeliveryFailures"]
    settings = view.deployment.of("Microsoft.Insights/diagnosticSettings")
    view.holds({str(item.on) for item in settings} == set(wanted), "logs of these, and of nothing else")
    for item in settings:
        logs = [{"category": name, "enabled": True} for name in wanted.get(str(item.on), [])]
        view.is_(item, "properties/logs", logs, "as asked for")
        view.is_(item, "properties/workspaceId", workspace, "where the rest of telemetry is")
        view.is_(item, "properties/logAnalyticsDestinationType", "Dedicated", "tables of their own")


def _availability(view: View, component: Settled, people: Settled, rule: Settled | None) -> None:
    """Three places ask `/api/live`; two that get no answer are told of."""
    every = view.option("liveSeconds", 900)
    tests = view.deployment.of("Microsoft.Insights/webtests")
    view.holds(len(tests) == (every > 0) == (rule is not None), "it is asked as often as set, and told of")
    for test in tests:
        places = at(test.body, "properties/Locations") or []
        view.holds(len({it["Id"] for it in places}) == len(places) == 3, "three places")
        view.holds(all(it["Id"].endswith("-azr") for it in places), "places that Azure asks from")
        view.holds(test.body["kind"] == at(test.body, "properties/Kind") == "standard", "a test of one request")
        for path, wanted in (
            ("SyntheticMonitorId", test.name),
            ("Name", test.name),
            ("Enabled", True),
            ("Frequency", every),
            ("Timeout", 60),
            ("RetryEnabled", True),
            ("Request/RequestUrl", f"https://{view.one(SITE).id}.properties.defaultHostName/api/live"),
            ("Request/HttpVerb", "GET"),
            ("Request/FollowRedirects", False),
            ("Request/ParseDependentRequests", False),
            ("ValidationRules/ExpectedHttpStatusCode", 200),
            ("ValidationRules/SSLCheck", True),
            ("ValidationRules/SSLCertRemainingLifetimeCheck", 7),
        ):
            view.is_(test, f"properties/{path}", wanted, "what anybody may ask, and what the app then answers")
        if rule is None:
            continue
        view.is_(rule, "properties/scopes", [test.id, component.id], "what it watches")
        view.is_(rule, "properties/severity", 1, "as docs/alerts.md has it")
        view.is_(rule, "properties/evaluationFrequency", "PT5M", "as docs/alerts.md has it")
        view.is_(rule, "properties/windowSize", "PT15M", "each place has asked once at least")
        view.is_(rule, "properties/actions", [{"actionGroupId": people.id}], "somebody is told")
        criteria = {
            "odata.type": "Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria",
            "webTestId": test.id,
            "componentId": component.id,
            "failedLocationCount": 2,
        }
        view.is_(rule, "properties/criteria", criteria, "one place alone may have no way to the app")
        _said(view, rule.name, at(rule.body, "properties/description"))
        _common(view, rule.body["properties"])


_LOOKS_BACK = {"quiet": "P2D", "not-compared": "P2D", "not-proven": "P2D"}
_WINDOWS = {"backlog": "PT30M", "backfill": "PT2H"}
# A threshold that is a text is a parameter.
_QUERIES: dict[str, tuple[str, int, str, int | str, str]] = {
    "dead-job": ("dead-jobs.kql", 1, "PT5M", 0, ""),
    "failing-runs": ("failing-runs.kql", 2, "PT15M", "failedRuns", ""),
    "late-pushes": ("late-pushes.kql", 2, "PT15M", 0, ""),
    "failed-jobs": ("failed-jobs.kql", 2, "PT15M", 0, "jobs"),
    "retries": ("retries.kql", 2, "PT15M", "retriedRuns", "runs"),
    "lost-pushes": ("lost-pushes.kql", 1, "PT15M", "lostPushes", "pushes"),
    "refused-events": ("refused-events.kql", 1, "PT15M", 0, "events"),
    "quiet": ("quiet.kql", 3, "PT1H", 0, ""),
    "not-compared": ("not-compared.kql", 2, "PT1H", 0, ""),
    "not-proven": ("not-proven.kql", 1, "PT1H", 0, ""),
    "backlog": ("backlog.kql", 2, "PT15M", 0, "looks"),
    "backfill": ("backfill.kql", 3, "PT1H", 0, ""),
}
_TOPICS = "Microsoft.EventGrid/systemTopics"
_METRICS: dict[str, tuple[str, str, int, str, str, int | str]] = {
    "delivery-failures": ("DeliveryAttemptFailCount", _TOPICS, 1, "PT15M", "Total", "deliveryFailures"),
    "dead-letters": ("DeadLetteredCount", _TOPICS, 1, "PT5M", "Total", 0),
    "dropped-events": ("DroppedEventCount", _TOPICS, 1, "PT5M", "Total", 0),
}
_LIMITS = {
    "lagMinutes": 15,
    "quietHours": 0,
    "waitMinutes": 60,
    "backfillMessages": 1000,
    "comparedHours": 0,
    "lostPushes": 0,
    "failedRuns": 5,
    "retriedRuns": 20,
    "deliveryFailures": 5,
}


def _query(view: View, file: str) -> str:
    text = (INFRA / "alerts" / file).read_text(encoding="utf-8").replace("{app}", view.one(SITE).name)
    limits = {name: view.option(name, default) for name, default in _LIMITS.items()}
    minutes = limits["waitMinutes" if file == "backlog.kql" else "lagMinutes"]
    compared = limits["comparedHours"] or 2 * view.option("compareHours", 24) + 1
    text = text.replace("{minutes}", str(minutes)).replace("{messages}", str(limits["backfillMessages"]))
    text = text.replace("{days}", str(2 * view.option("auditDays", 30) + 1))
    return text.replace("{hours}", str(limits["quietHours"])).replace("{limit}", str(compared))


def _common(view: View, properties: dict[str, object]) -> None:
    view.holds(properties.get("enabled") is True, "the alert is on")
    view.holds(properties.get("autoMitigate") is True, "the alert ends by itself")


def _said(view: View, name: str, description: object) -> None:
    """An alert says where to read on, and there is something to read there."""
    link = re.search(r"docs/troubleshooting\.md#([a-z-]+)", str(description))
    headings = re.findall(r"^#+ (.+)$", TROUBLESHOOTING.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    view.holds(link and link[1] in anchors, f"{name} sends its reader to a chapter that is not there")
