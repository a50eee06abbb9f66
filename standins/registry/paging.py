"""Listings by pages: `n`, `last`, and a Link to the next page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

from .errors import RegistryError
from .wire import RegistryRequest

# Where no size is requested, Azure Container Registry's pages stop at 100; the largest page is this stand-in's own.
DEFAULT_PAGE = 100
LARGEST_PAGE = 1000

Item = TypeVar("Item")


def page(request: RegistryRequest, items: Sequence[Item], key: Callable[[Item], str]) -> tuple[list[Item], str | None]:
    """The page that the request asks for, and the key to go on after, None on the last page.

    `items` are all of them, in the listing's order; `last` is the key of the last one seen. In a listing by name it
    need not exist any more.
    """
    size = _size(request)
    if request.effects.omit is not None:
        items = [one for one in items if not re.search(request.effects.omit, key(one))]
    last = request.parameter("last")
    start = 0
    if last:
        keys = [key(one) for one in items]
        start = keys.index(last) + 1 if last in keys else sum(1 for one in keys if one <= last)
    shown = list(items[start : start + size])
    more = start + size < len(items) and bool(shown) and not request.effects.drop_link
    return shown, key(shown[-1]) if more else None


def _size(request: RegistryRequest) -> int:
    asked = request.parameter("n")
    if asked and not asked.isdigit():
        raise RegistryError("BAD_REQUEST", "n must be a number")
    size = int(asked) if asked else DEFAULT_PAGE
    if request.effects.page_size is not None:
        size = min(size, request.effects.page_size)
    return min(size, LARGEST_PAGE)


def next_link(request: RegistryRequest, path: str, last: str | None, order: bool = True) -> list[tuple[str, str]]:
    """The Link header, in the very form that Azure Container Registry was seen to send; `path` as it goes out."""
    if last is None:
        return []
    value = f"{path}?last={quote(last, safe='')}&n={_size(request)}"
    if order:
        value += f"&orderby={quote(request.parameter('orderby'), safe='')}"
    return [("Link", f'<{value}>; rel="next"')]
