"""Listings by pages: the next one is where `Link` says, and only if that is the same listing of the same registry."""

import re
from urllib.parse import quote, unquote, urljoin, urlsplit

from acrmirror.errors import Malformed
from acrmirror.reference import shown


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
        raise Malformed(
            asked, f"its next page is {shown(f'{target.netloc}{target.path}')}", "Check what answers as this registry."
        )
    page = f"{quote(unquote(target.path), safe='/:@')}?{target.query}"
    if page == url:
        raise Malformed(asked, "its next page is the same page", "Check what answers as this registry.")
    return page


def _following(link: str) -> str | None:
    """The target of `rel="next"` in a `Link` header (RFC 8288)."""
    for match in re.finditer(r"<([^<>]*)>((?:\s*;[^,;<>]*)*)", link):
        if re.search(r';\s*rel\s*=\s*"?next"?\s*(?:;|$)', match[2], re.IGNORECASE):
            return match[1]
    return None
