"""What takes long to make is given as it was last, and made anew behind."""

import threading
from collections.abc import Callable

import pytest

from acrmirror.errors import Unavailable
from acrmirror.refreshed import Refreshed


class Made:
    """Counts, once it may; `now` is the clock, and each takes `takes` seconds of it."""

    def __init__(self) -> None:
        self.now, self.takes, self.number = 0.0, 0.0, 0
        self.may = threading.Event()
        self.fails = False
        self.may.set()

    def __call__(self) -> int:
        assert self.may.wait(20)
        if self.fails:
            raise Unavailable("count", "it answered 503", "Wait.")
        self.number += 1
        self.now += self.takes
        return self.number

    def refreshed(self, least: float = 5.0, share: float = 20.0) -> Refreshed[int]:
        clock: Callable[[], float] = lambda: self.now  # noqa: E731
        return Refreshed(self, least, share, clock)


def test_it_is_made_anew_when_it_is_old_and_no_sooner() -> None:
    made = Made()
    value = made.refreshed()
    assert [value.get(20, 20) for _ in range(3)] == [1, 1, 1]
    made.now = 4.9
    assert value.get(20, 20) == 1
    made.now = 5.0
    assert value.get(20, 20) == 2


def test_what_takes_long_is_made_less_often() -> None:
    made = Made()
    made.takes = 3.0
    value = made.refreshed()
    assert value.get(20, 20) == 1
    made.now = 62.9
    assert value.get(20, 20) == 1
    made.now = 63.0
    assert value.get(20, 20) == 2


def test_whoever_does_not_wait_gets_the_one_before_and_it_is_made_once() -> None:
    made = Made()
    value = made.refreshed()
    made.may.clear()
    assert (value.get(0, 0), value.get(0, 0)) == (None, None)
    made.may.set()
    assert value.get(20, 0) == 1
    made.now = 10
    made.may.clear()
    assert [value.get(20, 0) for _ in range(3)] == [1, 1, 1]
    made.may.set()
    assert value.get(20, 20) == 2
    assert made.number == 2


def test_a_failure_is_raised_where_nothing_is_known_and_else_the_last_one_stays() -> None:
    made = Made()
    made.fails = True
    value = made.refreshed()
    for _ in range(2):
        with pytest.raises(Unavailable, match="503"):
            value.get(20, 20)
    made.fails, made.now = False, 5.0
    assert value.get(20, 20) == 1
    made.fails, made.now = True, 10.0
    assert value.get(20, 20) == 1
    made.fails, made.now = False, 15.0
    assert value.get(20, 20) == 2
