"""Tags by compare-and-swap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from acrmirror.cancel import beside
from acrmirror.errors import InvalidReference, Malformed, TagMoved
from acrmirror.history import TagEvent
from acrmirror.mirror.kept import KeptNames
from acrmirror.mirror.layout import Layout, linked_digest
from acrmirror.moments import EARLIEST, Moment, nine_digits
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.storage import Container, Lost

LINK_LIMIT = 1024
"""Bytes of a link that are read; a digest has 135 at most."""


@dataclass(frozen=True, slots=True)
class TagState:
    """A tag's link as it was read: what it points at, and the ETag that a compare-and-swap needs.

    `digest` is None where the link names no digest: it is damaged, and the next job of that tag writes it anew. `at`
    is since when the tag is there by the registry's time, `event` the newest event of the tag that any job knew,
    `sequence` how often the link was written: a link without them was written by something else. `registry` is where
    the registry had the tag of a list of referrers, which may be larger here.
    """

    digest: Digest | None
    etag: str
    at: Moment = EARLIEST
    event: TagEvent | None = None
    sequence: int = 0
    registry: Digest | None = None

    @classmethod
    def read(cls, body: bytes, etag: str, metadata: Mapping[str, str]) -> Self:
        """A link's body and what lies beside it. What can't be read of these is left out."""
        sequence = metadata.get("sequence", "")
        return cls(
            parsed(body.decode("ascii", "replace").strip()),
            etag,
            since(metadata),
            event_of(metadata),
            int(sequence) if sequence.isascii() and sequence.isdecimal() else 0,
            parsed(metadata.get("registry", "")),
        )


def since(metadata: Mapping[str, str]) -> Moment:
    """Since when a tag is where its link says, by the registry's time; EARLIEST where the link does not tell."""
    try:
        return nine_digits(metadata.get("time", ""))
    except Malformed:
        return EARLIEST


def event_of(metadata: Mapping[str, str]) -> TagEvent | None:
    """The newest event of the tag that is known (rule L3)."""
    digest = parsed(metadata.get("event_digest", ""))
    try:
        return TagEvent(nine_digits(metadata["event_time"]), digest) if digest is not None else None
    except (KeyError, Malformed):
        return None


class Tags:
    """Tags by repository and name, each a link that only a compare-and-swap moves. Thread-safe."""

    def __init__(self, container: Container, layout: Layout, kept: KeptNames) -> None:
        self._container = container
        self._layout = layout
        self._kept = kept

    def read(self, repository: str, tag: str) -> TagState | None:
        """Where the tag is, or None if it never was."""
        asked = f"read tag {repository}:{tag} of the mirror"
        found = self._container.get(self._layout.tag_link(repository, tag), LINK_LIMIT, asked)
        return TagState.read(found.body or b"", found.head.etag, found.head.metadata) if found is not None else None

    def set(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: Moment,
        expected: TagState | None,
        event: TagEvent | None = None,
        *,
        registry: Digest | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Moves the tag to a manifest of the mirror. Always writes, also an equal digest (rule L2).

        `expected` is what `read` gave; TagMoved if the link changed since. `at` is the registry's time. The newer
        of `event` and of the one that the link had is kept beside it (rule L3). `registry` is where the registry has a
        list of referrers that may be larger here; it stays as it was where the tag stays. `meanwhile` is called beside
        the first write, and is through before the tag moves. Raises UnkeptName, and what `meanwhile` raises.
        """
        asked = f"set tag {repository}:{tag} of the mirror"
        self._kept.check(tag, asked)
        link = str(descriptor.digest).encode()
        past = self._layout.tag_index_link(repository, tag, descriptor.digest)
        if meanwhile is None:
            self._container.swap(past, link, None, asked)
        else:
            with beside(lambda: self._container.swap(past, link, None, asked), "tag") as written:
                meanwhile()
                written()
        metadata = {
            "digest": str(descriptor.digest),
            "media_type": descriptor.media_type,
            "size": str(descriptor.size),
            "time": at,
            "sequence": str(expected.sequence + 1 if expected is not None else 1),
        }
        if registry is None and expected is not None and expected.digest == descriptor.digest:
            registry = expected.registry
        if registry is not None:
            metadata["registry"] = str(registry)
        newest = TagEvent.newest(event, expected.event if expected is not None else None)
        if newest is not None:
            metadata |= {"event_time": newest.at, "event_digest": str(newest.digest)}
        version = expected.etag if expected is not None else None
        outcome = self._container.swap(self._layout.tag_link(repository, tag), link, version, asked, metadata)
        if isinstance(outcome, Lost):
            raise TagMoved(asked, "another worker moved it first", "It will be tried again.")

    def ever(self, repository: str, tag: str) -> list[Digest]:
        """Where the tag ever was, newest first."""
        folder = f"{self._layout.tag_indexes(repository, tag)}/"
        asked = f"list where tag {repository}:{tag} of the mirror ever was"
        found = [(it.modified, it.name) for it in self._container.list(folder, asked)]
        links = [linked_digest(name.removeprefix(folder)) for _, name in sorted(found, reverse=True)]
        return [digest for digest in links if digest is not None]


def parsed(text: str) -> Digest | None:
    """A digest, or None for what is none."""
    try:
        return Digest.parse(text)
    except InvalidReference:
        return None
