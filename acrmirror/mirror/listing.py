"""What is in the mirror, page by page, without reading all of it."""

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from acrmirror.errors import Malformed
from acrmirror.mirror.history import History
from acrmirror.mirror.layout import Layout, linked_digest
from acrmirror.mirror.tags import event_of, parsed, since
from acrmirror.moments import Moment
from acrmirror.oci import OCI_INDEX
from acrmirror.reference import Digest, is_referrers_tag, shown
from acrmirror.storage import Container, Item
from acrmirror.threads import Threads

STORAGE_PAGE = 5000
"""Most entries that one request lists."""
ENTRIES_EACH = 5
_CURRENT = "/current/link"


@dataclass(frozen=True, slots=True)
class TagEntry:
    """A tag as its link's metadata have it (rule L7); `time` is the registry's, of what set the tag last: mostly of
    its answer, which says no more than that the tag was there by then. `registry` is where the registry had a list of
    referrers that may be larger here. `pushed` is the time of the newest push to where the tag is, None where no event
    told of one."""

    name: str
    digest: Digest
    media_type: str
    size: int
    time: Moment
    registry: Digest | None = None
    pushed: Moment | None = None

    @property
    def at_registry(self) -> Digest:
        """What the registry had under the tag when it was set."""
        return self.registry or self.digest


@dataclass(frozen=True, slots=True)
class ListedRevision:
    """A manifest whose whole closure is in its repository, as its link's metadata have it; `subject` is what it refers
    to, None for most."""

    digest: Digest
    media_type: str
    size: int
    subject: Digest | None


@dataclass(frozen=True, slots=True)
class TagPage:
    """Some tags in the order of their names; `cursor` asks for those behind them, None if there are none."""

    tags: tuple[TagEntry, ...]
    cursor: str | None


class Listing:
    """Reads the mirror's container by listing it. Names are as the registry has them, without the mirror's prefix."""

    def __init__(self, container: Container, layout: Layout, history: History) -> None:
        self._container = container
        self._layout = layout
        self._history = history

    def repositories(self, after: str | None = None, enters: Callable[[str], bool] | None = None) -> Iterator[str]:
        """Repositories that have a manifest, in the order of their names; those behind `after`. One request for each
        folder that is walked into. `enters` is asked first whether a folder, or anything in it, is wanted."""
        return (name for name, is_repository in self.folders(after, enters) if is_repository)

    def folders(
        self, after: str | None = None, enters: Callable[[str], bool] | None = None
    ) -> Iterator[tuple[str, bool]]:
        """As `repositories`, with each folder that was walked into, and whether it is one: who goes on behind a name
        from here has lost nothing."""
        return self._walk("", self._folders("")[0], after or "", enters)

    def _walk(
        self, folder: str, inside: list[str], after: str, enters: Callable[[str], bool] | None
    ) -> Iterator[tuple[str, bool]]:
        """Each part comes twice: as a repository, and as the folder of others, which is behind the names that go on
        with `-` or `.` in the place of its slash."""
        below: dict[str, list[str]] = {}
        for name in sorted(it for part in inside for it in (f"{folder}{part}", f"{folder}{part}/")):
            if name in below:
                yield from self._walk(name, below.pop(name), after, enters)
            elif not name.endswith("/"):
                # Names in this folder are behind `after`, or may be.
                ahead = f"{name}/" > after or after.startswith(f"{name}/")
                if not ahead or (enters is not None and not enters(name)):
                    continue
                below[f"{name}/"], is_repository = self._folders(name)
                if name > after:
                    yield name, is_repository

    def _folders(self, name: str) -> tuple[list[str], bool]:
        """The parts of names below this one, and whether this is a repository itself."""
        names = list(self._container.folders(f"{self._layout.repository(name)}/", "list the mirror's repositories"))
        # An empty part is in no repository's name, and would lead back to where this is.
        return [it for it in names if it and not it.startswith("_")], "_manifests" in names

    def has_repository(self, repository: str) -> bool:
        folder = f"{self._layout.revisions(repository)}/"
        return self._container.holds(folder, f"look for {repository} in the mirror")

    def tag_names(self, repository: str) -> list[str]:
        """All tags in the order of their names, without those that only list referrers and that the registry never had
        (rule R3). One request for 5,000 links; a tag has two at least."""
        folder = f"{self._layout.tags(repository)}/"
        items = self._container.list(folder, f"list the tags of {repository} in the mirror")
        links = (it.name.removeprefix(folder) for it in items if it.name.endswith(_CURRENT))
        names = [it.removesuffix(_CURRENT) for it in links]
        if any(is_referrers_tag(it) for it in names):
            known = set(self._history.tags(repository))
            names = [it for it in names if it in known or not is_referrers_tag(it)]
        return sorted(names)

    def tags(self, repository: str, count: int, cursor: str | None = None, *, hide: bool = True) -> TagPage:
        """Up to `count` tags, perhaps fewer though there are more. Tags that only list referrers, and that the
        registry never had, are left out (rule R3) unless `hide` is off."""
        folder = f"{self._layout.tags(repository)}/"
        marker, after = _marker(cursor)
        while True:
            # Each tag has a link, and one more for every digest that it ever had: mostly one request will do.
            size = min(STORAGE_PAGE, count * ENTRIES_EACH)
            page = self._container.page(folder, size, marker, f"list the tags of {repository} in the mirror")
            items = [(it.name, it) for it in page.items if it.name.endswith(_CURRENT)]
            behind = page.marker
            read = ((name.removeprefix(folder).removesuffix(_CURRENT), it) for name, it in items)
            found = [entry for tag, it in read if f"{tag}/" > after and (entry := _entry(tag, it)) is not None]
            if found or behind is None:
                break
            marker, after = behind, ""
        rest = (marker, f"{found[count - 1].name}/") if len(found) > count else (behind, "")
        more = rest if len(found) > count or behind is not None else None
        del found[count:]
        shown_tags = self._without_referrers_tags(repository, found) if hide else found
        return TagPage(tuple(shown_tags), _cursor(*more) if more is not None else None)

    def manifests(self, repository: str) -> dict[Digest, Digest | None]:
        """Every manifest whose whole closure is in this repository of the mirror (rule L1), and what it refers to: one
        request for 5,000 of them."""
        folder = f"{self._layout.revisions(repository)}/"
        asked = f"list the manifests of {repository} in the mirror"
        found: dict[Digest, Digest | None] = {}
        for item in self._container.list(folder, asked, metadata=True):
            digest, subject = linked_digest(item.name.removeprefix(folder)), item.metadata.get("subject")
            refers = parsed(subject) if subject else None
            # Whose digest, or what it refers to, is none, is no revision of this mirror's.
            if digest is not None and (refers is not None or not subject):
                found[digest] = refers
        return found

    def revisions(self, repository: str) -> Iterator[ListedRevision]:
        """As `manifests`, with what their links say of each."""
        folder = f"{self._layout.revisions(repository)}/"
        asked = f"list the manifests of {repository} in the mirror"
        for item in self._container.list(folder, asked, metadata=True):
            digest, subject = linked_digest(item.name.removeprefix(folder)), item.metadata.get("subject")
            media_type, size = item.metadata.get("media_type", ""), item.metadata.get("size", "")
            if digest is not None and media_type and size.isdecimal():
                yield ListedRevision(digest, media_type, int(size), parsed(subject) if subject else None)

    def _without_referrers_tags(self, repository: str, entries: list[TagEntry]) -> list[TagEntry]:
        doubtful = [it for it in entries if it.media_type == OCI_INDEX and is_referrers_tag(it.name)]
        if not doubtful:
            return entries
        with Threads(8, thread_name_prefix="list") as pool:
            known = list(pool.map(lambda it: self._history.has_tag(repository, it.name), doubtful))
        hidden = {it.name for it, had in zip(doubtful, known, strict=True) if not had}
        return [it for it in entries if it.name not in hidden]


def _entry(tag: str, item: Item) -> TagEntry | None:
    metadata = item.metadata
    try:
        digest = Digest.parse(str(metadata["digest"]))
        event = event_of(metadata)
        return TagEntry(
            tag,
            digest,
            str(metadata["media_type"]),
            int(metadata["size"]),
            since(metadata),
            parsed(str(metadata.get("registry", ""))),
            event.at if event is not None and event.digest == digest else None,
        )
    except (KeyError, ValueError, Malformed):
        # Written by something else than the mirror, such as a registry that was let write into it.
        return None


def _cursor(marker: str | None, after: str) -> str:
    """Where to go on: storage's own marker of a page, and how far into that page it was shown (`<tag>/`)."""
    return base64.urlsafe_b64encode(f"{after}\n{marker or ''}".encode()).decode().rstrip("=")


def _marker(cursor: str | None) -> tuple[str | None, str]:
    if not cursor:
        return None, ""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        after, newline, marker = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition("\n")
    except (binascii.Error, ValueError):
        newline = ""
    if not newline:
        raise Malformed(
            f"go on with a listing from {shown(cursor)}",
            "it is not what an earlier page gave",
            "Give the `last` of the page before as it was, or leave it out to begin anew.",
        )
    return marker or None, after
