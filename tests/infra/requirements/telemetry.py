"""What must hold of telemetry, its alerts and its workbook."""

import json
import re

from devtools.bicep.functions import guid
from devtools.bicep.settled import at
from devtools.deployment import ACCOUNT, INFRA, SITE
from tests.infra.requirements.view import View

OPERATE = INFRA.parent / "docs" / "operate.md"


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
    view.holds(set(metrics) == set(_METRICS), "each metric alert is there")
    for name, rule in metrics.items():
        metric, namespace, severity, every, aggregation, threshold = _METRICS.get(name, ("", "", 0, "", "", 0))
        window = "P1D" if name == "backlog" else every
        target = view.topic if "EventGrid" in namespace else f"{view.host.id}/queueServices/default"
        place = "/".join(target.split("/")[:5]) if "EventGrid" in namespace else view.group
        view.holds(
            rule.id.startswith(f"{place}/providers/"), "a metric alert stands in the subscription of what it watches"
        )
        view.is_(rule, "properties/scopes", [target], "what it watches")
        view.is_(rule, "properties/severity", severity, "as docs/operate.md has it")
        view.is_(rule, "properties/evaluationFrequency", every, "as docs/operate.md has it")
        view.is_(rule, "properties/windowSize", window, "no gap between two looks, and never an empty window")
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
        asked["name"] = "messages" if name == "backlog" else name
        if "EventGrid" in namespace:
            ours = {"name": "EventSubscriptionName", "operator": "Include", "values": [view.one(SITE).name]}
            asked["dimensions"] = [ours]
            subscription = view.events.of("Microsoft.EventGrid/systemTopics/eventSubscriptions")[0]
            view.holds(subscription.name == view.one(SITE).name, "what the alert watches is the app's subscription")
        view.holds(criterion == asked, f"{name}: {criterion}")
        _said(view, rule.name, at(rule.body, "properties/description"))
        _common(view, rule.body["properties"])
    book = view.one("Microsoft.Insights/workbooks")
    view.holds(book.name == guid(view.group, "mirror"), "a book with another name would stand beside this one")
    view.is_(book, "properties/sourceId", workspace.id, "it reads the workspace")
    view.is_(book, "properties/category", "workbook", "it is listed among the workbooks")
    view.is_(book, "properties/version", "Notebook/1.0", "the format of its data")
    view.is_(book, "kind", "shared", "everybody sees it")
    view.is_(book, "properties/displayName", "Mirror of demo", "it says of what")
    view.holds(json.loads(at(book.body, "properties/serializedData"))["items"], "it shows something")


_LOOKS_BACK = {"quiet": "P2D", "not-compared": "P2D"}
_QUERIES = {
    "dead-job": ("dead-jobs.kql", 1, "PT5M", 0, ""),
    "failing-runs": ("failing-runs.kql", 2, "PT15M", 5, ""),
    "late-pushes": ("late-pushes.kql", 2, "PT15M", 0, ""),
    "failed-jobs": ("failed-jobs.kql", 2, "PT15M", 0, "jobs"),
    "retries": ("retries.kql", 2, "PT15M", 20, "runs"),
    "lost-pushes": ("lost-pushes.kql", 1, "PT15M", 0, ""),
    "refused-events": ("refused-events.kql", 1, "PT15M", 0, "events"),
    "quiet": ("quiet.kql", 3, "PT1H", 0, ""),
    "not-compared": ("not-compared.kql", 2, "PT1H", 0, ""),
}
_TOPICS = "Microsoft.EventGrid/systemTopics"
_METRICS = {
    "backlog": ("QueueMessageCount", f"{ACCOUNT}/queueServices", 2, "PT1H", "Average", 1000),
    "delivery-failures": ("DeliveryAttemptFailCount", _TOPICS, 1, "PT15M", "Total", 5),
    "dead-letters": ("DeadLetteredCount", _TOPICS, 1, "PT5M", "Total", 0),
    "dropped-events": ("DroppedEventCount", _TOPICS, 1, "PT5M", "Total", 0),
}


def _query(view: View, file: str) -> str:
    text = (INFRA / "alerts" / file).read_text(encoding="utf-8")
    text = text.replace("{app}", view.one(SITE).name).replace("{minutes}", str(view.option("lagMinutes", 15)))
    text = text.replace("{period}", str(view.option("compareHours", 24)))
    return text.replace("{hours}", str(view.option("quietHours", 0)))


def _common(view: View, properties: dict[str, object]) -> None:
    view.holds(properties.get("enabled") is True, "the alert is on")
    view.holds(properties.get("autoMitigate") is True, "the alert ends by itself")


def _said(view: View, name: str, description: object) -> None:
    """An alert says where to read on, and there is something to read there."""
    link = re.search(r"docs/operate\.md#([a-z-]+)", str(description))
    headings = re.findall(r"^#+ (.+)$", OPERATE.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    view.holds(link and link[1] in anchors, f"{name} sends its reader to a chapter that is not there")
