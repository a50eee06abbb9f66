"""Claims on layers that a run could not release, or does not know of: none of them lives for ever (rule W2)."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import Unavailable
from acrmirror.jobs import Holder, JobRecords, Recorder, TableClaims
from acrmirror.reference import Digest, Reference
from acrmirror.work import Copy, RecordFields
from standins.foundation import Foundation
from standins.relay import Answer
from testkit.images import oci_image
from tests.integration.entities import claims_in
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, job_for, table_answering

LAYER = Digest.of(b"a layer that stays claimed")
JOB = Copy.of_pull(Reference("left/app", "v1"), "left")
MIB = 2**20
SOON, LATER = timedelta(minutes=2), timedelta(hours=2)


class Once:
    """True of the first request that `matches`."""

    def __init__(self, matches: Callable[[str, str], bool]) -> None:
        self._matches = matches
        self._lock = threading.Lock()
        self.met = False

    def __call__(self, method: str, path: str) -> bool:
        with self._lock:
            first = not self.met and self._matches(method, path)
            self.met |= first
        return first


def releases(method: str, path: str) -> bool:
    return method == "DELETE" and "claim" in path


@pytest.mark.parametrize("seconds", [0.0, 3.0], ids=["refused", "late"])
def test_a_claim_whose_release_failed_is_gone_with_its_run(
    bare_mirror: Mirroring, foundation: Foundation, seconds: float
) -> None:
    repository = f"left/release/{seconds:.0f}"
    image = bare_mirror.push(repository, oci_image(repository, layers=[9 * MIB]))
    job = job_for(repository, image)
    failing = Once(releases)

    def refuses(method: str, path: str) -> Answer | None:
        if not failing(method, path):
            return None
        time.sleep(seconds)
        return Answer(503, [("x-ms-error-code", "ServerBusy")])

    with table_answering(bare_mirror, foundation, refuses) as (app, _):
        app.dispatch.run(job.to_json(), 1)
    record = bare_mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"
    assert failing.met
    assert bare_mirror.claims(job.id) == []


def test_a_claim_whose_answer_a_cancelled_run_did_not_wait_for_is_gone_with_its_run(
    bare_mirror: Mirroring, foundation: Foundation
) -> None:
    image = bare_mirror.push("left/acquire", oci_image("left acquire", layers=[9 * MIB]))
    job = Copy.of_pull(Reference("left/acquire", image.tag, image.root.digest), "cancelled")
    waits, answers = threading.Event(), threading.Event()
    layer = next(it.descriptor.digest for it in image.blobs if it.descriptor.size > MIB)

    with table_answering(bare_mirror, foundation) as (app, proxy):
        count = proxy._relay.heard

        def slowly(request: object, status: int) -> None:
            """Storage has the claim, and its answer is under way."""
            count(request, status)  # type: ignore[arg-type]
            body = request.body  # type: ignore[attr-defined]
            if status == 201 and b'"claim"' in body and layer.encoded.encode() in body:
                waits.set()
                answers.wait(60)

        proxy._relay.heard = slowly
        run = threading.Thread(target=app.dispatch.run, args=(job.to_json(), 1))
        run.start()
        assert waits.wait(60)
        assert bare_mirror.claims(job.id) != []
        app.pulls.cancel(job.id)
        begun = time.monotonic()
        run.join(60)
        assert time.monotonic() - begun < 30
        answers.set()
    record = bare_mirror.records.get(job.id)
    assert record is not None
    assert record.state == "cancelled"
    assert bare_mirror.claims(job.id) == []


def test_a_run_that_released_all_asks_no_more_at_its_end(bare_mirror: Mirroring, foundation: Foundation) -> None:
    image = bare_mirror.push("left/none", oci_image("left none", layers=[9 * MIB]))
    job = job_for("left/none", image)
    with table_answering(bare_mirror, foundation) as (app, proxy):
        app.dispatch.run(job.to_json(), 1)
        about = [it.method for it in proxy.asked if "claim" in it.target]
    assert about
    assert set(about) == {"DELETE"}
    assert bare_mirror.claims(job.id) == []


def left(records: JobRecords) -> list[str]:
    return [it.row for it in claims_in(records.table)]


def test_a_run_takes_what_it_holds_already_though_it_does_not_know(records: JobRecords) -> None:
    """Storage took the claim over for it, and the answer was lost: the client's next attempt met the change."""
    Recorder(records, JOB, "first", 1).begin()
    claims = TableClaims(records.table, records=records).of(Holder.of(JOB, "first", 1))
    assert claims.acquire(LAYER)
    claim = claims.acquire(LAYER)
    assert claim is not None
    claim.release()
    assert left(records) == []


def test_a_claim_whose_renewal_was_answered_to_nobody_is_gone_with_its_run(records: JobRecords) -> None:
    claims = TableClaims(records.table, 0.4).of(Holder.of(JOB, "first", 1))
    claim = claims.acquire(LAYER)
    assert claim is not None
    claim._etag = 'W/"of before"'
    claim.release()
    assert left(records) != []
    claims.close()
    assert left(records) == []


def test_a_claim_whose_answer_was_lost_is_gone_with_its_run(
    records: JobRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layer is copied unclaimed, as far as the run knows."""
    claims, swap = TableClaims(records.table).of(Holder.of(JOB, "first", 1)), records.table.swap

    def swap_and_lose(*given: object) -> object:
        swap(*given)  # type: ignore[arg-type]
        raise Unavailable("claim", "the answer was lost", "Later.")

    with monkeypatch.context() as patch:
        patch.setattr(records.table, "swap", swap_and_lose)
        claim = claims.acquire(LAYER)
    assert claim is not None
    claim.release()
    assert left(records) != []
    claims.close()
    assert left(records) == []


def test_a_run_does_not_delete_what_another_took_over(records: JobRecords) -> None:
    claims = TableClaims(records.table).of(Holder.of(JOB, "first", 1))
    dead = claims.acquire(LAYER)
    assert dead is not None
    assert TableClaims(records.table).of(Holder.of(JOB, "next", 2)).acquire(LAYER)
    dead.release()
    claims.close()
    assert len(left(records)) == 1


@pytest.mark.parametrize(
    ("fields", "later", "stays"),
    [
        ({}, SOON, True),
        ({}, LATER, True),
        ({"state": "done"}, timedelta(0), True),
        ({"state": "done"}, SOON, False),
        ({"state": "waiting"}, SOON, False),
        ({"run": "another"}, SOON, False),
        (None, SOON, True),
        (None, LATER, False),
    ],
    ids=["at work", "at work for long", "done just now", "done", "waiting", "another run", "no record", "long ago"],
)
def test_the_timer_deletes_claims_whose_runs_are_over(
    records: JobRecords, fields: RecordFields | None, later: timedelta, stays: bool
) -> None:
    if fields is not None:
        Recorder(records, JOB, "first", 1).begin()
        records.change(JOB.id, fields)
    claims = TableClaims(records.table, records=records)
    assert claims.of(Holder.of(JOB, "first", 1)).acquire(LAYER)
    assert claims.sweep(datetime.now(UTC) + later) == (not stays)
    assert (left(records) != []) == stays


def test_a_claim_that_names_no_job_is_deleted_when_it_is_old(records: JobRecords) -> None:
    claims = TableClaims(records.table, records=records)
    assert claims.acquire(LAYER)
    assert claims.sweep(datetime.now(UTC) + SOON) == 0
    assert claims.sweep(datetime.now(UTC) + LATER) == 1


def test_the_timer_sweeps_claims_though_it_compares_nothing(bare_mirror: Mirroring) -> None:
    job = Copy.of_pull(Reference("left/timer", "v1"), "timer")
    bare_mirror.records.change(job.id, job.asked | {"state": "done"})
    assert TableClaims(bare_mirror.records.table).of(Holder.of(job, "dead", 1)).acquire(LAYER)
    with app_of(bare_mirror, MIRROR_COMPARE_HOURS="0") as app:
        app.timer.tick(datetime.now(UTC) + SOON)
    assert bare_mirror.claims(job.id) == []
