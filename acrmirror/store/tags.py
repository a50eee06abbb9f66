"""Tags by compare-and-swap, the referrers tag, and the history that could rebuild every tag."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient

from acrmirror.errors import Conflict, InvalidReference, Permanent, TagMoved
from acrmirror.history import Observation
from acrmirror.oci import (
    OCI_INDEX,
    Descriptor,
    Manifest,
    is_referrers_index,
    merge_referrers,
    parse_manifest,
    referrers_index,
)
from acrmirror.reference import Digest, Reference
from acrmirror.store import layout
from acrmirror.store.failures import explained, lost_race

MERGE_ROUNDS = 24
"""How often a merge into a referrers tag is tried again after another worker moved it."""


@dataclass(frozen=True, slots=True)
class TagState:
    """A tag's link as it was read: what it points at, and the ETag that a compare-and-swap needs.

    `digest` is None where the link names no digest: it is damaged, and the next job of that tag writes it anew.
    """

    digest: Digest | None
    etag: str


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
    def stands(self, repository: str, digest: Digest) -> Descriptor | None: ...

    @abstractmethod
    def write_manifest(self, repository: str, manifest: Manifest) -> None: ...

    @abstractmethod
    def read_manifest(self, repository: str, descriptor: Descriptor) -> Manifest: ...

    @abstractmethod
    def _write_once(self, name: str, body: bytes, metadata: Mapping[str, str] | None, asked: str) -> bool: ...

    # tags

    def read_tag(self, repository: str, tag: str) -> TagState | None:
        """Where the tag is, or None if it never was."""
        asked = f"read tag {repository}:{tag} of the mirror"
        with explained(asked):
            try:
                stream = self._tag_blob(repository, tag).download_blob()
                body, etag = bytes(stream.readall()), str(stream.properties.etag)
            except ResourceNotFoundError:
                return None
        try:
            return TagState(Digest.parse(body.decode("ascii", "replace").strip()), etag)
        except InvalidReference:
            return TagState(None, etag)

    def tag(self, repository: str, tag: str, descriptor: Descriptor, at: str, expected: TagState | None) -> None:
        """Moves the tag to a manifest that stands. Always writes, also an equal digest (rule L2).

        `expected` is what `read_tag` gave; TagMoved if the link changed since. `at` is the registry's time.
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

    # the referrers tag

    def add_referrer(self, repository: str, subject: Digest, referrer: Descriptor, at: str) -> bool:
        """Lists `referrer`, which stands, under its subject's referrers tag.

        False where that tag is something else: then it is left alone (rule R1).
        """
        return self._merge(repository, subject.referrers_tag, (referrer,), at, over_others=False)

    def merge_referrers_tag(self, repository: str, tag: str, manifest: Manifest, at: str) -> None:
        """Merges the registry's own index under such a tag into the mirror's, which never shrinks (rule R1).

        Where the mirror's is something else, the registry has moved its tag since: the index takes its place.
        """
        self._merge(repository, tag, manifest.manifests, at, over_others=True)

    def _merge(self, repository: str, tag: str, more: tuple[Descriptor, ...], at: str, *, over_others: bool) -> bool:
        for _ in range(MERGE_ROUNDS):
            current = self.read_tag(repository, tag)
            known: tuple[Descriptor, ...] = ()
            if current is not None:
                listed = self._referrers_listed(repository, tag, current.digest)
                if listed is None and not over_others:
                    return False
                known = listed or ()
            merged = merge_referrers(known, more)
            raw = referrers_index(merged)
            index = parse_manifest(raw, OCI_INDEX, Digest.of(raw))
            if current is not None and current.digest == index.digest:
                return True
            self.write_manifest(repository, index)
            try:
                self.tag(repository, tag, index.descriptor(), at, current)
            except TagMoved:
                continue
            return True
        raise Conflict(
            f"list a referrer under {repository}:{tag}",
            f"other workers moved that tag {MERGE_ROUNDS} times",
            "It will be tried again.",
        )

    def _referrers_listed(self, repository: str, tag: str, digest: Digest | None) -> tuple[Descriptor, ...] | None:
        """What the referrers tag lists now, or None if it is not a list of referrers."""
        descriptor = self.stands(repository, digest) if digest is not None else None
        if descriptor is None:
            return self._ever_listed(repository, tag)
        manifest = self.read_manifest(repository, descriptor)
        return manifest.manifests if is_referrers_index(manifest) else None

    def _ever_listed(self, repository: str, tag: str) -> tuple[Descriptor, ...]:
        """What any list under a damaged referrers tag had, as far as it stands: the links beside it name them all."""
        folder = f"{layout.tag_indexes(self.name(repository), tag)}/"
        listed: list[tuple[Descriptor, ...]] = []
        with explained(f"list where tag {repository}:{tag} of the mirror ever was"):
            names = [str(it) for it in self._container.list_blob_names(name_starts_with=folder)]
        for name in names:
            algorithm, encoded = name.removeprefix(folder).split("/")[:2]
            descriptor = self.stands(repository, Digest(algorithm, encoded))
            if descriptor is not None:
                manifest = self.read_manifest(repository, descriptor)
                listed.append(manifest.manifests if is_referrers_index(manifest) else ())
        return merge_referrers(*listed)

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
