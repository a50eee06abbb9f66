"""Each row of docs/errors.md that says what becomes of a job: provoked, and in the record as it says."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acrmirror.http import Request
from acrmirror.http.api import Api
from acrmirror.moments import nine_digits
from acrmirror.oci import DOCKER_SCHEMA1_SIGNED, MAX_DEPTH, OCI_INDEX
from acrmirror.reference import Reference
from acrmirror.work import DEAD_QUEUE, Copy, Record, Sweep
from standins.foundation import Foundation
from testkit.images import Image, multi_arch, oci_image
from testkit.images.build import SMALL, add_image, add_index
from testkit.images.values import Draft
from tests.integration.error_rows import rows
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, at_work_elsewhere, failing_since, job_for
from tests.integration.storage_proxy import StorageProxy

MANIFEST = {"kind": "manifest"}
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """What the registry does to the requests that match, and how many runs of the job ended so before, the first of
    them long ago."""

    effects: dict[str, Any]
    match: dict[str, Any] = field(default_factory=lambda: MANIFEST)
    before: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What a case stands on."""

    mirror: Mirroring
    foundation: Foundation
    monkeypatch: pytest.MonkeyPatch
    repository: str

    def push(self, *layers: int) -> tuple[Image, Copy]:
        image = self.mirror.push(self.repository, oci_image(self.repository, layers=layers or SMALL))
        return image, job_for(self.repository, image)

    def run(self, job: Copy, **settings: str) -> Record:
        with app_of(self.mirror, **settings) as app:
            app.dispatch.run(job.to_json(), 1)
        return self.record(job)

    def record(self, job: Copy) -> Record:
        record = self.mirror.records.get(job.id)
        assert record is not None
        return record


REFUSES, BUSY, BROKEN, MISSING = ({"status": status} for status in (403, 429, 500, 404))
FAULTS: dict[tuple[str, str], Fault] = {
    ("refused", "failed"): Fault({"redirect_to": "http://localhost:1/x"}, {"kind": "blob", "method": "GET"}),
    ("malformed", "failed"): Fault({"headers": {"Content-Type": OCI_INDEX}}),
    ("unsupported", "failed"): Fault({"headers": {"Content-Type": DOCKER_SCHEMA1_SIGNED}}),
    ("permanent", "failed"): Fault({"status": 405}),
    ("denied", "waiting"): Fault(REFUSES),
    ("denied", "failed"): Fault(REFUSES, before=9),
    ("not-found", "waiting"): Fault(MISSING),
    ("not-found", "gone"): Fault(MISSING, before=9),
    ("throttled", "waiting"): Fault({"status": 429, "retry_after": 900}),
    ("throttled", "failed"): Fault(BUSY, before=9),
    ("unavailable", "waiting"): Fault(BROKEN),
    ("unavailable", "failed"): Fault(BROKEN, before=9),
    ("digest-mismatch", "waiting"): Fault({"corrupt": True}, {"kind": "manifest", "method": "GET"}),
    ("digest-mismatch", "failed"): Fault({"corrupt": True}, {"kind": "manifest", "method": "GET"}, before=2),
}
Case = Callable[[Work], Record]
CASES: dict[tuple[str, str], Case] = {}


def ends(code: str, state: str) -> Callable[[Case], Case]:
    def put(case: Case) -> Case:
        assert (code, state) not in {*CASES, *FAULTS}
        CASES[code, state] = case
        return case

    return put


def at_the_registry(work: Work, code: str, fault: Fault) -> Record:
    _, job = work.push()
    match = {**fault.match, "path": f".*{work.repository}.*"}
    work.mirror.stack.registry.set_faults([{"match": match, "do": fault.effects}])
    if fault.before:
        job = job.later(failing_since(code, LONG_AGO, fault.before), fresh=False)
    return work.run(job)


@ends("no-such-platform", "failed")
def _(work: Work) -> Record:
    work.mirror.push(work.repository, multi_arch(work.repository, 2))
    return work.run(Copy.of_pull(Reference(work.repository, "latest"), "platform", platforms=("linux/s390x",)))


@ends("too-large", "failed")
def _(work: Work) -> Record:
    """An index of an index of an index, and so on."""
    draft = Draft()
    inner = add_image(draft, work.repository, [])
    for _ in range(MAX_DEPTH + 1):
        inner = add_index(draft, [inner])
    image = draft.image(add_index(draft, [inner], tag="latest"))
    return work.run(job_for(work.repository, work.mirror.push(work.repository, image)))


@ends("conflict", "waiting")
def _(work: Work) -> Record:
    """A tag that somebody moves whenever it is about to be set."""
    work.monkeypatch.setattr("acrmirror.copying.tagging.TAG_ROUNDS", 4)
    _, job = work.push()
    stack, container = work.mirror.stack, work.mirror.container
    link = f"/repositories/{work.repository}/_manifests/tags/latest/current/link"

    def first(method: str, path: str, body: bytes) -> tuple[str, bytes]:
        if method == "PUT" and link in path:
            container.upload_blob(path.partition("/mirror/")[2].partition("?")[0], body, overwrite=True)
        return path, body

    with StorageProxy(stack.ca, work.foundation.certificates.server) as proxy:
        proxy.upstream, proxy.alter = stack.account.blob_endpoint, first
        return work.run(job, MIRROR_BLOB_ENDPOINT=proxy.endpoint)


@ends("claimed-elsewhere", "waiting")
def _(work: Work) -> Record:
    image, job = work.push(9 * 2**20)
    with at_work_elsewhere(work.mirror, image):
        return work.run(job, MIRROR_CLAIM_STALE_SECONDS="1")


@ends("incomplete", "incomplete")
def _(work: Work) -> Record:
    """A pull of many of a repository that refuses to be listed."""
    work.push()
    listing = {"path": f"/acr/v1/{work.repository}"}
    work.mirror.stack.registry.set_faults([{"match": listing, "do": {"status": 403}}])
    with app_of(work.mirror) as app:
        asked = app.sweeps.ask([work.repository], dry_run=False)
        sweep = Sweep(asked.id, nine_digits(asked.fields["at"]), (work.repository,))
        app.dispatch.run(sweep.to_json(), 1)
    found = work.mirror.records.get(asked.id)
    assert found is not None
    return found


@ends("crashed", "failed")
def _(work: Work) -> Record:
    _, job = work.push()
    with app_of(work.mirror) as app:
        app.dispatch.bury(job.to_json())
    return work.record(job)


@ends("cancelled", "cancelled")
def _(work: Work) -> Record:
    _, job = work.push()
    work.mirror.records.add(job)
    with app_of(work.mirror) as app:
        app.pulls.cancel(job.id)
        app.dispatch.run(job.to_json(), 1)
    return work.record(job)


@ends("unexpected", "running")
def _(work: Work) -> Record:
    """A defect, planted."""

    def defect(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    _, job = work.push()
    work.monkeypatch.setattr("acrmirror.jobs.runner.copy_image", defect)
    with pytest.raises(ZeroDivisionError):
        work.run(job)
    return work.record(job)


EXPECTED = {(row.code, state) for row in rows().values() for state in row.states}


@pytest.fixture
def work(bare_mirror: Mirroring, foundation: Foundation, monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(bare_mirror, foundation, monkeypatch, f"errors/{uuid.uuid4().hex[:12]}")


def test_a_job_waits_for_a_container_that_is_missing(work: Work) -> None:
    """A deployment makes it, perhaps later than the app."""
    _, job = work.push()
    record = work.run(job, MIRROR_CONTAINER="nowhere")
    assert (record.state, record.fields["error_code"]) == ("waiting", "unavailable")
    assert "storage has no container nowhere" in record.fields["error_answered"]


def test_every_state_has_its_case() -> None:
    assert {*FAULTS, *CASES} == EXPECTED


@pytest.mark.parametrize(("code", "state"), sorted(EXPECTED))
def test_what_the_row_says_is_in_the_record(work: Work, code: str, state: str) -> None:
    case = CASES.get((code, state))
    record = case(work) if case is not None else at_the_registry(work, code, FAULTS[code, state])
    assert (record.fields["error_code"], record.state) == (code, state), record.fields
    told = record.fields["error_answered"]
    assert rows()[code].fits(told), told
    if code != "unexpected":
        assert record.fields["error_asked"]
        assert record.fields["error_remedy"]


def test_dead_jobs_that_nobody_takes_are_told_by_health(work: Work) -> None:
    """A message in the poison queue of a stack without functions, which would empty it; that it is old is made up."""
    (dead,) = (queue for queue in work.mirror.queues if queue.queue_name == DEAD_QUEUE)
    dead.send_message("not even base64")

    def health() -> tuple[int, dict[str, Any]]:
        with app_of(work.mirror) as app:
            answer = Api(lambda: app).health(Request("GET"))
        return answer.status, json.loads(answer.body)

    status, young = health()
    assert (status, young["ok"], young["dead_messages"]) == (200, True, 1)
    work.monkeypatch.setattr("acrmirror.health.BURIED_WITHIN", timedelta(seconds=-1))
    status, old = health()
    (wrong,) = (it for it in old["checks"] if not it["ok"])
    assert (status, wrong["name"], wrong["error"]["code"]) == (503, "dead-jobs", "dead-jobs")
    assert rows()["dead-jobs"].fits(wrong["error"]["answered"]), wrong
