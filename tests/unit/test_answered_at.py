"""Whose clock an answer of the registry is dated by."""

from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.moments import Moment, from_datetime
from acrmirror.registry.clock import answered_at

NOW = datetime(2026, 4, 25, 21, 39, 47, 276585, tzinfo=UTC)
OURS = Moment("2026-04-25T21:39:47.000000000Z")


def date(moment: datetime) -> str:
    return f"{moment:%a, %d %b %Y %H:%M:%S} GMT"


@pytest.mark.parametrize("seconds", [-86400, -1, 0, 1, 299])
def test_the_registrys_own_time_is_taken(seconds: int) -> None:
    moment = (NOW + timedelta(seconds=seconds)).replace(microsecond=0)
    assert answered_at(date(moment), NOW) == (from_datetime(moment), "registry")


@pytest.mark.parametrize("text", [date(NOW + timedelta(minutes=6)), "Tue, 19 Jan 2038 03:14:07 GMT", "soon", "", None])
def test_a_time_that_can_not_be_is_replaced_by_ours(text: str | None) -> None:
    """In whole seconds, as dates are: else a date of the same second would sort before it."""
    assert answered_at(text, NOW) == (OURS, "mirror")
