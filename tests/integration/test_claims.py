"""Claims on layers: whose they are, and how soon a dead worker's are free again (rule W2)."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import Unavailable
from acrmirror.jobs import Holder, JobRecords, Recorder, TableClaims
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.storage import Entity
from acrmirror.work import Copy, RecordFields
from standins.foundation import Account, Foundation
from standins.relay import Answer
from testkit.images import oci_image
from testkit.stack import TABLE
from tests.integration.entities import claims_in, table_client
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, job_for, table_answering

LAYER = Digest.of(b"a layer")
JOB = Copy.of_pull(Reference("team/app", "v1"), "first")
OTHER = Copy.of_pull(Reference("team/other", "v1"), "other")


def rows(records: JobRecords) -> list[Entity]:
    return claims_in(records.table)


@pytest.mark.parametrize(
    "later",
    [
        Holder.of(JOB, "next", 2),
        Holder.of(JOB.later((), fresh=False), "next", 1),
        Holder.of(replace(JOB, retries=1), "next", 1),
    ],
    ids=["delivery", "attempt", "retry"],
)
def test_a_later_run_of_the_same_job_takes_its_claim_at_once(records: JobRecords, later: Holder) -> None:
    dead = TableClaims(records.table).of(Holder.of(JOB, "first", 1)).acquire(LAYER)
    assert dead is not None
    claim = TableClaims(records.table).of(later).acquire(LAYER)
    assert claim is not None
    dead.release()
    assert [row.fields["run"] for row in rows(records)] == ["next"]
    claim.release()
    assert rows(records) == []


def test_the_record_says_that_a_run_is_at_it_before_its_first_claim(records: JobRecords) -> None:
    """Else any other would take the claim over, as that of a run that is over."""
    records.add(JOB)
    recorder = Recorder(records, JOB, "first", 1)
    recorder.open()
    claims = TableClaims(records.table, records=records)
    held = claims.of(Holder.of(JOB, "first", 1), recorder.begin)
    assert held.acquire(LAYER)
    record = records.get(JOB.id)
    assert record is not None
    assert (record.state, record.fields["run"]) == ("running", "first")
    assert claims.of(Holder.of(OTHER, "other", 1)).acquire(LAYER) is None
    held.close()
    assert rows(records) == []


def test_the_next_run_of_a_job_that_was_handed_back_takes_a_claim_that_was_not_released(records: JobRecords) -> None:
    """Its message has the same count of everything, and its record says that another run is at it."""
    Recorder(records, JOB, "first", 1).begin()
    claims = TableClaims(records.table, records=records)
    assert claims.of(Holder.of(JOB, "first", 1)).acquire(LAYER)
    assert claims.of(Holder.of(JOB, "next", 1)).acquire(LAYER) is None
    Recorder(records, JOB, "next", 2).begin()
    claim = claims.of(Holder.of(JOB, "next", 1)).acquire(LAYER)
    assert claim is not None
    claim.release()


def test_an_earlier_run_does_not_take_it_back(records: JobRecords) -> None:
    assert TableClaims(records.table).of(Holder.of(JOB, "later", 11)).acquire(LAYER)
    for deliveries in (1, 9, 11):
        assert TableClaims(records.table).of(Holder.of(JOB, "first", deliveries)).acquire(LAYER) is None


LONG_AGO = from_datetime(datetime.now(UTC) - timedelta(minutes=5))


@pytest.mark.parametrize(
    ("fields", "free"),
    [
        ({}, False),
        ({"heartbeat": LONG_AGO}, True),
        ({"state": "waiting"}, True),
        ({"state": "cancelled"}, True),
        ({"state": "done"}, True),
        ({"run": "another"}, True),
    ],
    ids=["at work", "silent", "waiting", "cancelled", "done", "another run"],
)
def test_others_take_a_claim_as_soon_as_its_run_is_known_to_be_over(
    records: JobRecords, fields: RecordFields, free: bool
) -> None:
    Recorder(records, JOB, "first", 1).begin()
    assert TableClaims(records.table).of(Holder.of(JOB, "first", 1)).acquire(LAYER)
    records.change(JOB.id, fields)
    other = TableClaims(records.table, records=records).of(Holder.of(OTHER, "other", 1))
    assert (other.acquire(LAYER) is not None) == free


def test_a_claim_of_a_job_without_a_record_is_left_to_go_stale(records: JobRecords) -> None:
    assert TableClaims(records.table).of(Holder.of(JOB, "first", 1)).acquire(LAYER)
    other = TableClaims(records.table, 0.5, records).of(Holder.of(OTHER, "other", 1))
    assert other.acquire(LAYER) is None
    time.sleep(0.7)
    assert other.acquire(LAYER) is not None


def test_a_claim_of_a_job_whose_record_can_not_be_read_is_left_to_go_stale(
    records: JobRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    Recorder(records, JOB, "first", 1).begin()
    assert TableClaims(records.table).of(Holder.of(JOB, "first", 1)).acquire(LAYER)
    records.change(JOB.id, {"state": "done"})
    other = TableClaims(records.table, records=records).of(Holder.of(OTHER, "other", 1))

    def fail(identity: str) -> None:
        raise Unavailable(f"read the record {identity}", "the table is away", "Later.")

    with monkeypatch.context() as patch:
        patch.setattr(records, "get", fail)
        assert other.acquire(LAYER) is None
    assert other.acquire(LAYER) is not None


def test_a_claim_whose_table_goes_away_is_renewed_and_released_without_an_error(
    records: JobRecords, account: Account
) -> None:
    claim = TableClaims(records.table, 0.4).acquire(LAYER)
    assert claim is not None
    with table_client(account, TABLE) as client:
        client.delete_table()
    time.sleep(0.2)
    claim.renew(1)
    claim.release()


def test_a_claim_that_cannot_be_renewed_for_now_ends_no_copy(
    records: JobRecords, monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    unreachable = JobRecords.open("https://127.0.0.1:9/none", TABLE, account.identity.credential(), account.ca)
    claim = TableClaims(records.table, 0.4).acquire(LAYER)
    assert claim is not None
    claim._table = unreachable.table
    time.sleep(0.2)
    claim.renew(1)
    unreachable.close()


def test_a_claim_whose_renewal_is_answered_with_something_odd_ends_no_copy(
    bare_mirror: Mirroring, foundation: Foundation
) -> None:
    compressed = Answer(200, [("Content-Encoding", "gzip")], b"nobody requested it")

    def refuses(method: str, path: str) -> Answer | None:
        return compressed if method in ("PUT", "PATCH") else None

    with table_answering(bare_mirror, foundation, refuses) as (_, proxy):
        odd = JobRecords.open(proxy.endpoint, TABLE, bare_mirror.stack.identity.credential(), bare_mirror.stack.ca)
        claim = TableClaims(odd.table, 0.4).acquire(LAYER)
        assert claim is not None
        time.sleep(0.2)
        claim.renew(1)
        claim.release()
        odd.close()
    assert proxy.asked
    assert bare_mirror.claims() == []


def test_a_claim_that_is_released_while_another_looks_at_it_is_taken(records: JobRecords) -> None:
    claim = TableClaims(records.table).acquire(LAYER)
    assert claim is not None
    read = records.table.get

    def meanwhile(*key: str) -> Entity | None:
        records.table.get = read  # type: ignore[method-assign]
        claim.release()
        return read(*key)

    records.table.get = meanwhile  # type: ignore[method-assign,assignment]
    taken = TableClaims(records.table).acquire(LAYER)
    assert taken is not None
    taken.release()
    assert rows(records) == []


def dead_claims(mirror: Mirroring, job: Copy, digests: list[Digest]) -> None:
    """As a worker leaves them that was killed in its first delivery."""
    Recorder(mirror.records, job, "dead", 1).begin()
    claims = TableClaims(mirror.records.table).of(Holder.of(job, "dead", 1))
    assert all(claims.acquire(digest) for digest in digests)


@pytest.fixture
def seconds_of() -> Callable[[Callable[[], None]], float]:
    def measure(work: Callable[[], None]) -> float:
        begun = time.monotonic()
        work()
        return time.monotonic() - begun

    return measure


def test_the_next_delivery_does_not_stand_still_before_its_own_dead_claims(
    bare_mirror: Mirroring, seconds_of: Callable[[Callable[[], None]], float]
) -> None:
    image = bare_mirror.push("claimed/own", oci_image("claimed own", layers=[9 * 2**20]))
    job = job_for("claimed/own", image)
    gone = Digest.of(b"of an image that is in the mirror")
    dead_claims(bare_mirror, job, [*(blob.descriptor.digest for blob in image.blobs), gone])
    with app_of(bare_mirror) as app:
        assert seconds_of(lambda: app.dispatch.run(job.to_json(), 2)) < 15
    record = bare_mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"
    assert bare_mirror.claims(job.id) == []


def test_a_job_that_was_cancelled_after_its_worker_died_leaves_no_claims(bare_mirror: Mirroring) -> None:
    job = Copy.of_pull(Reference("claimed/cancelled", "v1"), "cancelled")
    dead_claims(bare_mirror, job, [LAYER])
    bare_mirror.records.change(job.id, {"state": "cancelled", "cancel_requested": True})
    with app_of(bare_mirror) as app:
        app.dispatch.run(job.to_json(), 2)
    assert bare_mirror.claims(job.id) == []


def test_a_forced_pull_does_not_wait_for_a_dead_job(
    bare_mirror: Mirroring, seconds_of: Callable[[Callable[[], None]], float]
) -> None:
    image = bare_mirror.push("claimed/dead", oci_image("claimed dead", layers=[9 * 2**20]))
    job = job_for("claimed/dead", image)
    dead_claims(bare_mirror, job, [it.descriptor.digest for it in image.blobs if it.descriptor.size > 8 * 2**20])
    bare_mirror.records.change(job.id, {"state": "failed"})
    forced = Copy.of_pull(Reference("claimed/dead", image.tag, image.root.digest), "forced", force=True)
    with app_of(bare_mirror) as app:
        assert seconds_of(lambda: app.dispatch.run(forced.to_json(), 1)) < 15
    record = bare_mirror.records.get(forced.id)
    assert record is not None
    assert record.state == "done"
    assert bare_mirror.claims(job.id, forced.id) == []


def test_a_job_that_is_buried_leaves_no_claims(bare_mirror: Mirroring) -> None:
    image = bare_mirror.push("claimed/buried", oci_image("claimed buried"))
    job = job_for("claimed/buried", image)
    dead_claims(bare_mirror, job, [blob.descriptor.digest for blob in image.blobs])
    with app_of(bare_mirror) as app:
        app.dispatch.bury(job.to_json())
    assert bare_mirror.claims(job.id) == []
