"""The mirror's contents and links. Tags and history are in `tags`, lists of referrers in `referrers`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ExponentialRetry

from acrmirror.cancel import pause
from acrmirror.errors import Damaged, DigestMismatch, Malformed, TooLarge
from acrmirror.oci import MAX_MANIFEST_SIZE, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest
from acrmirror.store import layout
from acrmirror.store.failures import explained, lost_race
from acrmirror.store.ingest import Ingest
from acrmirror.store.referrers import Referrers
from acrmirror.store.standing import Standing, rehash
from acrmirror.transport import make_transport

_LEFT_OUT = "left_out"
"""Beside a revision link: a foreign layer of what it promises was not to be had."""


class MirrorStore(Referrers):
    """A mirror in one container of Blob Storage.

    `prefix` is put before every repository's name, so that several registries can share one mirror. All methods may
    be called from any thread. Raises Unavailable, Throttled or Denied where storage does.
    """

    @classmethod
    def open(
        cls,
        endpoint: str,
        container: str,
        credential: TokenCredential,
        *,
        prefix: str = "",
        trust_bundle: Path | None = None,
        connections: int = 32,
    ) -> "MirrorStore":
        """`endpoint` is the blob service's URL; `connections` how many are kept open for reuse."""
        service = BlobServiceClient(
            endpoint,
            credential=credential,
            transport=make_transport(trust_bundle, connections),
            retry_policy=_Retries(initial_backoff=1, increment_base=2, retry_total=4, random_jitter_range=1),
            max_single_put_size=layout.BLOCK_SIZE,
            max_single_get_size=4 * layout.MIB,
        )
        return cls(service.get_container_client(container), prefix)

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> "MirrorStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # contents

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the blob stands, with the length that its descriptor gives (rule B5 where it has another).

        Raises Malformed if what stands is right and the descriptor's size is the lie.
        """
        return self._standing(descriptor)[0]

    def blocks(self, descriptor: Descriptor) -> int:
        """In how many blocks the blob is staged; one of a single block is one put."""
        return layout.blocks(descriptor.size)

    def ingest(
        self, descriptor: Descriptor, *, resume: bool = True, verify: Callable[[], None] | None = None
    ) -> Ingest | None:
        """The way in for one blob, or None if it stands already; with `verify`, if what stands hashes to its digest. Of
        what has several blocks that is left to the caller: then the way in has it as `standing`.

        Wrong bytes that stand at its path will be replaced, and only they (If-Match).
        """
        blob = self._container.get_blob_client(layout.blob_data(descriptor.digest))
        if verify is not None and self.blocks(descriptor) > 1:
            etag = self._etag_of(descriptor)
            if etag is not None:
                standing = Standing(blob, descriptor.digest, etag)
                return Ingest(blob, descriptor, resume=resume, replaces=etag, standing=standing)
        stands, wrong = self._standing(descriptor, verify)
        if stands:
            return None
        return Ingest(blob, descriptor, resume=resume, replaces=wrong)

    def _etag_of(self, descriptor: Descriptor) -> str | None:
        """Of what stands at its path with the length that its descriptor gives."""
        with explained(f"look for blob {descriptor.digest}"):
            try:
                found = self._container.get_blob_client(layout.blob_data(descriptor.digest)).get_blob_properties()
            except ResourceNotFoundError:
                return None
        return str(found.etag) if int(found.size) == descriptor.size else None

    def _standing(self, descriptor: Descriptor, verify: Callable[[], None] | None = None) -> tuple[bool, str | None]:
        """Whether it stands; else the ETag of the wrong bytes in its place, if any."""
        blob = self._container.get_blob_client(layout.blob_data(descriptor.digest))
        with explained(f"look for blob {descriptor.digest}"):
            try:
                size = int(blob.get_blob_properties().size)
            except ResourceNotFoundError:
                return False, None
        if size == descriptor.size and verify is None:
            return True, None
        found, length, etag = rehash(blob, descriptor.digest, verify)
        if found == descriptor.digest and length == descriptor.size:
            return True, None
        if found == descriptor.digest:
            raise Malformed(
                f"copy blob {descriptor.digest}",
                f"its descriptor says {descriptor.size} bytes, and the content of that digest has {length}",
                "The manifest that lists it is wrong: build and push the image again.",
            )
        return False, etag

    # links

    def linked(self, repository: str, digest: Digest) -> bool:
        """Whether `repository` has its own link to a config or layer: only then is that served or signed for it."""
        name = layout.layer_link(self.name(repository), digest)
        with explained(f"look for blob {digest} of {repository}"):
            return bool(self._container.get_blob_client(name).exists())

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        """Lets `repository` serve a config or layer that stands; with `mend`, also where a link is that may be
        damaged."""
        name = layout.layer_link(self.name(repository), descriptor.digest)
        body, asked = str(descriptor.digest).encode(), f"link blob {descriptor.digest} to {repository}"
        if not mend:
            self._write_once(name, body, None, asked)
            return
        with explained(asked):
            self._container.get_blob_client(name).upload_blob(body, overwrite=True)

    def stands(self, repository: str, digest: Digest, *, whole: bool = False) -> Descriptor | None:
        """The manifest's descriptor, if its whole closure stands in this repository: the only skip test (rule L1). With
        `whole`, only if no foreign layer was left out of that."""
        name = layout.revision_link(self.name(repository), digest)
        with explained(f"look for {repository}@{digest}"):
            try:
                metadata = self._container.get_blob_client(name).get_blob_properties().metadata
            except ResourceNotFoundError:
                return None
        if whole and _LEFT_OUT in metadata:
            return None
        try:
            return Descriptor(str(metadata["media_type"]), digest, int(metadata["size"]))
        except (KeyError, ValueError):
            return None

    def has_subject(self, repository: str, digest: Digest) -> bool:
        """Whether the manifest that stands refers to another: its revision link says so."""
        name = layout.revision_link(self.name(repository), digest)
        with explained(f"look for {repository}@{digest}"):
            try:
                return "subject" in self._container.get_blob_client(name).get_blob_properties().metadata
            except ResourceNotFoundError:
                return False

    def write_manifest(
        self, repository: str, manifest: Manifest, *, verify: Callable[[], None] | None = None, whole: bool = True
    ) -> None:
        """The manifest's bytes, then its revision link. To be called when all that it points at stands; `whole` is off
        where a foreign layer was left out of that."""
        self._put_content(manifest.raw, manifest.digest, verify)
        metadata = {"media_type": manifest.media_type, "size": str(manifest.size)}
        if manifest.subject is not None:
            metadata["subject"] = str(manifest.subject.digest)
        if not whole:
            metadata[_LEFT_OUT] = "true"
        name = layout.revision_link(self.name(repository), manifest.digest)
        asked = f"link manifest {manifest.digest} to {repository}"
        with explained(asked):
            self._container.get_blob_client(name).upload_blob(
                str(manifest.digest).encode(), overwrite=True, metadata=metadata
            )

    def read_manifest(self, repository: str, descriptor: Descriptor) -> Manifest:
        """A manifest that stands, parsed. Raises Damaged, DigestMismatch or Malformed (TooLarge among it) where what
        stands is none."""
        asked = f"read {repository}@{descriptor.digest} from the mirror"
        raw = self._read(layout.blob_data(descriptor.digest), asked, MAX_MANIFEST_SIZE)
        return parse_manifest(raw, descriptor.media_type, descriptor.digest)

    def read_blob(self, descriptor: Descriptor, limit: int) -> bytes | None:
        """A small blob's bytes, such as a config's; None if it has more than `limit`. Raises Damaged or
        DigestMismatch where it is damaged."""
        if descriptor.size > limit:
            return None
        asked = f"read blob {descriptor.digest} from the mirror"
        raw = self._read(layout.blob_data(descriptor.digest), asked, limit)
        if not descriptor.digest.matches(raw):
            raise DigestMismatch(asked, "its bytes have another digest", "Pull the image again with force.")
        return raw

    # shared by all that write

    def _put_content(self, raw: bytes, digest: Digest, verify: Callable[[], None] | None) -> None:
        descriptor = Descriptor("application/octet-stream", digest, len(raw))
        way_in = self.ingest(descriptor, verify=verify)
        if way_in is not None:
            way_in.put(memoryview(raw), Digest.of(raw, digest.algorithm))

    def _write_once(self, name: str, body: bytes, metadata: Mapping[str, str] | None, asked: str) -> bool:
        """Writes a small blob unless it stands; returns whether it was written."""
        with explained(asked):
            try:
                self._container.get_blob_client(name).upload_blob(
                    body, overwrite=False, metadata=dict(metadata) if metadata else None
                )
            except HttpResponseError as error:
                if not lost_race(error):
                    raise
                return False
        return True

    def _read(self, name: str, asked: str, limit: int) -> bytes:
        """A blob of at most `limit` bytes. Raises Damaged, TooLarge."""
        with explained(asked):
            try:
                stream = self._container.get_blob_client(name).download_blob()
                if stream.size <= limit:
                    return bytes(stream.readall())
            except ResourceNotFoundError as error:
                raise Damaged(
                    asked, "the mirror has a link to it, and not its content", "Pull the image again with force."
                ) from error
        raise TooLarge(asked, f"what stands there has more than {limit} bytes", "Pull the image again with force.")


class _Retries(ExponentialRetry):
    """Pauses that end with the job: the SDK's clients for single blobs would sleep through it."""

    def sleep(self, settings: Any, transport: Any) -> None:  # noqa: ARG002
        pause(max(0.0, float(self.get_backoff_time(settings))))
