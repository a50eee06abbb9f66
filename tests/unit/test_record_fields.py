"""How the fields of a record lie in its entity, and come back out of whatever somebody wrote there."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from acrmirror.jobs.properties import fields_of, fitting
from acrmirror.work import JobId, LayerFigures, Record, RecordFields
from acrmirror.work.record import FIELD_TYPES, complete

PAGE = Path(__file__).parents[2] / "docs" / "records.md"
WRITTEN: RecordFields = {
    "state": "waiting",
    "platforms": ["linux/arm64"],
    "force": True,
    "attempt": 3,
    "layers": {"sha256:1": LayerFigures(10, 4, "copying"), "sha256:2": LayerFigures(7, 7, "left out")},
    "requests_by_status": {"blob": {"307": 3}},
    "left_out": {"sha256:2": "a 404"},
    "notes": ["one", "\U0001f600"],
    "check_state": "gone",
}


def test_what_is_written_is_read_the_same() -> None:
    assert fields_of(fitting(WRITTEN)) == complete(WRITTEN)


def test_an_entity_that_says_nothing_is_queued_and_empty() -> None:
    fields = fields_of({"PartitionKey": "job-1", "unheard of": 7})
    assert fields == complete({})
    assert fields["state"] == "queued"
    assert {name: fields[name] for name in ("kind", "attempt", "missing", "notes", "layers", "check_state")} == {
        "kind": "",
        "attempt": 0,
        "missing": False,
        "notes": [],
        "layers": {},
        "check_state": "",
    }
    assert fields["notes"] is not fields_of({})["notes"]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("notes", "[", []),
        ("notes", '{"a": 1}', []),
        ("layers", '{"a": [1]}', {}),
        ("layers", '["a"]', {}),
        ("left_out", "", {}),
        ("attempt", "many", 0),
        ("attempt", float("inf"), 0),
        ("notes", "[" * 30_000, []),
        ("platforms", "[", ["["]),
        ("platforms", "", []),
        ("attempt", "3", 3),
        ("state", "on fire", "interrupted"),
        ("check_state", "on fire", "interrupted"),
        ("check_state", "", ""),
        ("finished", datetime(2026, 4, 25, tzinfo=UTC), "2026-04-25T00:00:00+00:00"),
        ("repository", 7, "7"),
    ],
)
def test_what_somebody_else_wrote_is_no_reason_to_fail(name: str, value: object, read: object) -> None:
    fields: dict[str, Any] = {**fields_of({name: value})}
    assert fields[name] == read


@pytest.mark.parametrize("heartbeat", ["", "soon"])
@pytest.mark.parametrize("state", ["running", "queued", "waiting", "of a newer version"])
def test_a_record_with_odd_times_can_be_asked_about_all_the_same(state: str, heartbeat: str) -> None:
    fields = fields_of({"state": state, "heartbeat": heartbeat, "next_attempt": "later", "received": heartbeat})
    record = Record(JobId("1"), fields)
    assert (record.silent, record.overdue, record.next_attempt, record.last_sign_at) == (False, False, None, None)
    assert record.state == ("interrupted" if "newer" in state else state)


def test_the_docs_have_every_field() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = [it for it in FIELD_TYPES if not it.startswith(("match_", "check_"))]
    assert [it for it in named if f"`{it}`" not in text] == []
