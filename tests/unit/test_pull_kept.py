"""What a worker remembers, and for how long."""

import math

from acrmirror.serve.kept import Kept


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_not_used_for_longest_makes_room() -> None:
    kept: Kept[str, int] = Kept(10, math.inf)
    for number, name in enumerate("abc"):
        kept.put(name, number, 4 if name != "c" else 2)
    assert kept.get("a") == 0
    kept.put("d", 3, 4)
    assert [kept.get(name) for name in "abcd"] == [0, None, 2, 3]
    kept.put("a", 9, 4)
    assert [kept.get(name) for name in "abcd"] == [9, None, 2, 3], "a value that is put anew does not count twice"
    kept.put("large", 1, 11)
    assert kept.get("large") is None


def test_nothing_is_remembered_for_longer_than_it_may() -> None:
    clock = Clock()
    kept: Kept[str, int] = Kept(10, 50.0, clock)
    kept.put("a", 1)
    clock.now = 49.9
    assert kept.get("a") == 1
    clock.now = 50.0
    assert kept.get("a") is None
    kept.put("a", 2)
    assert kept.get("a") == 2
