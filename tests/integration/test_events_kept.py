"""An event that is refused is taken when it comes again and its cause is gone; until then health tells of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from acrmirror.app import App
from acrmirror.errors import AnotherRegistry, Malformed, MirrorError, Unavailable, Untimely
from acrmirror.http import Request
from acrmirror.http.api import Api
from acrmirror.jobs import Refusals
from acrmirror.jobs.refusals import KEPT
from acrmirror.telemetry import Telemetry
from standins.stack import RESOURCE_ID
from testkit.images import oci_image
from tests.integration.entities import entity_of, put_entity
from tests.integration.error_rows import rows
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, next_message, sent


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Mirroring:
    """Without what other tests had refused."""
    put_entity(bare_mirror.records.table, "events", "refused", {"events": "[]"})
    return bare_mirror


def event_of(mirror: Mirroring, repository: str, at: datetime | None = None, **more: Any) -> dict[str, Any]:
    """The event of a push, as Event Grid would deliver it a minute later."""
    image = mirror.push(repository, oci_image(repository))
    moment = (at or datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    target = {"digest": str(image.root.digest), "repository": repository, "tag": image.tag}
    data = {"timestamp": moment, "target": target, "request": {"host": mirror.stack.registry.host}}
    kind = {"eventType": "Microsoft.ContainerRegistry.ImagePushed", "topic": RESOURCE_ID, "eventTime": moment}
    return {"id": f"kept-{repository.replace('/', '-')}", "subject": repository, "data": data, **kind, **more}


def health(app: App) -> tuple[int, dict[str, Any]]:
    answer = Api(lambda: app).health(Request("GET"))
    return answer.status, json.loads(answer.body)


def wrong(report: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {it["name"]: it["error"] for it in report["checks"] if not it["ok"]}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"MIRROR_REGISTRY": "dem0.azurecr.io"}, "MIRROR_REGISTRY "),
        ({"MIRROR_REGISTRY_RESOURCE_ID": f"{RESOURCE_ID}x"}, "MIRROR_REGISTRY_RESOURCE_ID "),
    ],
    ids=["host", "topic"],
)
def test_a_push_refused_under_a_wrong_setting_comes_once_that_is_mended(
    mirror: Mirroring, settings: dict[str, str], named: str
) -> None:
    event = event_of(mirror, f"kept/{named.strip().lower()}")
    with app_of(mirror, **settings) as app:
        for _ in range(3):
            with pytest.raises(AnotherRegistry):
                app.intake.receive(event)
    assert sent(mirror) == []
    with app_of(mirror) as other_instance:
        status, report = health(other_instance)
        error = wrong(report)["events"]
        assert (status, error["code"]) == (503, "refused-events")
        assert rows()["refused-events"].fits(error["answered"])
        assert rows()["another-registry"].fits(error["answered"])
        assert named in error["remedy"]
        (refused,) = report["refused_events"]
        assert (refused["event"], refused["code"], refused["times"]) == (event["id"], "another-registry", 3)
        other_instance.intake.receive(event)
        assert health(other_instance)[1]["refused_events"] == []
        assert "events" not in wrong(health(other_instance)[1])
        other_instance.dispatch.run(json.dumps(next_message(mirror)), 1)
    (job,) = mirror.jobs(event["subject"])
    assert job.state == "done"


def test_a_clock_that_is_six_minutes_slow_delays_an_event_and_loses_none(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six minutes ahead of this machine's clock is as if that was slow; it comes again when a minute has gone by."""
    event = event_of(mirror, "kept/ahead", datetime.now(UTC) + timedelta(minutes=6))
    with app_of(mirror) as app:
        with pytest.raises(Untimely) as refused:
            app.intake.receive(event)
        assert rows()["event-time"].fits(refused.value.answered)
        assert wrong(health(app)[1])["events"]["code"] == "refused-events"
        monkeypatch.setattr("acrmirror.events.AHEAD_LIMIT", timedelta(minutes=6, seconds=1))
        app.intake.receive(event)
        assert "events" not in wrong(health(app)[1])
    assert next_message(mirror)["repository"] == "kept/ahead"


def test_a_regional_host_with_the_right_topic_is_enqueued(mirror: Mirroring) -> None:
    event = event_of(mirror, "kept/regional")
    event["data"]["request"]["host"] = "demo.westeurope.geo.azurecr.io:443"
    with app_of(mirror, MIRROR_REGISTRY="demo.azurecr.io") as app:
        app.intake.receive(event)
    assert next_message(mirror)["repository"] == "kept/regional"


def test_what_can_not_be_read_is_refused_and_kept_and_the_newest_are_shown(mirror: Mirroring) -> None:
    with app_of(mirror) as app:
        for number in range(KEPT + 3):
            with pytest.raises(Malformed):
                app.intake.receive({"id": f"garbage-{number}", "data": "x" * 9000, "eventType": "y" * 9000})
        refused = health(app)[1]["refused_events"]
    assert [it["event"] for it in refused] == [f"garbage-{number}" for number in range(KEPT + 2, 2, -1)]
    assert sent(mirror) == []


def test_as_many_refused_events_are_shown_though_their_topics_are_emoji(mirror: Mirroring) -> None:
    """Each is two code units of the 32 Ki that a property has, and twelve characters once it is escaped."""
    event = event_of(mirror, "kept/emoji")
    with app_of(mirror) as app:
        for number in range(KEPT):
            with pytest.raises(AnotherRegistry):
                app.intake.receive(event | {"id": f"emoji-{number}", "topic": chr(0x1F600 + number) * 4000})
        refused = health(app)[1]["refused_events"]
    assert [it["event"] for it in refused] == [f"emoji-{number}" for number in range(KEPT - 1, -1, -1)]
    assert all(chr(0x1F600) in it["answered"] or number for number, it in enumerate(refused[::-1]))


def test_refused_events_that_do_not_fit_leave_out_the_oldest(mirror: Mirroring) -> None:
    refusals = Refusals(mirror.records.table)
    for number in range(KEPT):
        refusals.add(f"heavy-{number}", MirrorError('"' * 9000, "\\" * 9000, '"' * 9000))
    events = [it.event for it in refusals.recent()]
    assert events == [f"heavy-{number}" for number in range(KEPT - 1, KEPT - 1 - len(events), -1)]
    assert 5 < len(events) < KEPT
    stored = entity_of(mirror.records.table, "events", "refused").fields["events"]
    assert len(stored.encode("utf-16-le")) <= 64 * 1024


def test_an_event_is_refused_by_its_cause_also_where_no_table_can_be_written(mirror: Mirroring) -> None:
    event = event_of(mirror, "kept/untold")
    with app_of(mirror, MIRROR_TABLE="nosuchtable", MIRROR_REGISTRY="dem0.azurecr.io") as app:
        with pytest.raises(AnotherRegistry):
            app.intake.receive(event)
        names = set(wrong(health(app)[1]))
    assert "records" in names
    assert "events" not in names


def test_a_refused_event_is_forgotten_after_a_day(mirror: Mirroring) -> None:
    refusals = Refusals(mirror.records.table)
    refusals.add("old", MirrorError("take event 'old'", "it is none", "Look."))
    (old,) = json.loads(entity_of(mirror.records.table, "events", "refused").fields["events"])
    day_ago = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    put_entity(mirror.records.table, "events", "refused", {"events": json.dumps([old | {"first": day_ago}])})
    assert refusals.recent() == []


def test_each_delivery_that_is_refused_is_counted_by_its_cause(mirror: Mirroring) -> None:
    reader = InMemoryMetricReader()
    event = event_of(mirror, "kept/counted")
    with app_of(mirror, MIRROR_REGISTRY="dem0.azurecr.io") as app:
        app.telemetry._make_provider = lambda: MeterProvider([reader], shutdown_on_exit=False)
        for _ in range(2):
            with pytest.raises(AnotherRegistry):
                app.intake.receive(event)
        data = reader.get_metrics_data()
    assert isinstance(app.telemetry, Telemetry)
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert (metric.name, dict(point.attributes or {})) == (
        "acrmirror.events.refused",
        {"error.type": "another-registry"},
    )
    assert getattr(point, "value", 0) == 2


def test_an_event_is_counted_once_its_job_is_in_the_queue(mirror: Mirroring) -> None:
    reader = InMemoryMetricReader()
    with app_of(mirror) as app:
        app.telemetry._make_provider = lambda: MeterProvider([reader], shutdown_on_exit=False)
        app.intake.receive(event_of(mirror, "kept/taken"))
        data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert (metric.name, dict(point.attributes or {})) == ("acrmirror.events", {"kind": "event"})
    assert getattr(point, "value", 0) == 1


def test_an_event_whose_job_is_not_in_the_queue_is_not_counted(mirror: Mirroring) -> None:
    reader = InMemoryMetricReader()
    with app_of(mirror, MIRROR_QUEUE__queueServiceUri="https://127.0.0.1:9") as app:
        app.telemetry._make_provider = lambda: MeterProvider([reader], shutdown_on_exit=False)
        with pytest.raises(Unavailable):
            app.intake.receive(event_of(mirror, "kept/untaken"))
        assert reader.get_metrics_data() is None
