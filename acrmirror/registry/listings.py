"""Listings by Azure Container Registry's own API: repositories, and the manifests and tags of each."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar, cast

from azure.core.paging import ItemPaged, PageIterator

from acrmirror.errors import InvalidReference
from acrmirror.moments import Moment, from_datetime
from acrmirror.reference import Digest, check_repository, check_tag
from acrmirror.registry.failures import told_as_ours
from acrmirror.registry.pages import Pages
from acrmirror.registry.policy import OnRequest, counting
from acrmirror.registry.session import Session
from acrmirror.registry.values import ListedManifest, ListedTag

PAGE = 1000
"""Entries that a page is to have: a registry gives as many at most, and 100 where nothing is said."""

_T = TypeVar("_T")


def repositories(
    session: Session, on_request: OnRequest | None, refused: Callable[[InvalidReference], None]
) -> Iterator[str]:
    """Every repository. `refused` is told of each name that is none and that is left out."""
    listing = session.sdk.list_repository_names(results_per_page=PAGE, **counting(on_request))
    for name in _entries(session, listing, "_catalog"):
        try:
            repository = check_repository(_as_text(name))
        except InvalidReference as error:
            refused(error)
        else:
            yield repository


def manifest_count(session: Session, on_request: OnRequest | None, repository: str) -> int:
    with told_as_ours(f"GET {session.host}/acr/v1/{repository}"):
        return int(session.sdk.get_repository_properties(repository, **counting(on_request)).manifest_count or 0)


def manifests(
    session: Session,
    on_request: OnRequest | None,
    repository: str,
    refused: Callable[[InvalidReference], None],
) -> Iterator[ListedManifest]:
    """Every manifest. `refused` is told of each digest and tag that is none and that is left out."""
    listing = session.sdk.list_manifest_properties(repository, results_per_page=PAGE, **counting(on_request))
    for line in _entries(session, listing, f"{repository}/_manifests"):
        try:
            digest = Digest.parse(_as_text(line.digest))
        except InvalidReference as error:
            refused(error)
            continue
        found = []
        for tag in line.tags or ():
            try:
                found.append(check_tag(_as_text(tag)))
            except InvalidReference as error:
                refused(error)
        yield ListedManifest(digest, tuple(found), _moment(line.last_updated_on), line.size_in_bytes)


def tags(session: Session, on_request: OnRequest | None, repository: str) -> Iterator[ListedTag]:
    """Every tag. Raises InvalidReference for a name or a digest that is none."""
    listing = session.sdk.list_tag_properties(repository, results_per_page=PAGE, **counting(on_request))
    for line in _entries(session, listing, f"{repository}/_tags"):
        yield ListedTag(check_tag(line.name), Digest.parse(line.digest), _moment(line.last_updated_on))


def _entries(session: Session, listing: ItemPaged[_T], name: str) -> Iterator[_T]:
    asked = f"GET {session.host}/acr/v1/{name}"
    pages = Pages(asked, session.limits)
    following = cast(PageIterator[_T], listing.by_page())
    while True:
        with pages.waiting(), told_as_ours(asked):
            page = next(following, None)
            entries = None if page is None else list(page)
        if entries is None:
            return
        pages.count(len(entries))
        yield from entries
        if following.continuation_token is not None:
            pages.turn(str(following.continuation_token))


def _as_text(value: object) -> str:
    """Names are texts; what is none makes no name."""
    return value if isinstance(value, str) else ""


def _moment(value: datetime | None) -> Moment | None:
    return from_datetime(value) if value is not None and value.tzinfo is not None else None
