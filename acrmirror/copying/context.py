"""What a copy runs with, and all that it knows of its two sides."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from acrmirror.cancel import Cancel
from acrmirror.copying.lagging import WINDOW
from acrmirror.copying.referrals import Lists, Referrals
from acrmirror.errors import Malformed
from acrmirror.history import Clock, Observation, TagEvent
from acrmirror.oci import Descriptor, Manifest
from acrmirror.reference import Digest, Reference

NOTES_KEPT = 50
Arrived = Callable[[int], None]
"""Told of bytes as they come: how many more."""
Verify = Callable[[], None]
"""Given to what looks for content: then what stands is read and hashed anew. Called in between; it may raise. What has
several blocks is left to the caller to hash (`Ingest.standing`)."""


class Resolved(Protocol):
    """Where a reference is at the registry: `at` is the registry's own time, UTC with nine digits; `clock` is `mirror`
    where that could not be believed, and it is this machine's."""

    @property
    def descriptor(self) -> Descriptor: ...
    @property
    def at(self) -> str: ...
    @property
    def clock(self) -> Clock: ...


class ManifestBytes(Protocol):
    """A manifest as the registry served it, with the Content-Type that it gave."""

    @property
    def raw(self) -> bytes: ...
    @property
    def media_type(self) -> str: ...


class BlobReader(Protocol):
    """One blob of the registry, read at any offset by many threads at once."""

    def read_into(self, offset: int, buffer: memoryview, arrived: Arrived) -> None:
        """Fills `buffer` with the blob's bytes from `offset`, or raises."""

    def close(self) -> None:
        """From any thread: reads that are blocked raise Cancelled."""


class Source(Protocol):
    """The registry."""

    def resolve(self, reference: Reference) -> Resolved: ...
    def manifest(self, repository: str, digest: Digest) -> ManifestBytes: ...
    def blob(self, repository: str, descriptor: Descriptor) -> AbstractContextManager[BlobReader]: ...
    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        """One request, and no bytes of the blob. Raises NotFound where this repository does not have it."""

    def referrers(self, repository: str, digest: Digest, odd: Callable[[Malformed], None]) -> Iterator[Descriptor]:
        """`odd` is told of each entry of the list that can not be read and that is left out."""


class Ingest(Protocol):
    """The way in for one blob, see `store.Ingest`."""

    @property
    def block_size(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def mends(self) -> bool:
        """Whether bytes stand in its place that a commit replaces."""

    @property
    def standing(self) -> BlobReader | None:
        """What stands in its place and may well be right: it is to be read and hashed before anything is staged."""

    def block(self, index: int) -> tuple[int, int]: ...
    def stage(self, index: int, data: memoryview, running: bytes) -> bool: ...
    def put(self, data: memoryview, digest: Digest) -> bool: ...
    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool: ...


class TagState(Protocol):
    @property
    def digest(self) -> Digest | None:
        """None where the link is damaged."""

    @property
    def at(self) -> str: ...
    @property
    def event(self) -> TagEvent | None:
        """The newest event of the tag that any job knew."""

    @property
    def sequence(self) -> int:
        """How often the link was written."""


class Target(Lists, Protocol):
    """The mirror."""

    def has(self, descriptor: Descriptor) -> bool: ...
    def blocks(self, descriptor: Descriptor) -> int:
        """How many blocks `ingest` has for the blob; asks nobody."""

    def stands(self, repository: str, digest: Digest, *, whole: bool = False) -> Descriptor | None:
        """With `whole`, only what no foreign layer was left out of."""

    def has_subject(self, repository: str, digest: Digest) -> bool: ...
    def ingest(self, descriptor: Descriptor, *, resume: bool = True, verify: Verify | None = None) -> Ingest | None: ...
    def linked(self, repository: str, digest: Digest) -> bool:
        """Whether this repository has its own link to a config or layer."""

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None: ...
    def write_manifest(
        self, repository: str, manifest: Manifest, *, verify: Verify | None = None, whole: bool = True
    ) -> None: ...
    def read_manifest(self, repository: str, descriptor: Descriptor) -> Manifest: ...
    def keep_referrers_tag(self, repository: str, tag: str, at: str) -> Digest | None:
        """The list under a referrers tag that the registry does not have, rebuilt if need be; None if there is none."""

    def merge_referrers_tag(
        self,
        repository: str,
        tag: str,
        theirs: Manifest,
        at: str,
        expected: Any,
        event: TagEvent | None = None,
    ) -> Digest:
        """Sets it to the registry's own list, or to a larger one; TagMoved if it is not as `expected` any more."""

    def read_tag(self, repository: str, tag: str) -> TagState | None: ...
    def tag(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: str,
        expected: Any,
        event: TagEvent | None = None,
    ) -> None: ...
    def observe(self, reference: Reference, seen: Observation) -> None:
        """Raises UnkeptName for a tag whose name storage would change."""


class Claim(Protocol):
    """The right to read one blob from the registry; a courtesy between workers, nothing rests on it."""

    def renew(self, done: int) -> None:
        """Says that `done` bytes are through. Cheap to call often."""

    def release(self) -> None: ...


class Claims(Protocol):
    def acquire(self, digest: Digest) -> Claim | None:
        """The claim, or None while another worker holds it."""


@dataclass(slots=True)
class LayerProgress:
    """One blob; `done` are its bytes that have arrived. `state` is `waiting`, `checking` (what stands is hashed anew),
    `copying`, `claimed` (by another worker), `done`, `skipped`, `left out` or `failed`.

    Of its last reading from the registry: `first` is when its first byte came, by the monotonic clock, `read` how many
    have come, `took` the seconds from there until the blob was done.
    """

    size: int
    done: int = 0
    state: str = "waiting"
    first: float | None = None
    read: int = 0
    took: float = 0.0


class Progress:
    """What is known of a run so far. Figures never go back: a layer that is read again counts from its high mark."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.layers: dict[str, LayerProgress] = {}
        self.manifests = 0
        self.bytes_read = 0
        self.bytes_written = 0
        self.blobs_written = 0
        self.notes: list[str] = []
        self.started = time.monotonic()

    def plan(self, descriptor: Descriptor) -> None:
        with self._lock:
            self.layers.setdefault(str(descriptor.digest), LayerProgress(descriptor.size))

    def state(self, digest: Digest, state: str) -> None:
        with self._lock:
            layer = self.layers.setdefault(str(digest), LayerProgress(0))
            layer.state = state
            if state in ("done", "skipped"):
                layer.done = layer.size
                layer.took = time.monotonic() - layer.first if layer.first is not None else 0.0

    def reading(self, digest: Digest, *, again: bool = False) -> Arrived:
        """For one reading of a whole blob: to be told of its bytes as they arrive, in whatever order; `again` if it is
        read from the mirror.

        So progress is seen on the slowest link, where all threads' blocks fill up together and end together.
        """
        arrived = 0

        def tell(count: int) -> None:
            nonlocal arrived
            with self._lock:
                arrived += count
                self.bytes_read += 0 if again else count
                layer = self.layers.setdefault(str(digest), LayerProgress(0))
                layer.done = max(layer.done, arrived)
                if not again:
                    if layer.first is None or arrived == count:
                        layer.first = time.monotonic()
                    layer.read = arrived

        return tell

    def read_again(self, count: int) -> None:
        """Bytes that were read once more, of a blob that was through."""
        with self._lock:
            self.bytes_read += count

    def wrote(self, count: int = 0, blobs: int = 0) -> None:
        """Bytes that were really sent to storage; blobs committed."""
        with self._lock:
            self.bytes_written += count
            self.blobs_written += blobs

    def note(self, text: str) -> bool:
        """Something that whoever reads the record ought to know; once, however often it is said. Whether it is new."""
        with self._lock:
            new = text not in self.notes and len(self.notes) < NOTES_KEPT
            if new:
                self.notes.append(text)
            return new

    def manifest_written(self) -> None:
        with self._lock:
            self.manifests += 1

    @property
    def bytes_total(self) -> int:
        with self._lock:
            return sum(layer.size for layer in self.layers.values())

    @property
    def bytes_done(self) -> int:
        with self._lock:
            return sum(layer.done for layer in self.layers.values())

    def count(self, *states: str) -> int:
        """Layers in any of these states (all, if none is named)."""
        with self._lock:
            return sum(1 for layer in self.layers.values() if not states or layer.state in states)

    def snapshot(self) -> dict[str, LayerProgress]:
        with self._lock:
            return {key: replace(it) for key, it in self.layers.items()}


@dataclass(slots=True)
class Context:
    """What one run carries. `threads` copy blocks at once, each with one buffer: memory is bounded by their product.

    `force` looks at everything again, whatever links promise, and hashes what stands anew; `resume` is off after a
    digest mismatch. `identity` names the job in history, `at` is the registry's time of what the job is about (UTC,
    nine digits). `event` is the push that the job brings news of, if it does; `about` is one that is in history
    already, which the registry is asked about again. For as long as `window` after a push the registry's replicas may
    be behind. `manifests` are all that this run came to, `referrals` those of them that are to be listed.
    """

    identity: str
    at: str
    threads: int = 11
    claims: Claims | None = None
    force: bool = False
    resume: bool = True
    claim_wait: float = 60.0
    cancel: Cancel = field(default_factory=Cancel)
    progress: Progress = field(default_factory=Progress)
    manifests: set[Digest] = field(default_factory=set)
    referrals: Referrals = field(default_factory=Referrals)
    event: Observation | None = None
    about: TagEvent | None = None
    window: timedelta = WINDOW
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def verify(self) -> Verify | None:
        return self.cancel.check if self.force else None
