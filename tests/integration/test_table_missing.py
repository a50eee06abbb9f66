"""A table that is not there is told as that, and tried again; it is no race that others won."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from acrmirror.errors import MirrorError, Misconfigured, Transient, Unavailable
from acrmirror.jobs import JobRecords, Recorder, Refusals, SharedPulls, TableClaims
from acrmirror.reference import Reference
from acrmirror.sync.comparisons import Compared, Comparisons
from acrmirror.work import Copy, JobId, Record, RecordFields
from standins.foundation import Account
from testkit.stack import TABLE

NOW = datetime.now(UTC)
JOB = Copy.of_pull(Reference("missing/table", "v1"), "missing")
KNOWN = Compared(NOW, etag='W/"one"')
RECORD = Record(JOB.id, {}, 'W/"one"')


def opened(account: Account, table: str) -> Iterator[JobRecords]:
    records = JobRecords.open(account.table_endpoint, table, account.identity.credential(), account.ca)
    yield records
    records.close()


@pytest.fixture
def missing(account: Account) -> Iterator[JobRecords]:
    yield from opened(account, "nosuchtable")


@pytest.fixture
def records(account: Account) -> Iterator[JobRecords]:
    yield from opened(account, TABLE)


ASKS: dict[str, Callable[[JobRecords], Any]] = {
    "add": lambda it: it.add(JOB),
    "get": lambda it: it.get(JOB.id),
    "newest": lambda it: list(it.newest()),
    "children": lambda it: it.states_of_children(JOB.id),
    "unfinished": lambda it: list(it.unfinished(NOW)),
    "change": lambda it: it.change(JOB.id, {"state": "done"}),
    "write first": lambda it: it.write(JOB.id, {"state": "done"}, None),
    "write": lambda it: it.write(JOB.id, {"state": "done"}, RECORD),
    "run": lambda it: Recorder(it, JOB, "run", 1).begin(),
    "shared": lambda it: SharedPulls(it.table, it).join(JOB),
    "compared": lambda it: Comparisons(it.table).read(),
    "compare": lambda it: Comparisons(it.table).begin(NOW),
    "ask": lambda it: Comparisons(it.table).ask(KNOWN, "sweep", NOW),
    "completed": lambda it: Comparisons(it.table).completed(NOW),
    "refuse": lambda it: Refusals(it.table).add("event", MirrorError("take", "no", "Look.")),
    "refused": lambda it: Refusals(it.table).recent(),
    "claims": lambda it: TableClaims(it.table, records=it).sweep(),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_a_missing_table_is_named_and_waited_for(missing: JobRecords, ask: Callable[[JobRecords], Any]) -> None:
    with pytest.raises(Unavailable, match="nosuchtable") as raised:
        ask(missing)
    assert isinstance(raised.value, Transient)
    assert not isinstance(raised.value, Misconfigured)
    assert "Create the table nosuchtable" in raised.value.remedy


def test_a_race_that_is_lost_is_that_and_no_more(records: JobRecords) -> None:
    assert records.add(JOB)
    assert not records.add(JOB)
    assert records.write(JOB.id, {"state": "done"}, None) is None
    assert records.write(JOB.id, {"state": "done"}, RECORD) is None
    other = Record(JobId("8203958736064-0123456789ab"), {}, 'W/"one"')
    assert records.write(other.id, {"state": "done"}, other) is None
    assert not Comparisons(records.table).ask(KNOWN, "sweep", NOW)


def test_text_of_any_weight_ends_up_in_a_record(records: JobRecords) -> None:
    heavy = "\U0001f600" * 40_000
    fields: RecordFields = {
        "error_answered": heavy,
        "notes": [heavy, "a"],
        "left_out": {"a": "b", "c": heavy},
        "state": "failed",
    }
    records.change(JOB.id, fields)
    found = records.get(JOB.id)
    assert found is not None
    assert found.fields["error_answered"][:-1] == heavy[: 16 * 1024 - 1]
    assert (found.fields["notes"], found.fields["left_out"]) == ([], {"a": "b"})
