"""Moments sort as text, whatever offset and fraction they came with."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrmirror.errors import Malformed
from acrmirror.moments import ahead_of, end_of, from_datetime, from_http_date, nine_digits, to_datetime


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-25T21:39:47.276585742Z", "2026-04-25T21:39:47.276585742Z"),
        ("2026-04-25T21:39:47.6549614Z", "2026-04-25T21:39:47.654961400Z"),
        ("2026-04-25T21:39:47Z", "2026-04-25T21:39:47.000000000Z"),
        ("2026-04-25t21:39:47z", "2026-04-25T21:39:47.000000000Z"),
        ("2026-04-25 21:39:47.5Z", "2026-04-25T21:39:47.500000000Z"),
        ("2026-04-25T23:39:47.2+02:00", "2026-04-25T21:39:47.200000000Z"),
        ("2026-04-25T19:09:47-02:30", "2026-04-25T21:39:47.000000000Z"),
        ("2026-04-25T21:39:47.1234567891234Z", "2026-04-25T21:39:47.123456789Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000Z"),
    ],
)
def test_a_moment_gets_nine_digits_in_utc(text: str, expected: str) -> None:
    assert nine_digits(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-04-25",
        "2026-04-25T21:39:47",
        "2026-04-25T21:39:47.Z",
        "2026-13-25T21:39:47Z",
        "2026-04-31T21:39:47Z",
        "2026-04-25T24:39:47Z",
        "2026-04-25T21:39:47Z\n",
        "٢026-04-25T21:39:47Z",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "2026-04-25T21:39:47+99:00",
    ],
)
def test_what_is_no_moment_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        nine_digits(text)


def test_without_nine_digits_text_order_would_not_be_time_order() -> None:
    earlier, later = "2026-04-25T21:39:47Z", "2026-04-25T21:39:47.2Z"
    assert earlier > later
    assert nine_digits(earlier) < nine_digits(later)


def test_a_date_header_is_a_moment() -> None:
    assert from_http_date("Sat, 25 Apr 2026 21:39:47 GMT") == "2026-04-25T21:39:47.000000000Z"
    with pytest.raises(Malformed):
        from_http_date("soon")


def test_distance_to_now() -> None:
    now = datetime(2026, 4, 25, 21, 39, 47, tzinfo=UTC)
    assert ahead_of(nine_digits("2026-04-25T21:44:48Z"), now) == timedelta(minutes=5, seconds=1)
    assert ahead_of(nine_digits("2026-04-25T21:39:46Z"), now) == timedelta(seconds=-1)


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets)


@given(moments, moments)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    a, b = nine_digits(one.isoformat()), nine_digits(other.isoformat())
    assert (a < b) == (one < other)
    assert a == from_datetime(one)
    assert to_datetime(a) == one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", "2026-11-01T23:59:59.999999999Z"),
        ("2026-11-01t12.00.00z", "2026-11-01T12:00:00.999999999Z"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00.999999999Z"),
        ("2026-11-01T12:00:00+02:00", "2026-11-01T10:00:00.999999999Z"),
        ("2026-11-01 12:00:00.25Z", "2026-11-01T12:00:00.250000000Z"),
        ("2024-02-29", "2024-02-29T23:59:59.999999999Z"),
    ],
)
def test_a_moment_that_a_person_gives_is_the_end_of_what_it_says(text: str, expected: str) -> None:
    assert end_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11",
        "2026-02-29",
        "2026-11-01t12.00z",
        "2026-11-01T25:00:00Z",
        "2026-11-01T12:00:00",
        "٢٠٢٦-11-01",
    ],
)
def test_what_is_no_moment_is_refused_with_how_to_give_one(text: str) -> None:
    with pytest.raises(Malformed, match=r"2026-11-01t12\.00\.00z"):
        end_of(text)
