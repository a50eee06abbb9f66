"""Records and claims in real Table Storage."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import Denied, NotFound
from acrmirror.jobs import Job, JobRecords, Recorder, TableClaims
from acrmirror.jobs.records import error_fields
from acrmirror.jobs.reporting import Reporting
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest, Reference
from local.foundation import TABLE, Account

START = datetime(2026, 4, 25, 21, 39, 47, tzinfo=UTC)
LAYER = Digest.of(b"a layer")


def job(number: int, repository: str = "team/app") -> Job:
    at = from_datetime(START + timedelta(seconds=number))
    return Job.of_event(Reference(repository, "v1", Digest.of(b"x")), f"event-{number}", at)


@pytest.fixture
def records(account: Account) -> Iterator[JobRecords]:
    opened = JobRecords.open(account.table_endpoint, TABLE, account.identity.credential(), account.ca)
    yield opened
    opened.close()


def test_a_record_is_made_once(records: JobRecords) -> None:
    assert records.add(job(1))
    assert not records.add(job(1))
    record = records.get(job(1).id)
    assert record is not None
    assert record.state == "queued"
    assert record.fields["repository"] == "team/app"
    assert records.get("9999999999999-000000000000") is None


def test_records_are_listed_newest_first_over_days(records: JobRecords) -> None:
    for number in (0, 5, 86_400 * 3, 10, 86_400 * 40):
        records.add(job(number))
    found = [record.fields["event_id"] for record in records.newest()]
    assert found == [f"event-{number}" for number in (86_400 * 40, 86_400 * 3, 10, 5, 0)]


def test_records_are_filtered_by_state_and_repository(records: JobRecords) -> None:
    records.add(job(1))
    records.add(job(2, "other"))
    records.change(job(1).id, {"state": "failed"} | error_fields(NotFound("copy", "404", "Push it.")))
    assert [it.id for it in records.newest(state="failed")] == [job(1).id]
    assert [it.id for it in records.newest(repository="other")] == [job(2, "other").id]
    (failed,) = records.newest(state="failed")
    assert failed.fields["error_code"] == "not-found"
    assert failed.fields["error_remedy"] == "Push it."


def test_claims_are_no_records(records: JobRecords) -> None:
    assert TableClaims(records.table).acquire(LAYER)
    assert list(records.newest()) == []


def test_a_run_that_lost_its_job_writes_no_more(records: JobRecords) -> None:
    first = Recorder(records, job(1), "first", 1)
    first.begin()
    second = Recorder(records, job(1), "second", 2)
    second.begin()
    first.write({"state": "failed", "bytes_done": 1})
    assert first.superseded
    record = records.get(job(1).id)
    assert record is not None
    assert record.state == "running"
    assert record.fields["deliveries"] == 2
    second.write({"state": "done"})
    assert not second.superseded


def test_a_run_that_has_gone_silent_does_not_read_as_running(records: JobRecords) -> None:
    recorder = Recorder(records, job(1), "first", 1)
    recorder.begin()
    record = records.get(job(1).id)
    assert record is not None
    assert record.state == "running"
    long_ago = from_datetime(datetime.now(UTC) - timedelta(minutes=5))
    records.change(job(1).id, {"heartbeat": long_ago})
    record = records.get(job(1).id)
    assert record is not None
    assert record.state == "interrupted"


def test_a_final_record_is_not_buried(records: JobRecords) -> None:
    records.add(job(1))
    records.change(job(1).id, {"state": "done"})
    records.change(job(1).id, {"state": "failed"}, unless_final=True)
    record = records.get(job(1).id)
    assert record is not None
    assert record.state == "done"


def test_reporting_writes_at_most_once_a_second_and_passes_on_a_request_to_cancel(records: JobRecords) -> None:
    recorder = Recorder(records, job(1), "first", 1)
    recorder.begin()
    done = 0
    stopped = threading.Event()
    etags = set()

    def figures() -> dict[str, int]:
        nonlocal done
        done += 1
        return {"bytes_done": done}

    with Reporting(recorder, figures, lambda reason: stopped.set()):
        for _ in range(25):
            time.sleep(0.1)
            record = records.get(job(1).id)
            assert record is not None
            etags.add(record.etag)
        assert len(etags) <= 4
        records.change(job(1).id, {"cancel_requested": True})
        assert stopped.wait(5)
    assert recorder.cancel_requested


def test_a_missing_table_says_what_to_do(account: Account) -> None:
    records = JobRecords.open(account.table_endpoint, "nosuch", account.identity.credential(), account.ca)
    with pytest.raises(Exception, match="Create the table"):
        records.add(job(1))
    records.close()


def test_one_worker_holds_a_claim(records: JobRecords) -> None:
    one, other = TableClaims(records.table), TableClaims(records.table)
    claim = one.acquire(LAYER)
    assert claim is not None
    assert other.acquire(LAYER) is None
    assert one.acquire(LAYER) is None
    claim.release()
    assert other.acquire(LAYER) is not None


def test_a_claim_whose_etag_does_not_move_is_taken_over(records: JobRecords) -> None:
    dead, other = TableClaims(records.table, 1.0), TableClaims(records.table, 1.0)
    lost = dead.acquire(LAYER)
    assert lost is not None
    assert other.acquire(LAYER) is None
    time.sleep(0.5)
    assert other.acquire(LAYER) is None
    time.sleep(0.7)
    taken = other.acquire(LAYER)
    assert taken is not None
    lost.renew(10)
    lost.release()
    third = TableClaims(records.table, 1.0)
    assert third.acquire(LAYER) is None


def test_a_claim_that_is_renewed_is_not_stale(records: JobRecords) -> None:
    busy, other = TableClaims(records.table, 1.0), TableClaims(records.table, 1.0)
    claim = busy.acquire(LAYER)
    assert claim is not None
    for step in range(1, 7):
        claim.renew(step)
        assert other.acquire(LAYER) is None
        time.sleep(0.3)


def test_without_a_table_layers_are_copied_unclaimed(account: Account) -> None:
    records = JobRecords.open(account.table_endpoint, "nosuch", account.identity.credential(), account.ca)
    claim = TableClaims(records.table).acquire(LAYER)
    assert claim is not None
    claim.renew(1)
    claim.release()
    records.close()


def test_a_refused_identity_is_told_which_role_it_lacks() -> None:
    error = Denied("write", "403", "Give it Storage Table Data Contributor.")
    assert error_fields(error)["error_code"] == "denied"
