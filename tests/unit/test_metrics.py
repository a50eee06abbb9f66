"""What is counted of a record, by the SDK's own reader; and that telemetry is imported late and never in the way."""

import json
import re
import subprocess
import sys

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from acrmirror.errors import Denied, Misconfigured, NotFound
from acrmirror.jobs.records import error_fields
from acrmirror.telemetry import Telemetry
from acrmirror.work import RecordFields
from devtools.deployment import INFRA

PAGE = INFRA.parent / "docs" / "telemetry.md"
PUSHED: RecordFields = error_fields(None) | {
    "kind": "event",
    "state": "done",
    "at": "2026-04-25T21:39:47.276585742Z",
    "finished": "2026-04-25T21:39:51.776585000Z",
    "repository": "team/app",
    "tag": "v1",
    "digest": "sha256:" + "0" * 64,
    "bytes_read": 5_000_000_000,
    "bytes_written": 4_000_000_000,
    "layers_total": 5,
    "layers_done": 5,
    "layers_skipped": 2,
    "requests_by_status": {"manifest": {"200": 3, "429": 1}, "blob": {"307": 3}},
}
Points = dict[tuple[str, tuple[tuple[str, object], ...]], float]


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


def counted(
    reader: InMemoryMetricReader,
    *records: RecordFields,
    age: float | None = None,
    refused: tuple[str, ...] = (),
    taken: tuple[str, ...] = (),
    waiting: tuple[tuple[str, int, float | None], ...] = (),
    audited: tuple[float, int] | None = None,
) -> Points:
    """Of these runs, of events that were refused by these codes or taken for these kinds of jobs, and of queues with so
    many messages and so old a next one: (metric, its attributes) and the sum."""
    telemetry = Telemetry(lambda: MeterProvider([reader], shutdown_on_exit=False))
    for record in records:
        telemetry.run_ended(record)
    if age is not None:
        telemetry.compared(age)
    if audited is not None:
        telemetry.audited(*audited)
    for code in refused:
        telemetry.event_refused(code)
    for kind in taken:
        telemetry.event_taken(kind)
    for name, messages, oldest in waiting:
        telemetry.waiting(name, messages, oldest)
    data = reader.get_metrics_data()
    telemetry.close()
    found: Points = {}
    for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
        for point in metric.data.data_points:
            attributes = tuple(sorted((point.attributes or {}).items()))
            found[metric.name, attributes] = float(getattr(point, "value", None) or getattr(point, "sum", None) or 0)
    return found


def test_a_push_that_was_mirrored_is_counted_in_all_its_parts(reader: InMemoryMetricReader) -> None:
    assert counted(reader, PUSHED) == {
        ("acrmirror.push.lag", ()): pytest.approx(4.5, abs=1e-5),
        ("acrmirror.jobs", (("kind", "event"), ("outcome", "done"))): 1,
        ("acrmirror.copy.io", (("direction", "read"),)): 5_000_000_000,
        ("acrmirror.copy.io", (("direction", "written"),)): 4_000_000_000,
        ("acrmirror.layers", (("outcome", "copied"),)): 3,
        ("acrmirror.layers", (("outcome", "skipped"),)): 2,
        ("acrmirror.registry.requests", (("kind", "manifest"), ("status", "200"))): 3,
        ("acrmirror.registry.requests", (("kind", "manifest"), ("status", "429"))): 1,
        ("acrmirror.registry.requests", (("kind", "blob"), ("status", "307"))): 3,
    }


def test_a_failure_is_counted_by_its_cause_and_a_retry_is_no_end(reader: InMemoryMetricReader) -> None:
    denied = error_fields(Denied("a", "b", "c"))
    failed = denied | {"kind": "pull", "state": "failed"}
    assert counted(reader, failed, failed, denied | {"kind": "event", "state": "waiting", "at": PUSHED["at"]}) == {
        ("acrmirror.jobs", (("error.type", "denied"), ("kind", "pull"), ("outcome", "failed"))): 2,
        ("acrmirror.retries", (("error.type", "denied"), ("kind", "event"))): 1,
    }


def test_a_push_that_ended_without_its_digest_in_the_mirror_is_counted_by_its_cause(
    reader: InMemoryMetricReader,
) -> None:
    gone = PUSHED | error_fields(NotFound("a", "b", "c")) | {"state": "gone", "missing": True}
    untagged = gone | {"missing": False}
    mirrored = PUSHED | error_fields(NotFound("a", "b", "c")) | {"state": "failed", "mirrored_digest": "sha256:1"}
    assert "acrmirror.push.lost" not in {name for name, _ in counted(InMemoryMetricReader(), mirrored)}
    failed = PUSHED | error_fields(Denied("a", "b", "c")) | {"state": "failed"}
    others = [record | {"kind": kind} for record in (gone, failed) for kind in ("pull", "check")]
    cancelled: RecordFields = {"kind": "event", "state": "cancelled"}
    points = counted(reader, gone, gone, untagged, failed, cancelled, failed | {"state": "waiting"}, *others)
    lost = {attributes: count for (name, attributes), count in points.items() if name == "acrmirror.push.lost"}
    assert lost == {
        (("error.type", "not-found"),): 2,
        (("error.type", "denied"),): 1,
        (("error.type", "cancelled"),): 1,
    }
    assert points["acrmirror.jobs", (("error.type", "not-found"), ("kind", "event"), ("outcome", "gone"))] == 3


def test_an_event_is_counted_by_the_kind_of_its_job(reader: InMemoryMetricReader) -> None:
    assert counted(reader, taken=("event", "deletion", "event")) == {
        ("acrmirror.events", (("kind", "event"),)): 2,
        ("acrmirror.events", (("kind", "deletion"),)): 1,
    }


def test_what_waits_is_told_for_each_queue(reader: InMemoryMetricReader) -> None:
    found = counted(reader, waiting=(("mirror-jobs", 3, 90.0), ("mirror-backfill", 2, None), ("mirror-later", 1, -5.0)))
    assert found == {
        ("acrmirror.queue.messages", (("queue", "mirror-jobs"),)): 3,
        ("acrmirror.queue.messages", (("queue", "mirror-backfill"),)): 2,
        ("acrmirror.queue.messages", (("queue", "mirror-later"),)): 1,
        ("acrmirror.queue.age", (("queue", "mirror-jobs"),)): 90,
        ("acrmirror.queue.age", (("queue", "mirror-later"),)): 0,
    }


def test_a_refused_event_is_counted_by_its_cause(reader: InMemoryMetricReader) -> None:
    refused = counted(reader, refused=("another-registry", "malformed", "another-registry"))
    assert refused == {
        ("acrmirror.events.refused", (("error.type", "another-registry"),)): 2,
        ("acrmirror.events.refused", (("error.type", "malformed"),)): 1,
    }


def test_how_old_the_last_comparison_is_is_told_in_seconds(reader: InMemoryMetricReader) -> None:
    assert counted(reader, age=7200.0) == {("acrmirror.comparison.age", ()): 7200.0}


def test_how_old_the_last_audit_is_is_told_and_what_it_left(reader: InMemoryMetricReader) -> None:
    told = {("acrmirror.audit.age", ()): 3600.0, ("acrmirror.audit.left", ()): 2.0}
    assert counted(reader, audited=(3600.0, 2)) == told


@pytest.mark.parametrize("kind", ["pull", "deletion", "match", "check"])
def test_only_a_push_has_a_lag(reader: InMemoryMetricReader, kind: str) -> None:
    assert "acrmirror.push.lag" not in {name for name, _ in counted(reader, PUSHED | {"kind": kind})}


def test_a_registry_whose_clock_is_ahead_makes_no_negative_lag(reader: InMemoryMetricReader) -> None:
    points = counted(reader, PUSHED | {"at": "2026-04-25T21:39:53Z"})
    assert points["acrmirror.push.lag", ()] == 0


def test_a_thousand_images_make_no_more_series_than_one(reader: InMemoryMetricReader) -> None:
    images = [PUSHED | {"repository": f"team/{n}", "tag": f"v{n}", "digest": f"sha256:{n:064x}"} for n in range(1000)]
    assert len(counted(reader, *images)) == len(counted(InMemoryMetricReader(), PUSHED))


def test_telemetry_that_can_not_be_set_up_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    attempts: list[int] = []

    def fail() -> MeterProvider:
        attempts.append(1)
        raise Misconfigured("send telemetry", "its connection string is none", "Correct it.")

    telemetry = Telemetry(fail)
    for _ in range(3):
        telemetry.run_ended(PUSHED)
    telemetry.close()
    assert len(attempts) == len(caplog.records) == 1


def test_a_record_that_lacks_what_is_counted_hurts_nobody(
    reader: InMemoryMetricReader, caplog: pytest.LogCaptureFixture
) -> None:
    assert counted(reader, {"state": "done"}) == {}
    assert len(caplog.records) == 1


def test_nothing_is_counted_where_there_is_nowhere_to_send_it() -> None:
    telemetry = Telemetry(None)
    telemetry.run_ended(PUSHED)
    telemetry.close()


def test_a_cold_start_pays_for_no_telemetry() -> None:
    code = "import sys, function_app; print([it for it in sys.modules if 'opentelemetry' in it or 'monitor' in it])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def named_in(text: str) -> tuple[set[str], set[str]]:
    """Metrics, and attributes of them, that a query names. Those of the host's rows have capitals in their names."""
    attributes = set(re.findall(r"Properties\['([a-z.]+)'\]", text))
    return set(re.findall(r"acrmirror\.[a-z.]+", text)), attributes


def test_queries_and_docs_name_what_is_measured(reader: InMemoryMetricReader) -> None:
    """A metric that an alert asks for by another name would be one that never rings."""
    failed: RecordFields = {"kind": "event", "state": "failed", "error_code": "denied"}
    gone: RecordFields = failed | {"state": "gone", "missing": True}
    waiting = failed | {"state": "waiting"}
    queues = (("mirror-jobs", 1, 1.0),)
    runs = (PUSHED, failed, gone, waiting)
    points = counted(
        reader, *runs, age=60.0, refused=("malformed",), taken=("event",), waiting=queues, audited=(1.0, 1)
    )
    metrics, attributes = {name for name, _ in points}, {key for _, pairs in points for key, _ in pairs}
    workbook = json.loads((INFRA / "workbook" / "mirror.json").read_text(encoding="utf-8"))
    shown = "\n".join(item["content"].get("query", "") for item in workbook["items"])
    for text in (shown, *(path.read_text(encoding="utf-8") for path in (INFRA / "alerts").glob("*.kql"))):
        assert named_in(text)[0] <= metrics
        assert named_in(text)[1] <= attributes
    assert named_in(shown) == (metrics, attributes)
    rows = re.compile(r"^\| `(acrmirror\.[a-z.]+)` \|[^|]*\|([^|]*)\|", re.MULTILINE)
    table = rows.findall(PAGE.read_text(encoding="utf-8"))
    assert {name for name, _ in table} == metrics
    for name, described in table:
        measured = {key for found, pairs in points if found == name for key, _ in pairs}
        assert measured <= set(re.findall(r"`([a-z.]+)`", described))
