"""Pulls that are under way: the same one asked again finds it, and one that died does not block."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.jobs import JobRecords, SharedPulls
from acrmirror.moments import from_datetime
from acrmirror.reference import Reference
from acrmirror.work import Copy, State

IMAGE = Reference("team/app", "1.2")


@pytest.fixture
def shared_pulls(records: JobRecords) -> SharedPulls:
    return SharedPulls(records.table, records)


def test_of_many_that_ask_at_once_one_gets_its_own_job(records: JobRecords, shared_pulls: SharedPulls) -> None:
    jobs = [Copy.of_pull(IMAGE, str(number)) for number in range(20)]

    def ask(job: Copy) -> tuple[bool, str]:
        shared = shared_pulls.join(job)
        if shared.mine:
            records.add(job)
        return shared.mine, shared.job.id

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, jobs))
    assert sum(mine for mine, _ in answers) == 1
    assert len({identity for _, identity in answers}) == 1


def test_another_manner_is_another_pull(records: JobRecords, shared_pulls: SharedPulls) -> None:
    manners = [
        Copy.of_pull(IMAGE, "1"),
        Copy.of_pull(IMAGE, "2", force=True),
        Copy.of_pull(IMAGE, "3", platforms=("linux/arm64",)),
        Copy.of_pull(Reference("team/app", "1.3"), "4"),
    ]
    assert all(shared_pulls.join(job).mine for job in manners)


@pytest.mark.parametrize("state", ["done", "failed", "gone", "cancelled"])
def test_what_is_over_does_not_hold_the_next(records: JobRecords, shared_pulls: SharedPulls, state: State) -> None:
    first = Copy.of_pull(IMAGE, "first")
    shared_pulls.join(first)
    records.add(first)
    assert not shared_pulls.join(Copy.of_pull(IMAGE, "again")).mine
    records.change(first.id, {"state": state})
    assert shared_pulls.join(Copy.of_pull(IMAGE, "next")).mine


def test_a_run_that_went_silent_does_not_hold_the_next(records: JobRecords, shared_pulls: SharedPulls) -> None:
    first = Copy.of_pull(IMAGE, "first")
    shared_pulls.join(first)
    records.add(first)
    beat = from_datetime(datetime.now(UTC) - timedelta(minutes=2))
    records.change(first.id, {"state": "running", "heartbeat": beat})
    assert shared_pulls.join(Copy.of_pull(IMAGE, "next")).mine


def test_records_go_on_behind_any_of_them(records: JobRecords) -> None:
    jobs = [Copy.of_pull(Reference("team/app", f"v{number}"), str(number)) for number in range(5)]
    for job in jobs:
        records.add(job)
    newest = [record.id for record in records.newest()]
    assert newest == sorted(job.id for job in jobs)
    assert [record.id for record in records.newest(after=newest[1])] == newest[2:]


def test_a_record_takes_the_bytes_of_any_image(records: JobRecords) -> None:
    job = Copy.of_pull(IMAGE, "large")
    records.add(job)
    records.change(job.id, {"bytes_total": 200 * 2**30, "bytes_done": 2**31 - 1, "cancel_requested": True})
    record = records.get(job.id)
    assert record is not None
    assert (record.fields["bytes_total"], record.fields["bytes_done"]) == (200 * 2**30, 2**31 - 1)
    assert record.fields["cancel_requested"] is True


def test_whoever_finds_an_old_entry_taken_meanwhile_joins_who_took_it(
    records: JobRecords, shared_pulls: SharedPulls, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, first, second = (Copy.of_pull(IMAGE, name) for name in ("old", "first", "second"))
    shared_pulls.join(old)
    records.add(old)
    records.change(old.id, {"state": "done"})
    write = records.table.swap

    def meanwhile(*given: object, **options: object) -> object:
        monkeypatch.undo()
        assert shared_pulls.join(first).mine
        return write(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(records.table, "swap", meanwhile)
    shared = shared_pulls.join(second)
    assert (shared.mine, shared.job.id) == (False, first.id)
