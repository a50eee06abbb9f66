"""Rows of a workspace: those that were recorded, those that the app's own instruments make, and what an alert does on
them.

`telemetry-rows.jsonl` was recorded from the exporters of the real Functions host and of the app. In each row `kind` is
what happened, `table` where it comes to rest, `host` who sent it: `old` is the host's telemetry until 4.1043, `new`
from then on, `worker` the app. Of rows that are alike a few are kept, so tests say how often something happened.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader

from acrmirror.telemetry import Telemetry
from devtools.bicep.settled import Settled
from devtools.deployment import ROOT, SITE
from devtools.deployment.scenarios import SCENARIOS, TOKEN, run
from devtools.kusto.evaluate import Row, evaluate
from devtools.kusto.tables import TABLES
from tests.infra.queries import ALERTS, understood

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOSTS = ("old", "new")
RECORDED = Path(__file__).with_name("telemetry-rows.jsonl")
_SEVERITIES = {"Information": 1, "Warning": 2}
_DURATIONS = {"PT5M": 5, "PT15M": 15, "PT30M": 30, "PT1H": 60, "PT2H": 120, "P1D": 1440, "P2D": 2880}


@dataclass(frozen=True, slots=True)
class Given:
    """A row and its table."""

    table: str
    row: Row


def app_name() -> str:
    return str(run(SCENARIOS[0]).of(SITE)[0].name)


@cache
def _lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def recorded(kind: str, host: str, minutes: float = 1, times: int = 1) -> list[Given]:
    """What `host` sent when this happened, `minutes` ago, by the app of the deployment; `times` it happened. What
    the log levels of host.json leave out is not among it."""
    found = [line for line in _lines() if (line["kind"], line["host"]) == (kind, host) and sent(line)]
    assert found, f"nothing of {kind} is recorded of {host}"
    then = {"AppRoleName": app_name(), "TimeGenerated": NOW - timedelta(minutes=minutes)}
    rows = [
        Given(line["table"], {name: line[name] for name in line if name in TABLES[line["table"]]} | then)
        for line in found
    ]
    return rows * times


def sent(line: dict[str, Any]) -> bool:
    """Whether the levels in host.json let a row pass: of the names that its category begins with the longest counts."""
    if line["table"] not in ("AppTraces", "AppExceptions"):
        return True
    category = line["Properties"].get("CategoryName", "")
    levels = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["logging"]["OpenTelemetry"]["logLevel"]
    fitting = [name for name in levels if category.lower().startswith(name.lower())]
    least = levels[max(fitting, key=len, default="default")]
    return int(line["SeverityLevel"]) >= _SEVERITIES[least]


def measured(act: Callable[[Telemetry], None], minutes: float = 1, app: str = "") -> list[Given]:
    """What the app's exporter sends after `act`, `minutes` ago: a row for each series, as those of `app-metric`."""
    reader = InMemoryMetricReader()
    telemetry = Telemetry(lambda: MeterProvider([reader], shutdown_on_exit=False))
    act(telemetry)
    data = reader.get_metrics_data()
    telemetry.close()
    metrics = data.resource_metrics[0].scope_metrics[0].metrics if data is not None else []
    then = {"AppRoleName": app or app_name(), "TimeGenerated": NOW - timedelta(minutes=minutes)}
    return [
        Given("AppMetrics", {"Name": metric.name, "Properties": dict(point.attributes or {})} | _figures(point) | then)
        for metric in metrics
        for point in metric.data.data_points
    ]


def _figures(point: Any) -> Row:
    if isinstance(point, HistogramDataPoint):
        return {"Sum": point.sum, "ItemCount": point.count, "Min": point.min, "Max": point.max}
    return {"Sum": point.value, "ItemCount": 1, "Min": point.value, "Max": point.value}


def rule(name: str, scenario: int = 0) -> Settled:
    """The log alert whose name ends so."""
    (found,) = (it for it in run(SCENARIOS[scenario]).of(ALERTS) if it.name == f"mirror-{TOKEN}-{name}")
    return found


def answer(query: str, given: Sequence[Given], now: datetime = NOW) -> list[Row]:
    """What the query of this name in `understood` answers."""
    tables: dict[str, list[Row]] = {}
    for it in given:
        tables.setdefault(it.table, []).append(it.row)
    return evaluate(understood()[query], tables, now)


def raised(name: str, given: Sequence[Given], now: datetime = NOW, scenario: int = 0) -> set[str]:
    """The causes for which the alert is raised at `now`, as Azure evaluates it; {""} for one that has no causes."""
    properties = rule(name, scenario).body["properties"]
    minutes = _DURATIONS[properties["overrideQueryTimeRange"] or properties["windowSize"]]
    seen = [it for it in given if timedelta() <= now - it.row["TimeGenerated"] < timedelta(minutes=minutes)]
    rows = answer(f"{'everything: ' if scenario else ''}alert {name}", seen, now)
    criterion = properties["criteria"]["allOf"][0]
    dimensions = [it["name"] for it in criterion["dimensions"]]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(", ".join(row[it] for it in dimensions), []).append(row)
    column, limit = criterion["metricMeasureColumn"], criterion["threshold"]
    assert criterion["operator"] == "GreaterThan"
    return {
        cause
        for cause, group in groups.items()
        if (sum(row[column] for row in group) if criterion["timeAggregation"] == "Total" else len(group)) > limit
    }
