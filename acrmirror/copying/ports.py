"""What a copy asks of its two sides, in small roles; a function takes the roles that it uses.

All of them are here, however long that is: what a new side has to do is read from its beginning to its end.

Each sentence here is a promise that every implementation keeps, also those in memory: `tests/contracts` has a test of
each. All may be used from any thread. What fails raises the errors of `acrmirror.errors`: a registry NotFound, Denied,
Throttled or Unavailable; the mirror Denied, Throttled or Unavailable.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from acrmirror.errors import Malformed
from acrmirror.history import Clock, Observation, TagEvent
from acrmirror.moments import Moment
from acrmirror.oci import Descriptor, Manifest
from acrmirror.reference import Digest, Reference

Arrived = Callable[[int], None]
"""Told of bytes as they come: how many more."""


class BlobReader(Protocol):
    """One blob, read at any offset by many threads at once."""

    def read_into(self, offset: int, buffer: memoryview, arrived: Arrived) -> None:
        """Fills `buffer` with the blob's bytes from `offset`, and tells `arrived` of each of them once. Raises
        DigestMismatch where a registry's blob is not as long as its descriptor says, Cancelled after `close`."""

    def close(self) -> None:
        """From any thread: reads that are blocked raise Cancelled."""


# the registry


class Resolved(Protocol):
    """Where a reference is at the registry. `at` is the registry's own time; where that could not be believed it is
    this machine's, and `clock` is `mirror`."""

    @property
    def descriptor(self) -> Descriptor: ...
    @property
    def at(self) -> Moment: ...
    @property
    def clock(self) -> Clock: ...


class ManifestBytes(Protocol):
    """A manifest as the registry served it, with the Content-Type that it gave."""

    @property
    def raw(self) -> bytes: ...
    @property
    def media_type(self) -> str: ...


class Resolver(Protocol):
    def resolve(self, reference: Reference) -> Resolved:
        """Where the registry has the tag now; or the digest, of a reference without a tag. Raises NotFound."""


class ManifestSource(Protocol):
    def manifest(self, repository: str, digest: Digest) -> ManifestBytes:
        """The bytes, which hash to the digest. Raises NotFound where this repository has no such manifest,
        DigestMismatch where other bytes came, TooLarge over 4 MiB."""


class BlobSource(Protocol):
    def blob(self, repository: str, descriptor: Descriptor) -> AbstractContextManager[BlobReader]:
        """Opens a blob. Raises NotFound, here or when the context is entered, where this repository has no such
        blob."""

    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        """One request, and no bytes of the blob. Raises NotFound where this repository has no such blob."""


class ReferrerSource(Protocol):
    def referrers(self, repository: str, digest: Digest, odd: Callable[[Malformed], None]) -> Iterator[Descriptor]:
        """What refers to the digest, read page by page as it is iterated over; nothing where the registry knows none.
        `odd` is told of each entry of the list that can not be read and that is left out."""


class ContentSource(ManifestSource, BlobSource, Protocol):
    """What a digest's closure is read from."""


class Source(Resolver, ContentSource, ReferrerSource, Protocol):
    """A registry."""


# the mirror: blobs


class Blocks(Protocol):
    """How a blob is cut: `count` blocks of `block_size` bytes, the last one maybe shorter; one block where it fits."""

    @property
    def block_size(self) -> int: ...
    @property
    def count(self) -> int: ...
    def block(self, index: int) -> tuple[int, int]:
        """Offset and length in bytes."""


class Ingest(Blocks, Protocol):
    """The way in for one blob. Nothing is at its digest before the commit, or before the put of a single block."""

    @property
    def mends(self) -> bool:
        """Whether the mirror has wrong bytes in its place, which a commit replaces."""

    def stage(self, index: int, data: memoryview, running: bytes) -> bool:
        """Stages a block, from any thread; False where an earlier attempt had staged the very same. `running` is the
        blob's running hash after this block."""

    def put(self, data: memoryview, digest: Digest) -> bool:
        """A blob of one block, of which `digest` is the hash. Returns and raises what `commit` does; wrong bytes in its
        place, which their length gives away, are replaced, and Malformed is raised where the content there is right
        and the descriptor's size is wrong."""

    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool:
        """Makes the blob of its blocks, of which `digest` is the hash; False where another writer was first. `restage`
        stages blocks again that others have dropped. Raises DigestMismatch, and commits nothing, where `digest` is not
        the descriptor's; Conflict where other writers kept winning."""


class Stored(Blocks, BlobReader, Protocol):
    """Bytes in the mirror, to be read and hashed anew. Reads raise Conflict once they were replaced."""

    def replacement(self, *, resume: bool = True) -> Ingest:
        """The way in for the blob where these bytes are wrong: it replaces them and no others."""


class BlobTarget(Protocol):
    """Configs and layers: content by digest, stored once, and a link in each repository that has it."""

    def has(self, descriptor: Descriptor) -> bool:
        """Whether there is content at the digest, as long as the descriptor says."""

    def blocks(self, descriptor: Descriptor) -> int:
        """How many blocks `ingest` has for the blob; asks nobody."""

    def ingest(self, descriptor: Descriptor, *, resume: bool = True) -> Ingest | None:
        """The way in; None where the mirror has the blob. Wrong bytes in its place, which their length gives away, are
        replaced. With `resume`, blocks that an earlier attempt staged need not be sent again. Raises Malformed where
        the content is right and the descriptor's size is wrong."""

    def unasked(self, descriptor: Descriptor) -> Ingest | None:
        """The way in for a blob of one block that is so small that it need not be looked for first: its `put` finds
        out. None for a larger one. Asks nobody."""

    def known(self, repository: str, descriptor: Descriptor) -> bool:
        """Whether the blob and this repository's link to it were in the mirror a while ago; False where that is not
        known. Asks nobody."""

    def stored(self, descriptor: Descriptor) -> Stored | None:
        """What is at the digest, as long as the descriptor says, to be hashed by the caller; None if nothing is, or
        where the target has hashed it itself."""

    def linked(self, repository: str, digest: Digest) -> bool:
        """Whether this repository has its own link to the blob."""

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        """Links content that is in the mirror. With `mend`, also where a link is, which may be damaged."""


# the mirror: manifests


class Revision(Protocol):
    """A manifest that a repository has, with its closure (rule L1). `whole`: no foreign layer was left out of that;
    `refers`: the manifest has a subject."""

    @property
    def descriptor(self) -> Descriptor: ...
    @property
    def whole(self) -> bool: ...
    @property
    def refers(self) -> bool: ...


class ManifestTarget(Protocol):
    def revision(self, repository: str, digest: Digest) -> Revision | None: ...
    def write(self, repository: str, manifest: Manifest, *, anew: bool = False, whole: bool = True) -> None:
        """The bytes, then the link. All that it points at is in the mirror before, but for foreign layers that were
        left out where `whole` is off. With `anew`, bytes that are there are hashed, and replaced if they are wrong."""

    def put(self, manifest: Manifest, *, anew: bool = False) -> None:
        """The first half of `write`: the bytes, which no repository serves yet."""

    def link(self, repository: str, manifest: Manifest, *, whole: bool = True) -> None:
        """The second half of `write`."""

    def read(self, repository: str, descriptor: Descriptor) -> Manifest:
        """Raises Damaged, DigestMismatch or Malformed where the bytes are missing or wrong."""


# the mirror: tags, history, referrers


class TagState(Protocol):
    """A tag as it was read: where it is (None if its link is damaged), since when by the registry's time, the newest
    event of it that any job knew, and how often it was written."""

    @property
    def digest(self) -> Digest | None: ...
    @property
    def at(self) -> Moment: ...
    @property
    def event(self) -> TagEvent | None: ...
    @property
    def sequence(self) -> int: ...


class TagTarget(Protocol):
    def read(self, repository: str, tag: str) -> TagState | None:
        """None where the tag never was."""

    def set(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: Moment,
        expected: Any,
        event: TagEvent | None = None,
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Writes the tag, also where it is already. `expected` is what this target's `read` gave, or None. The newer of
        `event` and of the one that the tag had stays with it. `meanwhile` is called, and is through before the tag
        moves. Raises TagMoved, and does not write the tag, where that was written since it was read; UnkeptName; what
        `meanwhile` raises, and does not write the tag then."""


class HistoryTarget(Protocol):
    def observe(self, reference: Reference, seen: Observation) -> None:
        """Writes an observation down, once. Raises UnkeptName for a tag whose name storage would change."""


class ListedReferrers(Protocol):
    """What makes referrers findable from their subjects."""

    def add(self, repository: str, subject: Digest, referrers: Iterable[Descriptor], at: Moment) -> bool:
        """Adds manifests that were written to their subject's list. False where that tag is something else, which is
        left alone (rule R1)."""


class ReferrerLists(ListedReferrers, Protocol):
    """The mirror's lists under referrers tags (rules R1 to R4). None ever shrinks."""

    def keep_tag(self, repository: str, tag: str, at: Moment) -> Digest | None:
        """The list under a referrers tag that the registry does not have, rebuilt if need be; None if there is none."""

    def merge_tag(
        self, repository: str, tag: str, theirs: Manifest, at: Moment, expected: Any, event: TagEvent | None = None
    ) -> Digest:
        """Sets the tag to the registry's own list, or to a larger one of both, and returns its digest; otherwise as
        `TagTarget.set`."""


# the mirror, composed


class ContentTarget(Protocol):
    """What a closure is written into."""

    @property
    def blobs(self) -> BlobTarget: ...
    @property
    def manifests(self) -> ManifestTarget: ...
    @property
    def referrers(self) -> ListedReferrers: ...


class PlainTags(Protocol):
    """A registry's tags, which have no compare-and-swap."""

    def where(self, repository: str, tag: str) -> Digest | None:
        """None where there is no such tag."""

    def set(self, repository: str, tag: str, manifest: Manifest) -> None:
        """Sets the tag to a manifest that is there."""


class PushTarget(ContentTarget, Protocol):
    """A registry that images are pushed to."""

    @property
    def tags(self) -> PlainTags: ...


class Target(ContentTarget, Protocol):
    """A mirror."""

    @property
    def referrers(self) -> ReferrerLists: ...
    @property
    def tags(self) -> TagTarget: ...
    @property
    def history(self) -> HistoryTarget: ...


# other workers


class Claim(Protocol):
    """The right to read one blob from the registry; a courtesy between workers, nothing rests on it."""

    def renew(self, done: int) -> None:
        """Says that `done` bytes are through. Cheap to call often."""

    def release(self) -> None:
        """Leaves the blob to others. May be called twice."""


class Claims(Protocol):
    def acquire(self, digest: Digest) -> Claim | None:
        """The claim, or None while another worker holds it. Raises nothing."""
