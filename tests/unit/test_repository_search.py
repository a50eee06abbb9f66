"""Repositories by a part of their names: what one request looks through, and where the next one goes on."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from acrmirror.serve.images import LOOKED_THROUGH, Images

NAMES = [f"team/{number:04}" for number in range(2 * LOOKED_THROUGH + 10)]


class Names:
    """The one method of a listing that is asked."""

    registry = "demo.azurecr.io"

    def __init__(self) -> None:
        self.read = 0

    def repositories(self, after: str | None = None) -> Iterator[str]:
        for name in NAMES:
            if after is None or name > after:
                self.read += 1
                yield name


def opened() -> tuple[Images, Names]:
    names = Names()
    return Images(cast(Any, names), cast(Any, SimpleNamespace(listing=names))), names


def test_a_page_is_full_or_says_that_there_are_no_more() -> None:
    images, _ = opened()
    assert images.repositories(3, None) == (NAMES[:3], NAMES[2])
    assert images.repositories(3, NAMES[-4]) == (NAMES[-3:], None)
    assert images.repositories(3, NAMES[-1]) == ([], None)


def test_one_request_looks_through_so_many_and_the_next_goes_on_there() -> None:
    images, names = opened()
    found, last = images.repositories(3, None, NAMES[-1])
    assert (found, last) == ([], NAMES[LOOKED_THROUGH - 1])
    assert names.read == LOOKED_THROUGH + 1
    found, last = images.repositories(3, last, NAMES[-1])
    assert (found, last) == ([], NAMES[2 * LOOKED_THROUGH - 1])
    assert images.repositories(3, last, NAMES[-1]) == (NAMES[-1:], None)
