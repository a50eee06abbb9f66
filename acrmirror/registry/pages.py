"""Listings by pages: the next one is where `Link` says, and only if that is the same listing of the same registry; and
for how long a listing is gone on with."""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote, urljoin, urlsplit

from acrmirror.errors import Malformed, TooLarge, Unavailable
from acrmirror.reference import shown
from acrmirror.registry.failures import CHECK_WHO_ANSWERS
from acrmirror.registry.limits import Limits

_LINK = re.compile(r"<([^<>]*)>((?:\s*;[^,;<>]*)*)")
_NEXT = re.compile(r';\s*rel\s*=\s*"?next"?\s*(?:;|$)', re.IGNORECASE)


def raised(error: Malformed) -> None:
    """For whoever takes no listing with an entry that can not be read."""
    raise error


class Pages:
    """Counts what one listing has come to, and ends it past its limits. Raises TooLarge, Malformed, Unavailable."""

    def __init__(self, asked: str, limits: Limits, entries: int | None = None) -> None:
        self._asked = asked
        self._limits = limits
        self._most = limits.entries if entries is None else entries
        self._entries = 0
        self._empty = 0
        self._waited = 0.0
        self._turned: set[bytes] = set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around the request for a page."""
        begun = time.monotonic()
        yield
        self._waited += time.monotonic() - begun
        if self._waited > self._limits.listing_seconds:
            raise Unavailable(
                self._asked,
                f"its pages took more than {self._limits.listing_seconds:.0f} s",
                "It is tried again later.",
            )

    def count(self, entries: int) -> None:
        """What a page has."""
        self._entries += entries
        self._empty = 0 if entries else self._empty + 1
        if self._entries > self._most:
            raise self._too_large(f"it lists more than {self._most} of them")

    def turn(self, following: str) -> None:
        """To the page that `following` leads to: never one where it was before."""
        name = hashlib.sha256(following.encode("utf-8", "surrogateescape")).digest()
        if name in self._turned:
            raise Malformed(self._asked, "its next page is one that was read before", CHECK_WHO_ANSWERS)
        self._turned.add(name)
        if self._empty >= self._limits.empty_pages:
            raise self._too_large(f"it has {self._empty} pages in a row with nothing on them")
        if len(self._turned) >= self._limits.pages:
            raise self._too_large(f"it has more than {self._limits.pages} pages")

    def _too_large(self, answered: str) -> TooLarge:
        return TooLarge(self._asked, answered, CHECK_WHO_ANSWERS)


def next_page(link: str | None, base: str, url: str, asked: str) -> str | None:
    """Path and query of the page after `url`, itself a path on `base` (https and a host), or None at the end.

    Raises Malformed if the link leads to another host, another listing, or nowhere.
    """
    following = _following(link or "")
    if following is None:
        return None
    here = urlsplit(urljoin(base, url))
    target = urlsplit(urljoin(here.geturl(), following))
    if target[:2] != here[:2] or unquote(target.path) != unquote(here.path):
        raise Malformed(asked, f"its next page is {shown(f'{target.netloc}{target.path}')}", CHECK_WHO_ANSWERS)
    page = f"{quote(unquote(target.path), safe='/:@')}?{target.query}"
    if page == url:
        raise Malformed(asked, "its next page is the same page", CHECK_WHO_ANSWERS)
    return page


def _following(link: str) -> str | None:
    """The target of `rel="next"` in a `Link` header (RFC 8288)."""
    for match in _LINK.finditer(link):
        if _NEXT.search(match[2]):
            return match[1]
    return None
