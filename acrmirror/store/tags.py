"""Tags by compare-and-swap."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient

from acrmirror.errors import InvalidReference, Malformed, TagMoved
from acrmirror.history import TagEvent
from acrmirror.moments import nine_digits
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.store import layout
from acrmirror.store.failures import explained, lost_race
from acrmirror.store.observations import Observations

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
    at: str = ""
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
            metadata.get("time", ""),
            _event(metadata),
            int(sequence) if sequence.isascii() and sequence.isdecimal() else 0,
            parsed(metadata.get("registry", "")),
        )


def _event(metadata: Mapping[str, str]) -> TagEvent | None:
    digest = parsed(metadata.get("event_digest", ""))
    try:
        return TagEvent(nine_digits(metadata["event_time"]), digest) if digest is not None else None
    except (KeyError, Malformed):
        return None


class Tags(Observations):
    """The half of the store that moves."""

    # tags

    def read_tag(self, repository: str, tag: str) -> TagState | None:
        """Where the tag is, or None if it never was."""
        asked = f"read tag {repository}:{tag} of the mirror"
        with explained(asked):
            try:
                stream = self._tag_blob(repository, tag).download_blob()
                # Of anything larger the SDK has read no more than its first piece.
                body = bytes(stream.readall()) if stream.size <= LINK_LIMIT else b""
                properties = stream.properties
            except ResourceNotFoundError:
                return None
        return TagState.read(body, str(properties.etag), properties.metadata or {})

    def tag(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: str,
        expected: TagState | None,
        event: TagEvent | None = None,
        *,
        registry: Digest | None = None,
    ) -> None:
        """Moves the tag to a manifest that stands. Always writes, also an equal digest (rule L2).

        `expected` is what `read_tag` gave; TagMoved if the link changed since. `at` is the registry's time. The newer
        of `event` and of the one that the link had is kept beside it (rule L3). `registry` is where the registry has a
        list of referrers that may be larger here; it stays as it was where the tag stays. Raises UnkeptName.
        """
        asked = f"set tag {repository}:{tag} of the mirror"
        self._check_kept(tag, asked)
        link = str(descriptor.digest).encode()
        self._write_once(layout.tag_index_link(self.name(repository), tag, descriptor.digest), link, None, asked)
        condition: dict[str, Any] = (
            {"overwrite": False}
            if expected is None
            else {"overwrite": True, "etag": expected.etag, "match_condition": MatchConditions.IfNotModified}
        )
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
        with explained(asked):
            try:
                self._tag_blob(repository, tag).upload_blob(link, metadata=metadata, **condition)
            except HttpResponseError as error:
                if not lost_race(error):
                    raise
                raise TagMoved(asked, "another worker moved it first", "It will be tried again.") from error

    def _tag_blob(self, repository: str, tag: str) -> BlobClient:
        return self._container.get_blob_client(layout.tag_link(self.name(repository), tag))


def parsed(text: str) -> Digest | None:
    """A digest, or None for what is none."""
    try:
        return Digest.parse(text)
    except InvalidReference:
        return None
