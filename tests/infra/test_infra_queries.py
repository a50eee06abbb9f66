"""Alerts, the workbook and the docs ask in KQL that Kusto itself takes, of tables and columns that a workspace has."""

import re
import sys
from pathlib import Path

import pytest

from devtools.bicep.settled import at
from devtools.deployment.scenarios import SCENARIOS, TOKEN, run
from devtools.kusto.language import NoLanguageService, Query, read
from devtools.kusto.tables import TABLES
from standins.azurite import Tools
from tests.infra.queries import ALERTS, alerts, documented, panels, understood

NODE = Tools.find().node


def one(text: str) -> Query:
    return read({"it": text}, NODE)["it"]


@pytest.mark.parametrize(
    "name", [*(f"alert {name}" for name in alerts()), *(f"panel {name}" for name in panels()), *documented()]
)
def test_kusto_has_nothing_to_say_against_a_query(name: str) -> None:
    query = understood()[name]
    assert query.problems == ()
    assert query.columns


def test_no_parameter_of_a_deployment_makes_a_query_that_can_not_be_read() -> None:
    asked = {f"{scenario.name}: {name}": text for scenario in SCENARIOS[1:3] for name, text in alerts(scenario).items()}
    assert {name: query.problems for name, query in read(asked, NODE).items() if query.problems} == {}


def test_an_alert_sums_up_a_column_that_its_query_has_for_each_cause() -> None:
    for rule in run(SCENARIOS[0]).of(ALERTS):
        criterion = at(rule.body, "properties/criteria/allOf/0")
        columns = understood()[f"alert {rule.name.removeprefix(f'mirror-{TOKEN}-')}"].columns
        assert columns is not None
        if measured := criterion["metricMeasureColumn"]:
            assert columns[measured] in ("long", "real"), rule.name
        assert {columns[it["name"]] for it in criterion["dimensions"]} <= {"string"}, rule.name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("AppMetrics | where Name == 'a", "KS001 in line 1, column 30"),
        ("AppMetrics\n| where last > 1", "in line 2, column 9: .*'last'"),
        ("AppMetrics | where Sums > 1", "KS142 in line 1, column 20: .*'Sums'"),
        ("AppMetric | count", "KS204 in line 1, column 1: .*'AppMetric'"),
        ("AppMetrics | where Name > 1", "Error"),
        ("AppMetrics | summarize nothing(Sum)", "KS211 in line 1"),
        ("AppMetrics | where Sum > {minutes}", "KS213"),
    ],
    ids=lambda text: text.replace("\n", " ")[:40],
)
def test_what_is_wrong_is_told_with_its_place(text: str, problem: str) -> None:
    assert any(re.search(problem, it) for it in one(text).problems), one(text).problems


def test_columns_of_a_result_are_known_by_name_and_type() -> None:
    asked = "AppMetrics | summarize most = max(Max), (at, age) = arg_max(TimeGenerated, Sum) by cause = tostring(Name)"
    counted = one(asked)
    assert counted.columns == {"cause": "string", "most": "real", "at": "datetime", "age": "real"}
    assert one("AppTraces | where Message has 'x'").columns == TABLES["AppTraces"]
    assert one("print 1").problems == ()


def test_without_the_service_it_is_told_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NoLanguageService, match=r"(?s)dev\.py tools.*Cannot find module"):
        read({"it": "AppMetrics"}, NODE, tmp_path)
    with pytest.raises(NoLanguageService, match="does not run"):
        read({"it": "AppMetrics"}, Path(sys.executable).with_name("no-node"))
