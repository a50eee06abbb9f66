"""Tags by compare-and-swap, and the history that could rebuild every tag."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient

from acrmirror.errors import InvalidReference, Permanent, TagMoved
from acrmirror.history import Observation
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, Reference
from acrmirror.store import layout
from acrmirror.store.failures import explained, lost_race

LINK_LIMIT = 1024
"""Bytes of a link that are read; a digest has 135 at most."""


@dataclass(frozen=True, slots=True)
class TagState:
    """A tag's link as it was read: what it points at, and the ETag that a compare-and-swap needs.

    `digest` is None where the link names no digest: it is damaged, and the next job of that tag writes it anew.
    `registry` is where the registry had the tag of a list of referrers, which may be larger here.
    """

    digest: Digest | None
    etag: str
    registry: Digest | None = None


class Tags:
    """The half of the store that moves."""

    def __init__(self, container: ContainerClient, prefix: str = "") -> None:
        self._container = container
        self._prefix = prefix.strip("/")

    @property
    def container(self) -> ContainerClient:
        """For the neighbours that list it and link into it."""
        return self._container

    def name(self, repository: str) -> str:
        """The repository's name in the mirror."""
        return f"{self._prefix}/{repository}" if self._prefix else repository

    @abstractmethod
    def _write_once(self, name: str, body: bytes, metadata: Mapping[str, str] | None, asked: str) -> bool: ...

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
        digest = parsed(body.decode("ascii", "replace").strip())
        registry = parsed((properties.metadata or {}).get("registry", ""))
        return TagState(digest, str(properties.etag), registry)

    def tag(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: str,
        expected: TagState | None,
        *,
        registry: Digest | None = None,
    ) -> None:
        """Moves the tag to a manifest that stands. Always writes, also an equal digest (rule L2).

        `expected` is what `read_tag` gave; TagMoved if the link changed since. `at` is the registry's time; `registry`
        where the registry has a list of referrers that may be larger here.
        """
        asked = f"set tag {repository}:{tag} of the mirror"
        link = str(descriptor.digest).encode()
        index_link = layout.tag_index_link(self.name(repository), tag, descriptor.digest)
        self._write_once(index_link, link, None, asked)
        if tag.endswith("."):
            self._check_kept(index_link, asked)
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
        }
        if registry is not None:
            metadata["registry"] = str(registry)
        with explained(asked):
            try:
                self._tag_blob(repository, tag).upload_blob(link, metadata=metadata, **condition)
            except HttpResponseError as error:
                if not lost_race(error):
                    raise
                raise TagMoved(asked, "another worker moved it first", "It will be tried again.") from error

    def _check_kept(self, name: str, asked: str) -> None:
        """Storage may not keep a path whose segment ends in a dot (rule L8), and the tag would land on another's. Where
        the dot is cut off in reads, too, only a listing tells."""
        with explained(asked):
            kept = any(str(it) == name for it in self._container.list_blob_names(name_starts_with=name))
        if not kept:
            raise Permanent(
                asked,
                "storage does not keep names in which a part ends in a dot",
                "The image is mirrored by its digest; give it a tag that does not end in a dot.",
            )

    def _tag_blob(self, repository: str, tag: str) -> BlobClient:
        return self._container.get_blob_client(layout.tag_link(self.name(repository), tag))

    # history

    def observe(self, reference: Reference, seen: Observation) -> None:
        """Writes one observation down, once; the same one again is no error."""
        name = self.name(reference.repository)
        if reference.tag is not None:
            folder = layout.tag_history(name, reference.tag)
        else:
            folder = layout.digest_history(name, seen.digest)
        body = {
            "repository": reference.repository,
            "tag": reference.tag,
            "digest": str(seen.digest),
            "at": seen.at,
            "kind": seen.kind,
            "id": seen.identity,
            "mediaType": seen.media_type,
            "size": seen.size,
        }
        text = json.dumps({key: value for key, value in body.items() if value is not None}, sort_keys=True)
        self._write_once(
            layout.observation(folder, seen.at, seen.digest, seen.identity),
            text.encode(),
            {"kind": seen.kind},
            f"write the history of {reference}",
        )

    def history(self, repository: str, tag: str) -> Iterator[Observation]:
        """The tag's observations, oldest first by the registry's time; the last one's digest is where the tag was."""
        folder = layout.tag_history(self.name(repository), tag)
        return self._observations(folder, f"list the history of {repository}:{tag}")

    def digest_history(self, repository: str, digest: Digest) -> Iterator[Observation]:
        """What was observed of a digest without a tag: pushes by digest, deletions."""
        folder = layout.digest_history(self.name(repository), digest)
        return self._observations(folder, f"list the history of {repository}@{digest}")

    def _observations(self, folder: str, asked: str) -> Iterator[Observation]:
        with explained(asked):
            for item in self._container.list_blobs(name_starts_with=f"{folder}/", include=["metadata"]):
                at, rest = item.name.removeprefix(f"{folder}/").split("Z-", 1)
                algorithm, encoded, identity = rest.split("-", 2)
                kind = (item.metadata or {}).get("kind", "event")
                yield Observation(f"{at}Z", Digest(algorithm, encoded), identity, kind)


def parsed(text: str) -> Digest | None:
    """A digest, or None for what is none."""
    try:
        return Digest.parse(text)
    except InvalidReference:
        return None
