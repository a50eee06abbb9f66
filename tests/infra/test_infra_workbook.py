"""Each panel of the workbook on rows that were recorded on the real host, and on those of the app's own instruments."""

from datetime import timedelta

import pytest

from acrmirror.errors import Denied
from acrmirror.jobs.records import error_fields
from acrmirror.telemetry import Telemetry
from acrmirror.work import RecordFields
from devtools.kusto.evaluate import Row
from tests.infra.queries import panels
from tests.infra.telemetry_rows import HOSTS, NOW, Given, answer, measured, recorded

BIN = NOW - timedelta(minutes=5)
"""Where what happened a minute ago is counted, in steps of five."""
host = pytest.mark.parametrize("host", HOSTS)


def act(telemetry: Telemetry) -> None:
    """Something of everything."""
    failed: RecordFields = error_fields(Denied("a", "b", "c")) | {"kind": "event", "state": "failed"}
    telemetry.run_ended(failed)
    telemetry.run_ended(failed | {"state": "waiting"})
    telemetry.event_taken("event")
    telemetry.event_taken("deletion")
    telemetry.event_refused("malformed")
    telemetry.compared(7200)
    telemetry.audited(2 * 86400, 3)
    telemetry.waiting("mirror-jobs", 3, 120)
    telemetry.waiting("mirror-jobs", 5, 60)


def shown(panel: str, given: list[Given]) -> list[Row]:
    return answer(f"panel {panel}", given)


APP = [*recorded("app-metric", "worker"), *measured(act)]
METRICS: dict[str, list[tuple[object, ...]]] = {
    "events": [("event", BIN, 1.0), ("deletion", BIN, 1.0)],
    "lag": [(BIN, 15.411476 / 4, 4.955284)],
    "compared": [(BIN, 2.0)],
    "audited": [("acrmirror.audit.age", BIN, 2.0), ("acrmirror.audit.left", BIN, 3.0)],
    "queues": [("mirror-jobs", BIN, 5.0)],
    "waiting": [("mirror-jobs", BIN, 2.0)],
    "jobs": [("done", BIN, 5.0), ("failed", BIN, 2.0), ("gone", BIN, 1.0)],
    "bytes": [("read", BIN, 3001079.0), ("written", BIN, 3001081.0)],
    "layers": [("copied", BIN, 7.0), ("skipped", BIN, 1.0)],
}


@pytest.mark.parametrize("panel", METRICS)
def test_a_panel_of_the_apps_metrics(panel: str) -> None:
    found = [tuple(row.values()) for row in shown(panel, APP)]
    assert sorted(found, key=str) == sorted(METRICS[panel], key=str)


def test_causes_come_by_how_often_they_happened() -> None:
    causes = shown("causes", [*APP, *measured(act)])
    assert {(it["cause"], it["job"], it["ended"], it["times"]) for it in causes[:2]} == {
        ("denied", "event", "failed", 2.0),
        ("denied", "event", "tried again", 2.0),
    }
    assert {(it["cause"], it["ended"]) for it in causes[2:]} == {
        ("not-found", "tried again"),
        ("malformed", "failed"),
        ("not-found", "gone"),
    }


def test_what_was_lost_and_refused_comes_by_when_it_happened() -> None:
    earlier = measured(lambda telemetry: telemetry.event_refused("event-time"), minutes=30)
    found = [(it["what"], it["cause"], it["times"]) for it in shown("lost", [*earlier, *APP])]
    assert set(found[:2]) == {
        ("acrmirror.push.lost", "denied", 1.0),
        ("acrmirror.events.refused", "malformed", 1.0),
    }
    assert found[2] == ("acrmirror.events.refused", "event-time", 1.0)


def test_answers_of_the_registry() -> None:
    found = [(it["request"], it["status"], it["requests"]) for it in shown("requests", APP)]
    assert found[0] == ("blob", "307", 6.0)
    assert ("manifest", "404", 2.0) in found


@host
def test_runs_of_functions_are_counted_by_name_on_both_hosts(host: str) -> None:
    given = [*recorded("push", host), *recorded("timer", host), *recorded("http-200", host)]
    counts = {it["name"]: it["runs"] for it in shown("runs", given)}
    assert set(counts) == {"on_registry_event", "run_mirror_job"}
    assert min(counts.values()) >= 1


@host
def test_how_long_a_run_took_is_told_on_both_hosts(host: str) -> None:
    (found,) = shown("durations", recorded("push", host))
    assert found["TimeGenerated"] == BIN
    assert 0.1 < found["half"] <= found["most"] <= found["longest"] < 10
    assert shown("durations", recorded("http-200", host)) == []


@host
def test_what_functions_raise_is_told_once_with_pythons_own_words(host: str) -> None:
    given = [*recorded("event-fails", host, times=3), *recorded("timer", host), *recorded("http-404-app", host)]
    found = {it["name"]: it for it in shown("failures", given) if "RuntimeError" in it["example"]}
    assert set(found) == {"on_registry_event", "lab_timer"}
    assert found["on_registry_event"]["times"] == 3
    assert found["on_registry_event"]["example"] == "Result: Failure | Exception: RuntimeError: lab: a made-up failure"


def test_no_panel_is_empty_where_everything_happens_and_each_is_where_nothing_does() -> None:
    for host in HOSTS:
        given = [*APP, *recorded("push", host), *recorded("event-fails", host)]
        assert {name for name in panels() if not shown(name, given)} == set()
    assert {name for name in panels() if shown(name, [])} == set()
