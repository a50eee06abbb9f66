"""Reads a mirror in Blob Storage exactly as a stock `registry:3` would: by the links in its tree alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from testkit.reader.digests import algorithm_of, check_digest, digest_of, has_digest
from testkit.reader.manifests import read_body
from testkit.reader.tree import REPOSITORIES, ROOT, blob_path, layer_path, read_names, revision_path, tag_path


class NotServed(LookupError):
    """What a stock registry answers with 404: a link or the content behind it is missing."""


class Damaged(RuntimeError):
    """Content that is there and is not what its name says."""


@dataclass(frozen=True, slots=True)
class ServedManifest:
    media_type: str
    digest: str
    raw: bytes


class MirrorReader:
    """`container` comes with its own credential and stays its owner's to close. For any number of threads."""

    def __init__(self, container: ContainerClient) -> None:
        self.container = container

    def names(self, prefix: str = ROOT) -> Iterator[str]:
        """Every name under `prefix`."""
        return iter(self.container.list_blob_names(name_starts_with=prefix))

    def repositories(self) -> list[str]:
        return read_names(self.names(REPOSITORIES)).repositories

    def tags(self, repository: str) -> list[str]:
        names = read_names(self.names(f"{REPOSITORIES}{repository}/_manifests/tags/"))
        return sorted(names.tags.get(repository, ()))

    def revisions(self, repository: str) -> set[str]:
        """Every manifest that the repository serves by digest."""
        names = read_names(self.names(f"{REPOSITORIES}{repository}/_manifests/revisions/"))
        return names.revisions.get(repository, set())

    def resolve(self, repository: str, tag: str) -> str:
        """Where the tag's link points; raises NotServed."""
        return self.link(tag_path(repository, tag))

    def manifest(self, repository: str, reference: str) -> ServedManifest:
        """A manifest by tag or by digest, which alone has a colon.

        Raises NotServed without a revision link, Damaged for other bytes.
        """
        digest = check_digest(reference) if ":" in reference else self.resolve(repository, reference)
        target = self.link(revision_path(repository, digest))
        try:
            raw = bytes(self.container.download_blob(blob_path(target)).readall())
        except ResourceNotFoundError:
            raise NotServed(f"{repository}@{digest}: {blob_path(target)} is not there") from None
        if not has_digest(raw, digest):
            raise Damaged(f"{repository}@{digest}: the bytes have {digest_of(raw, algorithm_of(digest))}")
        try:
            return ServedManifest(read_body(raw).media_type, digest, raw)
        except ValueError as error:
            raise Damaged(f"{repository}@{digest}: {error}") from error

    def size(self, repository: str, digest: str) -> int:
        """Bytes of a config or layer; raises NotServed without a link in this repository."""
        target = self.link(layer_path(repository, digest))
        try:
            return int(self.container.get_blob_client(blob_path(target)).get_blob_properties().size)
        except ResourceNotFoundError:
            raise NotServed(f"{repository}@{digest}: {blob_path(target)} is not there") from None

    def blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """A config or layer, piece by piece. Raises NotServed at once without a link, Damaged after the last piece."""
        target = self.link(layer_path(repository, digest))
        try:
            stream = self.container.download_blob(blob_path(target))
        except ResourceNotFoundError:
            raise NotServed(f"{repository}@{digest}: {blob_path(target)} is not there") from None

        def pieces() -> Iterator[bytes]:
            hasher = hashlib.new(algorithm_of(digest))
            for piece in stream.chunks():
                hasher.update(piece)
                yield bytes(piece)
            if (found := f"{algorithm_of(digest)}:{hasher.hexdigest()}") != digest:
                raise Damaged(f"{repository}@{digest}: the bytes have {found}")

        return pieces()

    def link(self, path: str) -> str:
        """Where a link points; raises NotServed, or Damaged: the whole of it has to be a digest, without a newline."""
        try:
            text = bytes(self.container.download_blob(path).readall())
        except ResourceNotFoundError:
            raise NotServed(f"{path} is not there") from None
        try:
            return check_digest(text.decode())
        except ValueError as error:
            raise Damaged(f"{path} holds no digest: {text[:100]!r}") from error
