"""The mirror in figures: counted in slices from what is in the container, and from records of jobs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import quote

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.jobs import JobRecords
from acrmirror.jobs.counting import count_lately
from acrmirror.jobs.records import first_fields
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.mirror.counting import LEAST_SECONDS, PARTITION, ROW, Counting, Totals
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.version import VERSION
from acrmirror.work import Copy, JobId, RecordFields, Sweep
from standins.stack import Stack
from testkit.images import multi_arch, oci_image, signature
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring
from tests.integration.written_mirror import write, write_referrers

REGISTRY = "demo.azurecr.io"
NOW = datetime(2026, 4, 25, 12, tzinfo=UTC)


def counting(store: MirrorStore, records: JobRecords, page: int = 1000) -> Counting:
    """One that knows no more than the table does."""
    return Counting(store.container, Layout(), records.table, page)


def test_a_count_of_slices_is_that_of_what_is_there(
    store: MirrorStore, container: ContainerClient, records: JobRecords
) -> None:
    app, base = multi_arch("counted", 2), oci_image("counted", tag="v1")
    write(container, "team/app", app)
    write(container, "team/app/sub", base)
    write(container, "team/app1", base)
    write_referrers(container, "team/app1", base, [signature("counted", base.root)])
    container.upload_blob("docker/registry/v2/repositories/team/app/_uploads/1/startedat", b"what others write")
    container.upload_blob("history/team/app/_tags/v1/x", b"{}")
    stored = sum(it.size for it in container.list_blobs(name_starts_with="docker/registry/v2/blobs/"))
    rounds, totals = 0, None
    # Each slice has room for one page of three names.
    while totals is None and rounds < 100:
        totals = counting(store, records, page=3).advance(0)
        rounds += 1
    assert rounds > 5
    assert totals is not None
    assert (totals.repositories, totals.tags, totals.bytes_stored) == (3, 3, stored)
    assert totals.digests == len(app.manifests) + 2 * len(base.manifests) + 1
    # Soon after it is not counted again; later it is, and until that ends what is known stays.
    write(container, "new", oci_image("counted later", tag="v1"))
    assert counting(store, records).advance(5) == totals
    age = timedelta(seconds=LEAST_SECONDS + 1)
    entity = records.table.get(PARTITION, ROW, "look")
    assert entity is not None
    old = {"computed": from_datetime(totals.computed - age), "seconds": 0.0}
    records.table.swap(PARTITION, ROW, old, entity.etag, "age", merge=True)
    begun = counting(store, records, page=3).advance(0)
    assert (begun and begun.repositories) == 3
    anew = counting(store, records).advance(30)
    assert isinstance(anew, Totals)
    assert (anew.repositories, anew.tags) == (4, 4)


def test_what_was_noted_by_another_version_is_counted_anew(store: MirrorStore, records: JobRecords) -> None:
    for text in ("no JSON", "[]", '{"folder": 0, "unknown": 1}', "null"):
        entity = records.table.get(PARTITION, ROW, "look")
        records.table.swap(PARTITION, ROW, {"count": text}, entity.etag if entity else None, "spoil")
        totals = counting(store, records).advance(30)
        assert totals is not None
        assert (totals.repositories, totals.bytes_stored) == (0, 0)


def put(records: JobRecords, task: Copy | Sweep, **fields: object) -> None:
    assert records.write(task.id, cast(RecordFields, {**first_fields(task), **fields}), None) is not None


def pushed(name: str, before: timedelta) -> Copy:
    return Copy.of_event(Reference(name, "v1", Digest.of(b"x")), name, from_datetime(NOW - before))


def test_jobs_are_counted_by_state_and_the_newest_push_says_the_lag(records: JobRecords) -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert count_lately(records, REGISTRY, ("*",), NOW).jobs == {}
    put(records, pushed("old", 8 * day), state="failed", finished=from_datetime(NOW - hour))
    put(records, pushed("failed", 2 * day), state="failed", finished=from_datetime(NOW - 25 * hour))
    put(records, pushed("late", 2 * day), state="failed", finished=from_datetime(NOW - 23 * hour))
    put(records, pushed("done", hour), state="done", finished=from_datetime(NOW - hour + timedelta(seconds=3)))
    put(records, pushed("gone", hour / 2), state="gone", finished=from_datetime(NOW - hour / 2))
    sweeps = [Sweep(JobId.of(NOW - n * hour, "s"), from_datetime(NOW - n * hour), ("*",)) for n in (1, 2, 3)]
    put(records, sweeps[0], state="running", heartbeat=from_datetime(datetime.now(UTC)))
    put(records, sweeps[1], state="done", finished=from_datetime(NOW - hour), match_requested=7)
    put(records, sweeps[2], state="incomplete", match_requested=9)
    some = Sweep(JobId.of(NOW - hour, "some"), from_datetime(NOW - hour), ("*", "!team/*"))
    dry = Sweep(JobId.of(NOW - hour, "dry"), from_datetime(NOW - hour), ("*",), dry_run=True)
    for it in (some, dry):
        put(records, it, state="done", match_requested=1)
    found = count_lately(records, REGISTRY, ("*",), NOW)
    assert found.jobs == {"failed": 2, "done": 4, "gone": 1, "running": 1, "incomplete": 1}
    assert (found.failed, found.cut) == (1, False)
    assert found.last_event == from_datetime(NOW - hour / 2)
    assert found.lag_seconds == pytest.approx(3.0)
    assert found.comparison is not None
    assert (found.comparison.id, found.comparison.fields["match_requested"]) == (sweeps[1].id, 7)
    # One that waits is late by how long it has waited so far.
    put(records, pushed("waiting", timedelta(seconds=90)), state="waiting")
    assert count_lately(records, REGISTRY, ("*",), NOW).lag_seconds == pytest.approx(90.0)


def listed(call: Caller) -> tuple[int, int]:
    """Repositories and tags, as the listings have them."""
    names: list[str] = []
    page = call("GET", "images?n=1000").json
    names += page["repositories"]
    return len(names), sum(len(call("GET", f"images/{quote(it, safe='')}?n=1000").json["tags"]) for it in names)


def test_stats_are_told_over_http_and_by_the_command_line(
    stack: Stack, mirror: Mirroring, call: Caller, repository: str, run: Command
) -> None:
    stack.registry.set_event_manner(hold=False)
    mirror.push(repository, oci_image(repository, tag="v1"))
    mirror.wait_for(1, repository)
    expected = listed(call)
    found: dict[str, Any] = {}

    def counted() -> bool:
        got = call("GET", "stats")
        assert got.status == 200
        found.update(got.json)
        return (found["repositories"], found["tags"]) == expected and found["lag_seconds"] is not None

    mirror.wait(counted, 60, "figures of what is there")
    job = mirror.jobs(repository)[0]
    assert (found["registry"], found["version"]) == (stack.app_environment()["MIRROR_REGISTRY"], VERSION)
    assert found["last_event"] == job.fields["at"]
    assert 0 < found["lag_seconds"] < 600
    assert found["bytes_stored"] > 0
    assert found["digests"] >= found["repositories"]
    assert found["jobs"]["done"] >= 1
    assert set(found["queues"]) == {"pushes", "backfill", "poison"}
    told = run.inside("stats").stdout
    assert str(found["registry"]) in told
    assert json.loads(run.inside("stats", "-o", "json").stdout)["tags"] == expected[1]
