"""Records and claims in real Table Storage."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from acrmirror.errors import Denied, MirrorError, NotFound, Unavailable
from acrmirror.jobs import JobRecords, Recorder, TableClaims
from acrmirror.jobs.records import error_fields
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.storage import Entity, Outcome
from acrmirror.work import Copy
from standins.foundation import Account, Foundation
from testkit.stack import TABLE
from tests.integration.entities import entity_of, put_entity, table_client

START = datetime(2026, 4, 25, 21, 39, 47, tzinfo=UTC)
LAYER = Digest.of(b"a layer")


def job(number: int, repository: str = "team/app") -> Copy:
    at = from_datetime(START + timedelta(seconds=number))
    return Copy.of_event(Reference(repository, "v1", Digest.of(b"x")), f"event-{number}", at)


@pytest.fixture
def answering(foundation: Foundation) -> Iterator[Callable[..., str]]:
    """`answering(503, {…})` is the address of a service that answers nothing else."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, headers: dict[str, str]) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response_only(status)
                for name, value in {**headers, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST = do_PATCH = do_PUT = answer

            def log_message(self, *_: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(foundation.certificates.server)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_address[1]}/account"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def records_of(account: Account, table: str) -> Iterator[JobRecords]:
    opened = JobRecords.open(account.table_endpoint, table, account.identity.credential(), account.ca)
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


def test_a_run_that_could_not_take_its_record_at_first_takes_it_later(account: Account, records: JobRecords) -> None:
    """It must not believe that another worker has the job because the record is not its own: the job would be lost."""
    before = Recorder(records, job(1), "an earlier run", 1)
    before.begin()
    before.write({"state": "waiting"})
    entity = entity_of(records.table, f"job-{job(1).id[:5]}", job(1).id)
    with records_of(account, "later") as later:
        recorder = Recorder(later, job(1), "this run", 1)
        with pytest.raises(MirrorError):
            recorder.begin()
        with table_client(account, "later") as client:
            client.create_table()
        put_entity(later.table, entity.partition, entity.row, entity.fields)
        recorder.look()
        assert not recorder.superseded
        recorder.write({"state": "done"})
        record = later.get(job(1).id)
    assert record is not None
    assert (record.fields["run"], record.state) == ("this run", "done")


def test_a_run_whose_message_was_delivered_again_meanwhile_does_not_take_the_record(records: JobRecords) -> None:
    """A worker that was held up so long that its lease was lost, and only then begins."""
    second = Recorder(records, job(1), "second", 2)
    second.begin()
    first = Recorder(records, job(1), "first", 1)
    first.begin()
    assert first.superseded
    second.write({"bytes_done": 1})
    assert not second.superseded


def test_a_short_run_writes_its_record_once_with_all_that_a_run_has(records: JobRecords) -> None:
    records.add(job(1))
    recorder = Recorder(records, job(1), "first", 1)
    recorder.open()
    queued = records.get(job(1).id)
    assert queued is not None
    assert (queued.state, queued.fields["run"]) == ("queued", "")
    recorder.write({"state": "done"})
    record = records.get(job(1).id)
    assert record is not None
    fields = record.fields
    assert (record.state, fields["run"], fields["deliveries"]) == ("done", "first", 1)
    assert fields["first_started"] == fields["started"] <= fields["heartbeat"]


def test_what_others_wrote_since_a_run_read_its_record_counts_at_its_end(records: JobRecords) -> None:
    """Two messages of one job at the same moment, and a person who cancels: neither run has taken the record yet."""
    records.add(job(1))
    first, second = Recorder(records, job(1), "first", 1), Recorder(records, job(1), "second", 1)
    for recorder in (first, second):
        recorder.open()
    first.write({"state": "done"})
    second.write({"state": "failed"}, told=lambda fields: {"state": "done"} if second.was_done else fields)
    record = records.get(job(1).id)
    assert record is not None
    assert (record.state, second.was_done, first.was_done) == ("done", True, False)
    third = Recorder(records, job(2), "third", 1)
    third.open()
    records.add(job(2))
    records.change(job(2).id, {"cancel_requested": True})
    third.write({"state": "done"}, if_cancelled={"state": "cancelled"})
    record = records.get(job(2).id)
    assert record is not None
    assert record.state == "cancelled"


def test_a_run_that_is_taking_the_record_keeps_it_from_a_second_message(records: JobRecords) -> None:
    first, second = Recorder(records, job(1), "first", 1), Recorder(records, job(1), "second", 1)
    for recorder in (first, second):
        recorder.open()
    first.write({"bytes_done": 1})
    second.write({"state": "failed"})
    assert second.superseded
    record = records.get(job(1).id)
    assert record is not None
    assert (record.state, record.fields["run"]) == ("running", "first")


def test_a_run_that_went_silent_is_taken_over_whatever_its_delivery(records: JobRecords) -> None:
    Recorder(records, job(1), "second", 2).begin()
    long_ago = from_datetime(datetime.now(UTC) - timedelta(minutes=5))
    records.change(job(1).id, {"heartbeat": long_ago})
    first = Recorder(records, job(1), "first", 1)
    first.begin()
    assert not first.superseded


def test_a_later_attempt_takes_the_record_whatever_its_delivery(records: JobRecords) -> None:
    Recorder(records, job(1), "second", 2).begin()
    later = Recorder(records, job(1).later((), fresh=False), "later", 1)
    later.begin()
    assert not later.superseded


def test_a_table_that_asks_for_long_patience_is_not_slept_for(
    account: Account, foundation: Foundation, answering: Callable[..., str]
) -> None:
    endpoint = answering(503, {"Retry-After": "3600"})
    records = JobRecords.open(endpoint, TABLE, account.identity.credential(), account.ca)
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        records.get(job(1).id)
    assert time.monotonic() - begun < 15
    records.close()


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


def test_a_missing_table_says_what_to_do(account: Account) -> None:
    records = JobRecords.open(account.table_endpoint, "nosuch", account.identity.credential(), account.ca)
    with pytest.raises(Unavailable, match="Create the table nosuch"):
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
    dead, other = TableClaims(records.table, 3.0), TableClaims(records.table, 3.0)
    lost = dead.acquire(LAYER)
    assert lost is not None
    assert other.acquire(LAYER) is None
    time.sleep(0.5)
    assert other.acquire(LAYER) is None
    time.sleep(2.7)
    taken = other.acquire(LAYER)
    assert taken is not None
    lost.renew(10)
    lost.release()
    third = TableClaims(records.table, 3.0)
    assert third.acquire(LAYER) is None


def test_a_claim_that_is_renewed_is_not_stale(records: JobRecords) -> None:
    busy, other = TableClaims(records.table, 3.0), TableClaims(records.table, 3.0)
    claim = busy.acquire(LAYER)
    assert claim is not None
    for step in range(1, 9):
        claim.renew(step)
        assert other.acquire(LAYER) is None
        time.sleep(0.5)


def test_a_claim_without_progress_goes_stale_though_it_is_renewed(records: JobRecords) -> None:
    """A worker whose source gives nothing more is alive, and does not keep the layer from the others."""
    stuck, other = TableClaims(records.table, 1.0), TableClaims(records.table, 1.0)
    claim = stuck.acquire(LAYER)
    assert claim is not None
    begun = time.monotonic()
    while other.acquire(LAYER) is None:
        assert time.monotonic() - begun < 60
        claim.renew(0)
        time.sleep(0.2)


def test_of_two_that_find_a_claim_stale_one_takes_it_over(records: JobRecords) -> None:
    dead, one, two = (TableClaims(records.table, 0.5) for _ in range(3))
    assert dead.acquire(LAYER)
    assert one.acquire(LAYER) is two.acquire(LAYER) is None
    time.sleep(0.7)
    read = records.table.get
    taken: list[object] = []

    def meanwhile(*key: str) -> Entity | None:
        held = read(*key)
        records.table.get = read  # type: ignore[method-assign]
        taken.append(two.acquire(LAYER))
        return held

    records.table.get = meanwhile  # type: ignore[method-assign,assignment]
    assert one.acquire(LAYER) is None
    assert taken != [None]


def test_without_a_table_layers_are_copied_unclaimed(account: Account) -> None:
    records = JobRecords.open(account.table_endpoint, "nosuch", account.identity.credential(), account.ca)
    claim = TableClaims(records.table).acquire(LAYER)
    assert claim is not None
    claim.renew(1)
    claim.release()
    records.close()


def test_a_claim_whose_answer_was_lost_is_held_all_the_same(records: JobRecords) -> None:
    """The client asks again after a broken connection, and finds what it wrote itself."""
    claims = TableClaims(records.table)
    make = records.table.swap

    def twice(*given: Any) -> Outcome:
        make(*given)
        return make(*given)

    records.table.swap = twice  # type: ignore[method-assign,assignment]
    claim = claims.acquire(LAYER)
    assert claim is not None
    claim.release()
    records.table.swap = make  # type: ignore[method-assign]
    assert claims.acquire(LAYER) is not None


def test_a_table_that_fails_is_not_asked_for_every_layer(account: Account, answering: Callable[..., str]) -> None:
    endpoint = answering(500, {})
    records = JobRecords.open(endpoint, TABLE, account.identity.credential(), account.ca)
    claims = TableClaims(records.table)
    assert claims.acquire(LAYER) is not None
    begun = time.monotonic()
    for number in range(100):
        assert claims.acquire(Digest.of(bytes([number]))) is not None
    assert time.monotonic() - begun < 10
    records.close()


def test_a_refused_identity_is_told_which_role_it_lacks() -> None:
    error = Denied("write", "403", "Give it Storage Table Data Contributor.")
    assert error_fields(error)["error_code"] == "denied"
