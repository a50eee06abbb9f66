"""How the record of a job follows its run: figures, signs of life, and what it tells the run."""

import threading
import time
from datetime import UTC, datetime

import pytest

from acrmirror.jobs import JobRecords, Recorder
from acrmirror.jobs.reporting import Reporting
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.work import Copy, RecordFields

JOB = Copy.of_event(
    Reference("team/app", "v1", Digest.of(b"x")), "event", from_datetime(datetime(2026, 4, 25, tzinfo=UTC))
)


def test_reporting_writes_at_most_once_a_second_and_passes_on_a_request_to_cancel(records: JobRecords) -> None:
    recorder = Recorder(records, JOB, "first", 1)
    recorder.begin()
    done = 0
    stopped = threading.Event()
    etags = set()

    def figures() -> RecordFields:
        nonlocal done
        done += 1
        return {"bytes_done": done}

    with Reporting(recorder, figures, lambda reason: stopped.set()):
        for _ in range(25):
            time.sleep(0.1)
            record = records.get(JOB.id)
            assert record is not None
            etags.add(record.etag)
        assert len(etags) <= 4
        records.change(JOB.id, {"cancel_requested": True})
        assert stopped.wait(5)
    assert recorder.cancel_requested


def test_a_run_without_news_is_heard_of_all_the_same(records: JobRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its record would read as one whose worker was lost."""
    monkeypatch.setattr("acrmirror.jobs.reporting.TICK_SECONDS", 0.05)
    monkeypatch.setattr("acrmirror.jobs.reporting.HEARTBEAT_TICKS", 4)
    recorder = Recorder(records, JOB, "first", 1)
    recorder.begin()
    beats: set[str] = set()
    with Reporting(recorder, lambda: {"bytes_done": 1}, lambda reason: None):
        end = time.monotonic() + 60
        while len(beats) < 4:
            assert time.monotonic() < end
            record = records.get(JOB.id)
            assert record is not None
            beats.add(record.last_sign)
            time.sleep(0.05)


def test_what_nobody_expected_ends_neither_the_reporting_nor_the_run(
    records: JobRecords, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(records, JOB, "first", 1)
    recorder.begin()
    failing = iter([ZeroDivisionError("no figures"), KeyError("nor now")])

    def figures() -> RecordFields:
        for error in failing:
            raise error
        return {"bytes_done": 7}

    def bytes_done() -> object:
        record = records.get(JOB.id)
        return record and record.fields.get("bytes_done")

    stopped = threading.Event()

    def stop(reason: str) -> None:
        stopped.set()
        raise RuntimeError("can't be stopped")

    with Reporting(recorder, figures, stop):
        end = time.monotonic() + 10
        while bytes_done() != 7:
            assert time.monotonic() < end, caplog.messages
            time.sleep(0.1)
        records.change(JOB.id, {"cancel_requested": True})
        assert stopped.wait(5)
    told = [str(line.exc_info[1]) for line in caplog.records if line.exc_info]
    assert told == ["no figures", "'nor now'", "can't be stopped"]
