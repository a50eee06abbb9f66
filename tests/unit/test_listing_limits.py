"""The limits of a listing, and of patience, at their very edges."""

import dataclasses
import time

import pytest

from acrmirror.deadlines import LEAST_PROGRESS
from acrmirror.errors import Malformed, NotFound, Throttled, TooLarge, Unavailable
from acrmirror.registry.limits import Limits
from acrmirror.registry.pages import Pages
from acrmirror.registry.patience import LONGEST_PAUSE, Patience

LIMITS = dataclasses.replace(Limits(), pages=6, empty_pages=3, entries=10)


def gone_through(*entries: int, most: int | None = None) -> None:
    pages = Pages("list it", LIMITS, most)
    for number, count in enumerate(entries):
        pages.count(count)
        pages.turn(f"page {number}")


@pytest.mark.parametrize("entries", [(0, 0, 1, 0, 0), (1,) * 5, (10,), (0, 0, 10)])
def test_a_listing_up_to_its_limits_is_read(entries: tuple[int, ...]) -> None:
    gone_through(*entries)


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ((0, 0, 0), "3 pages in a row"),
        ((1, 0, 0, 0), "3 pages in a row"),
        ((1,) * 6, "6 pages"),
        ((5, 6), "more than 10"),
    ],
)
def test_a_listing_beyond_them_is_not(entries: tuple[int, ...], told: str) -> None:
    with pytest.raises(TooLarge, match=told):
        gone_through(*entries)


def test_a_listing_of_fewer_entries_than_usual_has_a_limit_of_its_own() -> None:
    gone_through(2, most=2)
    with pytest.raises(TooLarge):
        gone_through(3, most=2)


def test_time_counts_only_while_a_page_is_waited_for() -> None:
    pages = Pages("list it", dataclasses.replace(LIMITS, listing_seconds=0.5))
    with pages.waiting():
        pass
    time.sleep(0.6)
    with pages.waiting():
        pass
    with pytest.raises(Unavailable), pages.waiting():
        time.sleep(0.6)


def test_a_page_that_was_read_before_is_none() -> None:
    pages = Pages("list it", LIMITS)
    pages.turn("one")
    pages.turn("two")
    with pytest.raises(Malformed):
        pages.turn("one")


AWAY = Unavailable("read", "away", "Later.")


def test_pauses_grow_twofold_up_to_the_longest_and_are_spread_below_that() -> None:
    for _ in range(50):
        patience = Patience(1000.0)
        pauses = [patience.after(AWAY, 0) for _ in range(9)]
        for number, pause in enumerate(pauses, 1):
            whole = min(0.1 * 2**number, LONGEST_PAUSE)
            assert whole / 2 <= pause <= whole


def test_progress_makes_them_short_again_and_a_little_does_not() -> None:
    patience = Patience(1000.0)
    for _ in range(6):
        patience.after(AWAY, 0)
    assert patience.after(AWAY, LEAST_PROGRESS - 1) >= LONGEST_PAUSE / 2
    assert patience.after(AWAY, LEAST_PROGRESS) <= 0.2


def test_what_the_registry_asks_for_is_waited_for_unless_it_is_too_long() -> None:
    assert Patience(10.0).after(Throttled("read", "busy", "Later.", retry_after=9.0), 0) == 9.0
    with pytest.raises(Throttled):
        Patience(10.0).after(Throttled("read", "busy", "Later.", retry_after=10.5), 0)


def test_what_does_not_pass_is_not_waited_for() -> None:
    with pytest.raises(NotFound):
        Patience(10.0).after(NotFound("read", "gone", "None."), 0)
