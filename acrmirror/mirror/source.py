"""The mirror as what a copy reads from: so images go back to a registry by the engine that copied them here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from acrmirror.cancel import Cancel
from acrmirror.errors import Damaged, DigestMismatch, Malformed, NotHere
from acrmirror.history import Clock
from acrmirror.mirror.blobs import ASKED_OVER
from acrmirror.mirror.store import MirrorStore
from acrmirror.mirror.stored import StoredBlob
from acrmirror.moments import EARLIEST, Moment
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, Reference

PULL_AGAIN = "Pull the image again with force, while the registry has it."


@dataclass(frozen=True, slots=True)
class MirroredReference:
    """Where the mirror has a tag or a digest; `at` is since when, by the registry's time, or EARLIEST."""

    descriptor: Descriptor
    at: Moment = EARLIEST
    clock: Clock = "registry"


@dataclass(frozen=True, slots=True)
class MirroredManifest:
    """A manifest's bytes, and the type that the registry gave them."""

    raw: bytes
    media_type: str


class MirrorSource:
    """Reads what repositories of the mirror have. Thread-safe.

    A repository has what its own links say (rule L10): content that only others have is NotHere. What the mirror lacks
    of its own promises is Damaged. All raise Unavailable, Throttled and Denied where storage does.
    """

    def __init__(self, store: MirrorStore) -> None:
        self._store = store
        self._resolved: tuple[str, Descriptor] | None = None
        """What `resolve` found last: it is read next, and is there."""

    def resolve(self, reference: Reference) -> MirroredReference:
        """Where the mirror has the reference's tag now, or its digest if it has no tag."""
        at, digest = EARLIEST, reference.digest
        if reference.tag is not None:
            state = self._store.tags.read(reference.repository, reference.tag)
            at, digest = (state.at, state.digest) if state is not None else (EARLIEST, None)
        descriptor = self._store.manifests.find(reference.repository, digest) if digest is not None else None
        if descriptor is None:
            raise _not_here(str(reference))
        self._resolved = reference.repository, descriptor
        return MirroredReference(descriptor, at)

    def manifest(self, repository: str, digest: Digest) -> MirroredManifest:
        """Raises NotHere where this repository has no such manifest, DigestMismatch where other bytes are stored,
        Damaged where none are, TooLarge over 4 MiB."""
        known = self._resolved
        if known is not None and (known[0], known[1].digest) == (repository, digest):
            found: Descriptor | None = known[1]
        else:
            found = self._store.manifests.find(repository, digest)
        if found is None:
            raise _not_here(f"{repository}@{digest}")
        raw = self._store.manifests.raw(repository, found)
        if not digest.matches(raw):
            asked = f"read {repository}@{digest} from the mirror"
            raise DigestMismatch(asked, f"its bytes have the digest {Digest.of(raw, digest.algorithm)}", PULL_AGAIN)
        return MirroredManifest(raw, found.media_type)

    @contextmanager
    def blob(self, repository: str, descriptor: Descriptor) -> Iterator["MirrorReader"]:
        """Opens a blob. Raises NotHere where this repository has no such blob. Where it has a link and no content,
        Damaged is raised, and DigestMismatch where the content is not as long as the descriptor says: for a small blob
        by its reader, which reads all of it at once and looks for nothing before."""
        content: StoredBlob | Callable[[], bytes] | None = None
        if descriptor.size:
            self.check_blob(repository, descriptor)
            if descriptor.size > ASKED_OVER:
                content = self._stored(repository, descriptor)
            else:
                content = partial(self._read, repository, descriptor)
        reader = MirrorReader(content, descriptor)
        try:
            yield reader
        finally:
            reader.close()

    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        """One request. Raises NotHere where this repository has no such blob."""
        if not self._store.blobs.linked(repository, descriptor.digest):
            raise _not_here(f"blob {descriptor.digest} of {repository}")

    def referrers(
        self,
        repository: str,
        digest: Digest,
        odd: Callable[[Malformed], None],  # noqa: ARG002 - the mirror's lists are its own
    ) -> Iterator[Descriptor]:
        """What refers to the digest, as far as the mirror knows."""
        yield from self._store.referrers.of(repository, digest)

    def _stored(self, repository: str, descriptor: Descriptor) -> StoredBlob:
        return self._store.blobs.stored(descriptor) or self._wrong(repository, descriptor)

    def _read(self, repository: str, descriptor: Descriptor) -> bytes:
        body = self._store.blobs.small(descriptor)
        return body if body is not None else self._wrong(repository, descriptor)

    def _wrong(self, repository: str, descriptor: Descriptor) -> NoReturn:
        """Raises what is wrong with content that is missing, or not as long as its descriptor says."""
        asked = f"read blob {descriptor.digest} of {repository} from the mirror"
        length = self._store.blobs.length(descriptor.digest)
        if length is None:
            raise Damaged(asked, "the mirror has a link to it, and not its content", PULL_AGAIN)
        raise DigestMismatch(asked, f"it has {length} bytes, and its descriptor says {descriptor.size}", PULL_AGAIN)


class MirrorReader:
    """One blob of the mirror, read at any offset by many threads at once; `content` of a small one gives all of it."""

    def __init__(self, content: StoredBlob | Callable[[], bytes] | None, descriptor: Descriptor) -> None:
        self._content = content
        self._size = descriptor.size
        self._cancel = Cancel(f"read blob {descriptor.digest} from the mirror")

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        """Fills `buffer` with the blob's bytes from `offset`. Raises Cancelled after `close`, also where it is blocked
        by then; Conflict where a large blob was replaced meanwhile; what `MirrorSource.blob` says for a small one."""
        if offset + len(buffer) > self._size:
            raise ValueError(f"there are {self._size} bytes")
        self._cancel.check()
        if self._content is None or not len(buffer):
            return
        # What storage is asked here is cut by `close`, which whoever cancels the job calls.
        with self._cancel.bound():
            if isinstance(self._content, StoredBlob):
                self._content.read_into(offset, buffer, arrived)
                return
            buffer[:] = self._content()[offset : offset + len(buffer)]
        arrived(len(buffer))

    def close(self) -> None:
        """From any thread."""
        self._cancel.set("reading was stopped")


def _not_here(what: str) -> NotHere:
    return NotHere(f"look for {what} in the mirror", "it is missing there", "Look at the name, and at what was pulled.")
