"""What fits into a property of a table's entity: 32 Ki UTF-16 code units, whatever they are."""

import json
from typing import Any

import pytest

from acrmirror.errors import TooLarge
from acrmirror.jobs.properties import PROPERTY_LIMIT, cut, fitting, weight

FACE = "\U0001f600"


@pytest.mark.parametrize("text", ["a", "é", FACE, f"a{FACE}", '"', "\ud800", "\ud800a"])
@pytest.mark.parametrize("limit", [10, 11, PROPERTY_LIMIT])
def test_text_is_cut_by_what_it_weighs(text: str, limit: int) -> None:
    heavy = text * (PROPERTY_LIMIT + 1)
    found = cut(heavy, limit)
    assert weight(found) <= limit
    assert found.endswith("…")
    assert heavy.startswith(found[:-1].rstrip("\ufffd")) or "\ud800" in text


@pytest.mark.parametrize("text", ["", "a" * PROPERTY_LIMIT, FACE * (PROPERTY_LIMIT // 2)])
def test_what_fits_stays_as_it_is(text: str) -> None:
    assert fitting({"error_answered": text}) == {"error_answered": text}


@pytest.mark.parametrize("note", ["a" * 500, FACE * 500, '"' * 500, "\ud800" * 100])
def test_a_list_that_is_too_heavy_loses_its_last_items(note: str) -> None:
    notes = [f"{number} {note}" for number in range(400)]
    stored = fitting({"notes": notes})["notes"]
    assert weight(stored) <= PROPERTY_LIMIT
    kept = json.loads(stored)
    assert kept == notes[: len(kept)]
    more = json.dumps(notes[: len(kept) + 1], ensure_ascii="\ud800" in note)
    assert weight(more) > PROPERTY_LIMIT


def test_an_object_loses_its_last_items_too() -> None:
    left_out = {str(number): FACE * 500 for number in range(400)}
    kept = json.loads(fitting({"left_out": left_out})["left_out"])
    assert 20 < len(kept) < 400
    assert list(kept.items()) == list(left_out.items())[: len(kept)]


def test_what_cannot_have_even_one_item_is_empty() -> None:
    assert fitting({"notes": ["a" * 40_000]}) == {"notes": "[]"}


@pytest.mark.parametrize("name", ["patterns", "platforms"])
def test_what_a_job_is_made_from_is_never_cut(name: str) -> None:
    with pytest.raises(TooLarge, match=name):
        fitting({name: ["a" * 400] * 100})
    assert fitting({name: ["team/*"]}) == {name: '["team/*"]'}


@pytest.mark.parametrize(
    ("value", "stored"),
    [(7, 7), (True, True), (2**31, 2**31), (-(2**40), -(2**40)), (1.5, 1.5)],
)
def test_numbers_are_numbers(value: Any, stored: Any) -> None:
    assert fitting({"bytes": value}) == {"bytes": stored}
