"""The timer has everything compared: once when it is due, whatever ticks, and whoever dies."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader

from acrmirror.app import App
from acrmirror.errors import MirrorError, Unavailable
from acrmirror.jobs import JobQueue
from acrmirror.moments import from_datetime, nine_digits, to_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.sync.comparisons import Comparisons
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Copy, Record, Sweep
from standins.foundation import Foundation
from standins.relay import Answer
from standins.stack import Stack
from testkit.images import oci_image, signature
from tests.integration.entities import put_entity, remove_entity
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.running import app_of, sent
from tests.integration.storage_proxy import StorageProxy

HOUR = timedelta(hours=1)


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Iterator[Mirroring]:
    """With no memory of a comparison."""
    forget(bare_mirror)
    yield bare_mirror
    forget(bare_mirror)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def forget(mirror: Mirroring) -> None:
    remove_entity(mirror.records.table, "comparison", "everything")


def sweeps(mirror: Mirroring) -> list[Record]:
    return [it for it in mirror.jobs() if it.fields["kind"] == "match"]


def run(mirror: Mirroring, app: App, number: int = -1) -> Record:
    """Runs the sweep that was requested."""
    record = sweeps(mirror)[number]
    app.dispatch.run(Sweep.of_record(record).to_json(), 1)
    found = mirror.records.get(record.id)
    assert found is not None
    return found


def test_it_asks_at_once_and_then_once_a_period(mirror: Mirroring, now: datetime) -> None:
    with app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        app.timer.tick(now)
        assert run(mirror, app).state == "done"
        for hours in (1, 12, 23):
            app.timer.tick(now + hours * HOUR)
        assert len(sweeps(mirror)) == 1
        # Each night at the same time, more or less.
        app.timer.tick(now + 24 * HOUR - timedelta(seconds=30))
        assert len(sweeps(mirror)) == 2
        run(mirror, app)
        # Nothing ticked for days.
        app.timer.tick(now + 100 * HOUR)
        assert len(sweeps(mirror)) == 3


def test_it_compares_what_belongs_in_the_mirror_and_nothing_else(mirror: Mirroring, now: datetime) -> None:
    """Events are sent of these repositories only; a comparison of all would copy the rest a day later."""
    for repository in ("mine/app", "base-os", "others/app"):
        mirror.push(repository, oci_image(repository))
    with app_of(mirror, MIRROR_COMPARE_HOURS="24", MIRROR_REPOSITORY_PREFIXES="mine/, base-") as app:
        app.timer.tick(now)
        record = run(mirror, app)
        assert (record.state, record.fields["patterns"]) == ("done", ["mine/*", "base-*"])
        sample = record.fields["match_sample"]
        assert sample
        assert not [it for it in sample if "others" in it]
        app.timer.tick(now + 23 * HOUR)
        assert len(sweeps(mirror)) == 1


def looked(app: App, now: datetime) -> dict[tuple[str, str], float]:
    """What a tick tells of the queues: (metric, queue) and the highest value."""
    reader = InMemoryMetricReader()
    app.telemetry._make_provider = lambda: MeterProvider([reader], shutdown_on_exit=False)
    app.timer.tick(now)
    data = reader.get_metrics_data()
    metrics = data.resource_metrics[0].scope_metrics[0].metrics if data is not None else []
    return {
        (metric.name.removeprefix("acrmirror.queue."), str((point.attributes or {})["queue"])): float(point.max)
        for metric in metrics
        for point in metric.data.data_points
        if isinstance(point, HistogramDataPoint) and metric.name.startswith("acrmirror.queue.")
    }


def test_it_measures_what_waits_also_where_nothing_is_compared(mirror: Mirroring, now: datetime) -> None:
    job = Copy.of_event(Reference("timer/waiting", "v1", Digest.of(b"x")), "waiting", from_datetime(now))
    with app_of(mirror, MIRROR_COMPARE_HOURS="0") as app:
        before = looked(app, now)
    stack = mirror.stack
    with (
        app_of(mirror, MIRROR_COMPARE_HOURS="0") as app,
        closing(JobQueue.open(stack.queue_endpoint, stack.identity.credential(), stack.ca)) as queue,
    ):
        queue.send(job)
        after = looked(app, now + timedelta(hours=2))
    assert {name for _, name in before} == {JOB_QUEUE, BACKFILL_QUEUE, DEAD_QUEUE, DEAD_BACKFILL_QUEUE}
    assert after["messages", JOB_QUEUE] == before["messages", JOB_QUEUE] + 1
    assert after["age", JOB_QUEUE] == pytest.approx(7200, abs=120) or ("age", JOB_QUEUE) in before
    assert ("age", DEAD_QUEUE) not in after


def test_queues_that_can_not_be_looked_at_hold_up_no_comparison(
    mirror: Mirroring, foundation: Foundation, now: datetime
) -> None:
    with StorageProxy(mirror.stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream = mirror.stack.account.queue_endpoint
        proxy.refuses = lambda method, path: Answer(403) if method == "GET" else None
        with app_of(mirror, MIRROR_COMPARE_HOURS="24", MIRROR_QUEUE__queueServiceUri=proxy.endpoint) as app:
            assert looked(app, now) == {}
    assert len(sweeps(mirror)) == 1


def test_zero_is_never(mirror: Mirroring) -> None:
    with app_of(mirror, MIRROR_COMPARE_HOURS="0") as app:
        app.timer.tick()
    assert sweeps(mirror) == []
    assert Comparisons(mirror.records.table).read() is None


def test_instances_that_tick_at_once_ask_for_one(mirror: Mirroring, now: datetime) -> None:
    with ThreadPoolExecutor(4) as pool, app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        app.timer.tick(now)
        run(mirror, app)
        list(pool.map(lambda late: app.timer.tick(now + 25 * HOUR + timedelta(milliseconds=late)), range(4)))
    assert len(sweeps(mirror)) == 2


def test_one_that_died_between_its_message_and_its_note_is_made_up_for(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    def die(*_: object) -> bool:
        raise Unavailable("note it", "the table is away", "Later.")

    with app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        with monkeypatch.context() as patch:
            patch.setattr(Comparisons, "ask", die)
            with pytest.raises(MirrorError):
                app.timer.tick(now)
        app.timer.tick(now + timedelta(minutes=10))
        assert len(sweeps(mirror)) == 1
        app.timer.tick(now + timedelta(minutes=20))
    assert len(sweeps(mirror)) == 1
    assert len(sent(mirror, BACKFILL_QUEUE)) == 1


def test_one_whose_message_was_refused_is_asked_for_by_the_next_tick(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("send it", "the queue is away", "Later.")

    with app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        with monkeypatch.context() as patch:
            patch.setattr("acrmirror.jobs.queue.JobQueue.send_task", refuse)
            with pytest.raises(MirrorError):
                app.timer.tick(now)
        assert sweeps(mirror) == []
        app.timer.tick(now + timedelta(minutes=10))
    assert len(sweeps(mirror)) == len(sent(mirror, BACKFILL_QUEUE)) == 1


def test_only_a_comparison_that_is_complete_counts(mirror: Mirroring, now: datetime) -> None:
    mirror.push("timer/app", oci_image("timer", tag="v1"))
    known = Comparisons(mirror.records.table)
    with app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        app.timer.tick(now)
        mirror.stack.registry.set_faults([{"match": {"path": "/acr/v1/timer/app"}, "do": {"status": 403}}])
        assert run(mirror, app).state == "incomplete"
        mirror.stack.registry.clear_faults()
        compared = known.read()
        assert compared is not None
        assert compared.whole is None
        # What is incomplete stays so for the day: it is not compared again every ten minutes.
        app.timer.tick(now + 2 * HOUR)
        assert len(sweeps(mirror)) == 1
        app.timer.tick(now + 24 * HOUR)
        assert len(sweeps(mirror)) == 2
        before = datetime.now(UTC)
        done = run(mirror, app, 0) if sweeps(mirror)[0].state == "queued" else run(mirror, app)
        assert done.state == "done"
        compared = known.read()
    assert compared is not None
    assert compared.whole is not None
    assert before <= compared.whole <= datetime.now(UTC)


def test_one_that_a_person_cancelled_while_the_table_failed_was_no_comparison(
    mirror: Mirroring, foundation: Foundation
) -> None:
    stack = mirror.stack
    for number in range(2):
        mirror.push("timer/cancelled", oci_image(f"timer {number}", tag=f"v{number}"))
    sweep = Sweep.now(("*",), "cancelled", dry_run=False)
    cancelled = Event()
    with StorageProxy(stack.ca, foundation.certificates.server) as proxy, app_of(mirror) as unhindered:

        def cancel_and_fail(method: str, path: str) -> Answer | None:
            if "$batch" in path and not cancelled.is_set():
                unhindered.pulls.cancel(sweep.id)
                cancelled.set()
            return Answer(400) if method == "POST" and cancelled.is_set() else None

        proxy.upstream, proxy.refuses = stack.table_endpoint, cancel_and_fail
        with app_of(mirror, MIRROR_TABLE_ENDPOINT=proxy.endpoint) as app:
            app.dispatch.run(sweep.to_json(), 1)
    record = mirror.records.get(sweep.id)
    assert record is not None
    assert record.state == "cancelled"
    assert Comparisons(mirror.records.table).read() is None


def test_one_that_failed_is_asked_for_again_after_an_hour(mirror: Mirroring, now: datetime) -> None:
    with app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        app.timer.tick(now)
        mirror.records.change(sweeps(mirror)[0].id, {"state": "failed"})
        app.timer.tick(now + timedelta(minutes=10))
        assert len(sweeps(mirror)) == 1
        app.timer.tick(now + HOUR)
        assert len(sweeps(mirror)) == 2


def test_a_person_who_had_everything_compared_spares_the_timer_one(mirror: Mirroring) -> None:
    with app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        app.sweeps.ask(["*"], dry_run=False)
        run(mirror, app)
        app.timer.tick()
        assert len(sweeps(mirror)) == 1
        for patterns, dry_run in ((["timer/*"], False), (["*", "!timer/*"], False), (["*"], True)):
            forget(mirror)
            asked = app.sweeps.ask(patterns, dry_run=dry_run)
            app.dispatch.run(Sweep(asked.id, nine_digits(asked.fields["at"]), tuple(patterns), dry_run).to_json(), 1)
            assert Comparisons(mirror.records.table).read() is None


def test_health_tells_when_everything_was_compared_and_when_that_is_too_old(mirror: Mirroring, now: datetime) -> None:
    known = Comparisons(mirror.records.table)
    with app_of(mirror, MIRROR_COMPARE_HOURS="24") as app:
        known.completed(now - 40 * HOUR)
        health = app.health.run()
        assert health.ok
        assert health.compared is not None
        assert health.compared.whole == now - 40 * HOUR
        forget(mirror)
        known.completed(now - 50 * HOUR)
        (late,) = (it.error for it in app.health.run().checks if it.error is not None)
        assert late.code == "comparison-late"
        assert "was compared last at" in late.answered
    with app_of(mirror, MIRROR_COMPARE_HOURS="0") as app:
        assert app.health.run().ok


def test_the_timer_alone_brings_what_no_event_told_of(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(settings={"MIRROR_COMPARE_HOURS": "24", "MIRROR_COMPARE_SCHEDULE": "*/2 * * * * *"})
    stack.registry.unsubscribe()
    with mirroring(stack) as mirror:
        # At the first tick the registry is empty, and equal to the mirror.
        call = Caller.of(stack)
        mirror.wait(lambda: call("GET", "health").json["compared"] is not None, 60, "the first comparison")
        image = mirror.push("missed/app", oci_image("missed", tag="v1"))
        mirror.push("missed/app", signature("missed", image.root))
        long_ago = {name: "2026-01-01T00:00:00.000000000Z" for name in ("asked", "whole")}
        put_entity(mirror.records.table, "comparison", "everything", long_ago)
        mirror.wait(lambda: mirror.tagged("missed/app", "v1") == image.root.digest, 60, "what was missed")
        mirror.wait(
            lambda: mirror.tagged("missed/app", image.root.digest.referrers_tag) is not None, 60, "its signature"
        )
        compared = str(call("GET", "health").json["compared"])
        assert datetime.now(UTC) - to_datetime(compared) < timedelta(minutes=2)
