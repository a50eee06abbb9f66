"""What the evaluator of queries does, operator by operator, as the reference of KQL has it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devtools.kusto.evaluate import Row, evaluate
from devtools.kusto.functions import Unsupported
from devtools.kusto.language import Query, read
from standins.azurite import Tools

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
AT = {f"t{minutes}": NOW - timedelta(minutes=minutes) for minutes in (0, 1, 2, 7, 61)}
ROWS: list[Row] = [
    {"Name": "a", "Sum": 4, "ItemCount": 2, "Max": 3.5, "TimeGenerated": AT["t7"], "Properties": {"k": "x"}},
    {"Name": "b", "Sum": 1, "ItemCount": 1, "Max": 1.0, "TimeGenerated": AT["t2"], "Properties": {"k": "y"}},
    {"Name": "a", "Sum": 2, "ItemCount": 1, "Max": 9.0, "TimeGenerated": AT["t1"], "Properties": {}},
]
ANSWERS: dict[str, list[Any]] = {
    # Rows chosen
    "AppMetrics | where Name == 'a' | project Sum": [4.0, 2.0],
    "AppMetrics | where Name != 'a' | project Sum": [1.0],
    "AppMetrics | where Name =~ 'B' | project Sum": [1.0],
    "AppMetrics | where Name in ('b', 'c') | project Sum": [1.0],
    "AppMetrics | where Name !in ('b', 'c') | project Sum": [4.0, 2.0],
    "AppMetrics | where Sum > 1 and Sum <= 2 | project Sum": [2.0],
    "AppMetrics | where Sum < 2 or Sum >= 4 | project Sum": [4.0, 1.0],
    "AppMetrics | where Min > 0 | project Sum": [],
    "AppMetrics | where TimeGenerated > now() - 3m | project Sum": [1.0, 2.0],
    "AppMetrics | where tostring(Properties['k']) == '' | project Sum": [2.0],
    "AppMetrics | where isnotempty(tostring(Properties['k'])) | project Sum": [4.0, 1.0],
    "AppMetrics | where isempty(tostring(Properties['k'])) | project Sum": [2.0],
    "AppTraces | where Message has 'poison' | project Message": ["to 'jobs-poison'.", "Poison"],
    "AppTraces | where Message contains 'poison' | project Message": ["to 'jobs-poison'.", "Poison", "poisonous"],
    "AppTraces | where Message startswith 'poison' | project Message": ["Poison", "poisonous"],
    # Columns made
    "AppMetrics | extend twice = Sum * 2 | where twice > 4 | project twice": [8.0],
    "AppMetrics | extend part = Sum / ItemCount | project part": [2.0, 1.0, 2.0],
    "AppMetrics | extend part = ItemCount / 2 | project part": [1, 0, 0],
    "AppMetrics | extend gap = TimeGenerated - prev(TimeGenerated) | project gap": [
        None,
        timedelta(minutes=5),
        timedelta(minutes=1),
    ],
    "AppMetrics | project what = iff(Sum > 1, 'many', 'one')": ["many", "one", "many"],
    "AppMetrics | project most = max_of(Sum, 3.0)": [4.0, 3.0, 3.0],
    "AppTraces | project tail = substring(Message, 5)": ["obs-poison'.", "n", "nous"],
    "AppTraces | project n = todouble(tostring(Properties['n'])) / 2": [0.75, None, None],
    # Order
    "AppMetrics | order by Sum | project Sum": [4.0, 2.0, 1.0],
    "AppMetrics | order by Sum asc | project Sum": [1.0, 2.0, 4.0],
    "AppMetrics | order by Name asc, Sum desc | project Sum": [4.0, 2.0, 1.0],
    # Groups
    "AppMetrics | summarize n = count()": [3],
    "AppMetrics | where Sum > 99 | summarize n = count()": [0],
    "AppMetrics | where Sum > 99 | summarize total = sum(Sum)": [0.0],
    "AppMetrics | where Sum > 99 | summarize most = max(Sum)": [None],
    "AppMetrics | where Sum > 99 | summarize n = count() by Name | project n": [],
    "AppMetrics | summarize total = sum(Sum) by Name | project total": [6.0, 1.0],
    "AppMetrics | summarize least = min(Max) by Name | project least": [3.5, 1.0],
    "AppMetrics | summarize mean = sum(Sum) / sum(ItemCount) by Name | project mean": [2.0, 1.0],
    "AppMetrics | summarize half = percentile(Sum, 50)": [2.0],
    "AppMetrics | summarize most = percentile(Sum, 99)": [4.0],
    "AppMetrics | summarize some = take_any(Name) by Name | project some": ["a", "b"],
    "AppMetrics | summarize (at, most) = arg_max(TimeGenerated, Max) | project most": [9.0],
    "AppMetrics | where Sum > 99 | summarize (at, most) = arg_max(TimeGenerated, Max) | project most": [None],
    "AppMetrics | summarize n = count() by bin(TimeGenerated, 5m) | project n": [1, 2],
    "AppMetrics | summarize n = count() by bin(TimeGenerated, 5m) | project TimeGenerated": [
        NOW - timedelta(minutes=10),
        NOW - timedelta(minutes=5),
    ],
    "AppMetrics | summarize n = count() by step = bin(Sum, 2) | project step": [4.0, 0.0, 2.0],
    # Several
    "let limit = 1h; AppMetrics | where now() - TimeGenerated < limit | summarize n = count()": [3],
    "union (AppMetrics | project it = Name), (AppTraces | project it = Message) | summarize n = count()": [6],
    "union isfuzzy=true (AppMetrics | project it = Name) | project it": ["a", "b", "a"],
    "AppRequests | summarize n = count()": [0],
    "AppMetrics | project Sum | render timechart": [4.0, 1.0, 2.0],
}
TRACES: list[Row] = [
    {"Message": "to 'jobs-poison'.", "Properties": {"n": "1.5"}},
    {"Message": "Poison", "Properties": {"n": "none"}},
    {"Message": "poisonous"},
]
REFUSED = (
    "AppMetrics | join AppTraces on OperationId",
    "AppMetrics | summarize n = dcount(Name)",
    "AppMetrics | project it = strcat(Name, 'x')",
    "AppMetrics | summarize count() by tostring(Name)",
    "AppMetrics | where Min == 1",
    "range x from 1 to 3 step 1",
    "union withsource=source AppMetrics, AppTraces",
)


@pytest.fixture(scope="module")
def queries() -> dict[str, Query]:
    return read({text: text for text in (*ANSWERS, *REFUSED)}, Tools.find().node)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_operator_answers_as_documented(text: str, queries: dict[str, Query]) -> None:
    rows = evaluate(queries[text], {"AppMetrics": ROWS, "AppTraces": TRACES}, NOW)
    assert [next(iter(row.values())) for row in rows] == ANSWERS[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_known_is_refused(text: str, queries: dict[str, Query]) -> None:
    with pytest.raises(Unsupported):
        evaluate(queries[text], {"AppMetrics": ROWS}, NOW)


def test_a_query_that_kusto_does_not_take_is_not_evaluated() -> None:
    query = read({"it": "AppMetrics | where Sums > 1"}, Tools.find().node)["it"]
    with pytest.raises(ValueError, match="Sums"):
        evaluate(query, {}, NOW)


@pytest.mark.parametrize(
    ("row", "why"),
    [({"Nam": "a"}, "no columns"), ({"Name": 1}, "of type string"), ({"ItemCount": True}, "of type int")],
    ids=["another column", "another type", "a truth value"],
)
def test_a_row_that_no_such_table_has_is_refused(row: Row, why: str, queries: dict[str, Query]) -> None:
    with pytest.raises(ValueError, match=why):
        evaluate(queries["AppMetrics | summarize n = count()"], {"AppMetrics": [row]}, NOW)


def test_an_answer_of_another_shape_than_the_service_says_is_a_fault(queries: dict[str, Query]) -> None:
    known = queries["AppMetrics | summarize n = count()"]
    other = Query(known.text, (), {"m": "long"}, known.tree)
    with pytest.raises(ValueError, match="the service says"):
        evaluate(other, {"AppMetrics": ROWS}, NOW)
    with pytest.raises(ValueError, match="of type string"):
        evaluate(Query(known.text, (), {"n": "string"}, known.tree), {"AppMetrics": ROWS}, NOW)
