"""The read-only side of the distribution specification, straight from the mirror: the registry is never asked."""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from acrmirror.errors import InvalidReference, MirrorError, Transient
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.past import tag_at
from acrmirror.moments import Moment
from acrmirror.oci import OCI_INDEX, Descriptor, referrers_index
from acrmirror.reference import Digest, check_tag
from acrmirror.serve.access import Access
from acrmirror.serve.contents import Contents
from acrmirror.serve.kept import Kept
from acrmirror.serve.paging import Wanted
from acrmirror.serve.past import Past
from acrmirror.serve.past_tags import PastTags
from acrmirror.serve.paths import Kind, Place, read_path
from acrmirror.serve.sealed import MARK, Sealed
from acrmirror.serve.wire import (
    READS,
    RETRY_SECONDS,
    Asked,
    Reply,
    SpecError,
    away,
    document,
    no_blob,
    no_manifest,
    no_name,
)

TAGS_USUAL, TAGS_MOST = 1000, 5000
REPOSITORIES_USUAL, REPOSITORIES_MOST = 100, 1000
"""Names in one page. A repository costs a request to storage at least, so fewer of these."""
LOOKED_AT = 1000
"""Folders that one page of the catalogue looks into, each a request to storage, whatever it finds there."""
LISTED_SECONDS = 30.0
"""How long the tags of a repository are kept for whoever asks for their next page."""
LISTED_TAGS = 200_000
OCTETS = "application/octet-stream"

_log = logging.getLogger(__name__)


class Guard(Protocol):
    """Who is let in."""

    def admit(self, authorization: str | None) -> Access:
        """What the sender of this header may see; None if it sent none. Raises SpecError."""
        ...


class Distribution:
    """The distribution pull API over one mirror. Thread-safe.

    `answer` raises SpecError for what the specification has an error for, and else what the mirror's parts raise.
    """

    def __init__(
        self,
        registry: str,
        store: MirrorStore,
        guard: Guard,
        sealed: Sealed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._store = store
        self._guard = guard
        self._sealed = sealed
        self._contents = Contents(store, clock)
        self._past = Past(store)
        self._past_tags = PastTags(store, clock)
        self._listed: Kept[str, list[str]] = Kept(LISTED_TAGS, LISTED_SECONDS, clock)

    def answer(self, asked: Asked) -> Reply:
        access = self._admit(asked.authorization)
        if asked.method not in READS:
            told = "a mirror takes nothing: push to the registry that it mirrors"
            raise SpecError(405, "UNSUPPORTED", told, {"Allow": ", ".join(READS)})
        place = read_path(asked.path, self._registry)
        if place.kind is Kind.BASE:
            return document({})
        if place.kind is Kind.CATALOG:
            return self._catalog(asked, place, access)
        if not access.sees(place.repository):
            raise _miss(place)
        match place.kind:
            case Kind.TAGS:
                return self._tags(asked, place)
            case Kind.MANIFEST:
                return self._manifest(asked, place)
            case Kind.BLOB:
                return self._blob(asked, place)
            case _:
                return self._referrers(asked, place)

    def _admit(self, authorization: str | None) -> Access:
        try:
            return self._guard.admit(authorization)
        except MirrorError as error:
            _log.warning("whether a registry client may pull is not known: %s", error)
            after = error.retry_after if isinstance(error, Transient) else None
            raise away(after or RETRY_SECONDS) from error

    def _catalog(self, asked: Asked, place: Place, access: Access) -> Reply:
        wanted = Wanted.of(asked.query, REPOSITORIES_USUAL, REPOSITORIES_MOST)
        after = self._opened(wanted.after)
        found: list[str] = []
        position = ""
        folders = self._store.listing.folders(after or None, access.enters) if wanted.count else iter(())
        for number, (name, is_repository) in enumerate(folders):
            if len(found) == wanted.count:
                return document({"repositories": found}, wanted.link(found[-1], place.path))
            if number == LOOKED_AT:
                # Perhaps without any name: of what the client may not see, it is not told where this ended.
                last = position if access.sees(position) else self._sealed.seal(position)
                return document({"repositories": found}, wanted.link(last, place.path))
            position = name
            if is_repository and access.sees(name):
                found.append(name)
        return document({"repositories": found})

    def _opened(self, after: str) -> str:
        if not after.startswith(MARK):
            return after
        name = self._sealed.open(after)
        if name is None:
            raise SpecError(400, "PAGINATION_NUMBER_INVALID", "last is not what an earlier page gave")
        return name

    def _tags(self, asked: Asked, place: Place) -> Reply:
        wanted = Wanted.of(asked.query, TAGS_USUAL, TAGS_MOST)
        if place.at is not None:
            return self._tags_at(place, place.at, wanted)
        # Who goes on with a listing does not have it made anew for every page.
        names = self._listed.get(place.repository) if wanted.after else None
        if names is None:
            names = self._tag_names(place)
            self._listed.put(place.repository, names, len(names))
        page, headers = wanted.page((it for it in names if it > wanted.after), place.path)
        return document({"name": place.repository, "tags": page}, headers)

    def _tag_names(self, place: Place) -> list[str]:
        names = self._store.listing.tag_names(place.repository)
        if not names and not self._store.listing.has_repository(place.repository):
            raise _miss(place)
        return names

    def _tags_at(self, place: Place, at: Moment, wanted: Wanted) -> Reply:
        """What history has was at the registry: lists that only the mirror keeps are not among it (rule R3)."""
        page = self._past_tags.page(place.repository, at, max(1, wanted.count), wanted.after)
        if not page.tags and page.last is None and not wanted.after:
            raise _miss(place)
        names = [tag for tag, _ in page.tags] if wanted.count else []
        headers = wanted.link(page.last, place.path) if page.last is not None and wanted.count else {}
        return document({"name": place.repository, "tags": names}, headers)

    def _manifest(self, asked: Asked, place: Place) -> Reply:
        digest = _digest(place) if ":" in place.reference else self._tagged(place)
        descriptor = self._contents.revision(place.repository, digest)
        if descriptor is None:
            raise _miss(place)
        headers = _content(digest, descriptor.media_type)
        if asked.method == "HEAD":
            return Reply(200, headers=headers, length=descriptor.size)
        return Reply(200, self._contents.manifest(place.repository, descriptor), headers)

    def _tagged(self, place: Place) -> Digest:
        try:
            check_tag(place.reference)
        except InvalidReference:
            raise _miss(place) from None
        if place.at is not None:
            seen = tag_at(self._store.history, place.repository, place.reference, place.at)
            if seen is None:
                raise _miss(place)
            if self._contents.revision(place.repository, seen.digest) is None:
                raise no_manifest(_name(place), f"the tag was at {seen.digest} then, which is not in the mirror")
            return seen.digest
        state = self._store.tags.read(place.repository, place.reference)
        if state is None:
            raise _miss(place)
        if state.digest is None:
            raise no_manifest(_name(place), "the link of its tag is damaged; the next push or pull of it mends that")
        return state.digest

    def _blob(self, asked: Asked, place: Place) -> Reply:
        digest = _digest(place)
        size = self._contents.blob(place.repository, digest)
        if size is None:
            raise _miss(place)
        headers = _content(digest, OCTETS)
        if asked.method == "HEAD":
            return Reply(200, headers=headers | {"Accept-Ranges": "bytes"}, length=size)
        # Whatever the range (rule V3). The link lets in whoever has it, so nobody is to keep it.
        signed = self._store.signed_urls.blob(digest)
        return Reply(307, headers=headers | {"Location": signed.url, "Cache-Control": "no-store"})

    def _referrers(self, asked: Asked, place: Place) -> Reply:
        try:
            subject = Digest.parse(place.reference)
        except InvalidReference as error:
            raise SpecError(400, "DIGEST_INVALID", error.answered) from None
        found = self._store.referrers.of(place.repository, subject)
        if not found and not self._store.listing.has_repository(place.repository):
            raise _miss(place)
        if place.at is not None:
            found = self._past.by_then(place.repository, found, place.at)
        headers = {"Content-Type": OCI_INDEX}
        wanted = asked.query.get("artifactType")
        if wanted is not None:
            # A parameter that is given twice arrives as both, with a comma between them.
            found = _of_types(found, wanted.split(","))
            headers["OCI-Filters-Applied"] = "artifactType"
        return Reply(200, referrers_index(found), headers)


def _content(digest: Digest, media_type: str) -> dict[str, str]:
    return {"Content-Type": media_type, "Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}


def _of_types(found: tuple[Descriptor, ...], types: list[str]) -> tuple[Descriptor, ...]:
    return tuple(it for it in found if it.artifact_type in types)


def _digest(place: Place) -> Digest:
    try:
        return Digest.parse(place.reference)
    except InvalidReference:
        raise _miss(place) from None


def _miss(place: Place) -> SpecError:
    """What is answered for what is not there: for a repository that may not be seen, the very same."""
    match place.kind:
        case Kind.MANIFEST:
            return no_manifest(_name(place))
        case Kind.BLOB:
            return no_blob(place.reference)
        case _:
            return no_name(place.repository)


def _name(place: Place) -> str:
    return f"{place.repository}{'@' if ':' in place.reference else ':'}{place.reference}"
