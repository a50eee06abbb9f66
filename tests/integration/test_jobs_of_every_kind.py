"""Jobs of every kind in one list, each in the one shape: those that have a record, and audits."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from acrmirror.errors import NotHere, WrongState
from acrmirror.http.models import Job
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.pulls import Pulls
from acrmirror.jobs.records import error_fields, first_fields
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.moments import from_datetime
from acrmirror.overview import Overview, Wanted
from acrmirror.proof.audits import Audits
from acrmirror.proof.ledger import Ledger
from acrmirror.proof.progress import Progress
from acrmirror.reference import Digest, Reference
from acrmirror.restore.restores import Restores
from acrmirror.work import Archive, Audit, Copy, Deletion, Into, Rebuild, RecordFields, Restore, Sweep, Task
from acrmirror.work.ids import JobId
from standins.foundation import Account
from testkit.images import oci_image
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

NOW = datetime.now(UTC)
IMAGE = Reference("team/app", "v1", Digest.of(b"x"))


def at(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture
def overview(account: Account, store: MirrorStore, records: JobRecords) -> Iterator[tuple[Overview, Ledger]]:
    """Over a container, a table and queues; no registry is asked."""
    queue = JobQueue.open(account.queue_endpoint, account.identity.credential(), account.ca)
    ledger = Ledger(store.container, Layout(), records.table)
    nothing: Any = None
    pulls = Pulls(nothing, nothing, queue, records)
    restores = Restores("demo.azurecr.io", nothing, queue, records)
    yield Overview(pulls, restores, Audits(ledger, queue), records), ledger
    queue.close()


def put(records: JobRecords, task: Task, **fields: object) -> str:
    assert records.write(task.id, cast(RecordFields, {**first_fields(task), **fields}), None) is not None
    return task.id


def filled(records: JobRecords, ledger: Ledger) -> dict[str, str]:
    """One job of each kind, and an audit that failed and one that has not begun: ids by kind, and what it is."""
    moments = [from_datetime(at(n)) for n in range(20)]
    sweep = Sweep(JobId.of(at(3), "s"), moments[3], ("team/*",))
    restore = Restore.now(("team/*",), Into("spare.azurecr.io"), "r")
    ids = {
        "event": put(records, Copy.of_event(IMAGE, "1", moments[1]), state="done", bytes_done=7, bytes_total=7),
        "deletion": put(records, Deletion.of_event(IMAGE, "2", moments[2]), state="done", finished=moments[1]),
        "sweep": put(records, sweep, state="done", match_listed=5, match_mirrored=4, match_requested=1),
        "pull": put(records, Copy(sweep.id.child("c"), moments[3], "pull", IMAGE, moments[3], parent=sweep.id)),
        "archive": put(records, Archive.now((IMAGE, IMAGE), "oci", None, None, "a"), state="waiting"),
        "rebuild": put(records, Rebuild.now(("team/*",), "b", dry_run=True, overwrite=False), rebuild_looked_at=3),
        "restore": put(records, restore, state="done", match_listed=1, match_requested=1),
        "restore-image": put(records, restore.image("team/app", "v1", Digest.of(b"x")), state="queued"),
    }
    failed = Progress(JobId.of(at(4), "failed"), moments[4], begun=moments[4])
    ledger.begin(failed.failed(WrongState("audit", "it broke", "Look."), moments[3]))
    asked = Audit.of(at(5), "asked")
    assert ledger.ask(ledger.start(at(6)), asked.id, asked.at)
    return ids | {"failed audit": failed.id, "audit": asked.id}


def test_each_kind_is_listed_in_the_order_of_its_request_and_in_one_shape(
    overview: tuple[Overview, Ledger], records: JobRecords
) -> None:
    jobs, ledger = overview
    ids = filled(records, ledger)
    listed: list[Job] = []
    last: str | None = None
    while True:
        page = jobs.page(Wanted(), 3, last)
        listed += map(Job.of, page.jobs)
        if (last := page.last) is None:
            break
    assert [it.id for it in listed] == sorted(ids.values())
    told = {it.id: it for it in listed}
    for kind, identity in ids.items():
        assert told[identity].kind == kind.removeprefix("failed ")
        shown = Job.of(jobs.get(identity))
        assert (shown.id, shown.kind, shown.title) == (identity, told[identity].kind, told[identity].title)
        assert shown.requested
    assert (told[ids["event"]].progress.done, told[ids["event"]].progress.unit) == (7, "bytes")
    assert (told[ids["sweep"]].progress.done, told[ids["sweep"]].progress.total) == (5, 5)
    assert told[ids["pull"]].parent == ids["sweep"]
    assert told[ids["restore"]].progress.total == 1
    assert told[ids["failed audit"]].error is not None
    sweep, restore = (Job.of(jobs.get(ids[it])).model_dump()["details"]["jobs"] for it in ("sweep", "restore"))
    assert (sweep, restore) == ({"queued": 1}, {"queued": 1})


def test_filters_choose(overview: tuple[Overview, Ledger], records: JobRecords) -> None:
    jobs, ledger = overview
    ids = filled(records, ledger)

    def found(**wanted: str) -> set[str]:
        return {Job.of(it).id for it in jobs.page(Wanted(**wanted), 50, None).jobs}

    assert found(kind="match") == {ids["sweep"]}
    assert found(kind="audit") == {ids["audit"], ids["failed audit"]}
    assert found(kind="audit", state="failed") == {ids["failed audit"]}
    assert found(state="queued") == {ids["pull"], ids["rebuild"], ids["restore-image"], ids["audit"]}
    assert found(state="cancelled") == set()
    assert found(repository="team/app") == {ids[it] for it in ("event", "deletion", "pull", "restore-image")}
    assert found(parent=ids["sweep"]) == {ids["pull"]}
    assert found(kind="archive", state="done") == set()


def test_what_can_be_cancelled_and_tried_again(overview: tuple[Overview, Ledger], records: JobRecords) -> None:
    jobs, ledger = overview
    ids = filled(records, ledger)
    for kind in ("pull", "archive", "rebuild"):
        assert Job.of(jobs.cancel(ids[kind])).state == "cancelled"
        assert Job.of(jobs.retry(ids[kind])).state == "queued"
    # Of a restore that has requested its images, these are cancelled.
    jobs.cancel(ids["restore"])
    assert Job.of(jobs.get(ids["restore-image"])).state == "cancelled"
    assert Job.of(jobs.retry(ids["restore-image"])).state == "queued"
    assert Job.of(jobs.cancel(ids["audit"])).state == "cancelled"
    with pytest.raises(WrongState):
        jobs.retry(ids["audit"])
    for kind in ("event", "failed audit"):
        for call in (jobs.cancel, jobs.retry):
            with pytest.raises(WrongState):
                call(ids[kind])
    for call in (jobs.get, jobs.cancel, jobs.retry):
        for identity in ("nonsense", JobId.of(NOW, "never")):
            with pytest.raises(NotHere, match="jobs"):
                call(identity)


def test_a_record_that_is_no_job_or_of_a_later_version_is_shown(
    overview: tuple[Overview, Ledger], records: JobRecords
) -> None:
    jobs, _ = overview
    for number, fields in enumerate(({}, {"kind": "audit"}, {"kind": "holiday", "state": "failed"})):
        identity = JobId.of(at(number), "odd")
        wrong = error_fields(WrongState("read it", "it is odd", "Look at it."))
        assert records.write(identity, cast(RecordFields, {**wrong, **fields}), None) is not None
        shown = Job.of(jobs.get(identity))
        assert (shown.kind in ("unreadable", "audit"), shown.error is not None) == (True, True)
        assert shown.requested[:16] == from_datetime(at(number))[:16]


def test_they_are_told_over_http_and_by_the_command_line(
    mirror: Mirroring, call: Caller, repository: str, run: Command
) -> None:
    mirror.push(repository, oci_image(repository, tag="v1"))
    pull = call("POST", "pulls", {"image": f"{repository}:v1", "wait": 30}).json
    got = call("GET", f"jobs/{pull['id']}")
    assert (got.status, got.headers["Location"]) == (200, f"/api/v1/jobs/{pull['id']}")
    job = got.json
    for name in ("id", "kind", "state", "started", "finished", "error", "notes"):
        assert job[name] == pull[name], name
    assert (job["requested"], job["title"]) == (pull["received"], f"{repository}:v1")
    assert job["details"]["mirrored_digest"] == pull["mirrored_digest"]
    sweep = call("POST", "pulls", {"match": ["never/there"], "dry_run": True}).json["id"]
    mirror.wait(lambda: call("GET", f"jobs/{sweep}").json["state"] == "done", what="the end of the sweep")
    page = call("GET", f"jobs?kind=pull&state=done&repository={repository}&n=1")
    assert [it["id"] for it in page.json["jobs"]] == [pull["id"]]
    assert "Link" not in page.headers
    page = call("GET", "jobs?kind=sweep&n=1")
    assert [(it["id"], it["details"]["patterns"]) for it in page.json["jobs"]] == [(sweep, ["never/there"])]
    more = call("GET", "jobs?n=1")
    assert more.headers["Link"].startswith("</api/v1/jobs?n=1&last=")
    for method, path in (("DELETE", f"jobs/{sweep}"), ("POST", f"jobs/{sweep}/retry")):
        assert (call(method, path).status, call(method, path).json["code"]) == (409, "wrong-state")
    for path in ("jobs?kind=match", "jobs?state=odd", "jobs?last=odd", "jobs?parent=odd"):
        assert (call("GET", path).status, call("GET", path).json["code"]) == (400, "invalid-request")
    assert call("GET", "jobs/nonsense").json["code"] == "not-found"
    assert pull["id"] in run.inside("jobs", "--repository", repository).stdout
    assert f"{repository}:v1" in run.inside("jobs", pull["id"]).stdout.replace("\n", "")
    assert json.loads(run.inside("jobs", "--kind", "sweep", "-n", "1", "-o", "json").stdout)[0]["id"] == sweep
    run.inside("jobs", "nonsense", code=3)
