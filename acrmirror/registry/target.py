"""A registry that images are pushed to."""

from collections.abc import Callable, Iterable
from itertools import islice
from urllib.parse import urlencode

from azure.core.rest import HttpResponse

from acrmirror.errors import Denied, Malformed, NotFound, Permanent
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.registry.policy import OnRequest
from acrmirror.registry.pushing import PushedManifests, PushedReferrers, PushedTags, Wire
from acrmirror.registry.session import Session
from acrmirror.registry.uploads import CHUNK, BlobUpload, Upload, chunks

MOUNTS_TRIED = 2
"""Repositories that a blob is mounted from at most, before it is sent."""

Elsewhere = Callable[[Descriptor], Iterable[str]]
"""Other repositories of the target that may have a blob, and that it may be mounted from."""


def nowhere(descriptor: Descriptor) -> Iterable[str]:  # noqa: ARG001
    return ()


def untold(descriptor: Descriptor) -> None:
    """For whoever keeps no account of what a registry has."""


class RegistryTarget:
    """One repository of a registry, to be written into. Thread-safe. Its session must have been opened with `pushes`.

    `on_request` is told of every answer but 401. `elsewhere` says from where a blob may be mounted, and `arrived` is
    told of each that the repository has now. A blob goes out in chunks of `chunk` bytes. Every repository's name is put
    behind `prefix` at the registry; only `elsewhere` gives names as they are there.
    """

    def __init__(
        self,
        session: Session,
        repository: str,
        on_request: OnRequest | None = None,
        elsewhere: Elsewhere = nowhere,
        arrived: Callable[[Descriptor], None] = untold,
        chunk: int = CHUNK,
        prefix: str = "",
    ) -> None:
        wire = Wire(session, on_request, prefix)
        self.repository = repository
        self.blobs = RegistryBlobs(wire, repository, elsewhere, arrived, chunk)
        self.manifests = PushedManifests(wire)
        self.tags = PushedTags(self.manifests)
        self.referrers = PushedReferrers(self.manifests)


class RegistryBlobs:
    """Configs and layers of one repository."""

    def __init__(
        self, wire: Wire, repository: str, elsewhere: Elsewhere, arrived: Callable[[Descriptor], None], chunk: int
    ) -> None:
        self._chunk = chunk
        self._wire = wire
        self._repository = repository
        self._elsewhere = elsewhere
        self._arrived = arrived
        self._present: dict[Digest, int] = {}

    def has(self, descriptor: Descriptor) -> bool:
        """Whether this repository has the blob, as long as the descriptor says: one HEAD, once it is there."""
        return self._known(descriptor.digest) == descriptor.size

    def blocks(self, descriptor: Descriptor) -> int:
        return chunks(descriptor.size, self._chunk)

    def ingest(self, descriptor: Descriptor, *, resume: bool = True) -> BlobUpload | None:  # noqa: ARG002
        """The way in; None where the repository has the blob, or has it now from another one of the registry. Nothing
        is resumed: uploads end with their run. Raises Malformed where the descriptor's size is wrong."""
        length = self._known(descriptor.digest)
        if length is not None and length != descriptor.size:
            raise Malformed(
                f"push blob {descriptor.digest} to {self._wire.host}/{self._repository}",
                f"its descriptor says {descriptor.size} bytes, and the registry has {length}",
                "The manifest that lists it is wrong: build and push the image again.",
            )
        if length is not None:
            self._note(descriptor)
            return None
        begun = self._mounted(descriptor)
        if begun is not None and begun.status_code == 201:
            self._note(descriptor)
            return None
        return BlobUpload(descriptor, self._chunk, lambda: self._upload(descriptor, begun or self._begin()), self._note)

    def unasked(self, descriptor: Descriptor) -> None:  # noqa: ARG002
        """None: an upload is several requests, so that each blob is looked for first."""
        return

    def known(self, repository: str, descriptor: Descriptor) -> bool:  # noqa: ARG002
        """False: what is there is remembered where it is looked for."""
        return False

    def stored(self, descriptor: Descriptor) -> None:  # noqa: ARG002
        """Nothing to be hashed anew: a registry has hashed what it took."""
        return

    def linked(self, repository: str, digest: Digest) -> bool:
        """Whether the repository has the blob. Another repository than this one is asked about."""
        return (self._known(digest) if repository == self._repository else self._length(digest, repository)) is not None

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        """Nothing: a blob was pushed to its repository, or mounted there."""

    def _note(self, descriptor: Descriptor) -> None:
        self._present[descriptor.digest] = descriptor.size
        self._arrived(descriptor)

    def _known(self, digest: Digest) -> int | None:
        """The length of a blob of this repository, or None; the registry is asked once for one that it has."""
        length = self._present.get(digest)
        if length is None:
            length = self._length(digest, self._repository)
            if length is not None:
                self._present[digest] = length
        return length

    def _length(self, digest: Digest, repository: str) -> int | None:
        path = f"/v2/{self._wire.named(repository)}/blobs/{digest}"
        try:
            answer = self._wire.send("HEAD", path)
        except NotFound:
            return None
        length = answer.headers.get("Content-Length") or ""
        return int(length) if length.isascii() and length.isdecimal() else -1

    def _begin(self, query: str = "") -> HttpResponse:
        return self._wire.send("POST", f"/v2/{self._wire.named(self._repository)}/blobs/uploads/{query}")

    def _mounted(self, descriptor: Descriptor) -> HttpResponse | None:
        """The answer of the first repository that the blob may be mounted from: 201 where it was, 202 where an upload
        was begun instead; None where there is none, or this identity may not, which says nothing of an upload."""
        others = (it for it in self._elsewhere(descriptor) if it != self._wire.named(self._repository))
        for other in islice(others, MOUNTS_TRIED):
            try:
                return self._begin("?" + urlencode({"mount": str(descriptor.digest), "from": other}))
            except (Denied, NotFound, Permanent):
                continue
        return None

    def _upload(self, descriptor: Descriptor, begun: HttpResponse) -> Upload:
        wire = self._wire
        return Upload(wire.session, wire.on_request, wire.named(self._repository), descriptor.digest, begun)
