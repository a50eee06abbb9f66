"""How a blob is begun: known or found in the mirror, claimed by another worker, put at one go, or opened for many
threads."""

from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto

from acrmirror.copying.budget import SMALL, Buffer, Need
from acrmirror.copying.context import Context
from acrmirror.copying.moving import CheckedBlob, CopiedBlob, Held, MovingBlob, mended
from acrmirror.copying.ports import BlobSource, BlobTarget, Claim, Ingest, Stored
from acrmirror.errors import Malformed
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest


@dataclass(slots=True, eq=False)
class Wanted:
    """A blob that is not begun. `damaged` is what the mirror has of it, if that was hashed and found to be wrong. `due`
    is the monotonic time at which to try (again), `polls` how often another worker was found to have it."""

    descriptor: Descriptor
    resume: bool
    damaged: Stored | None = None
    due: float = 0.0
    polls: int = 0


class Begun(Enum):
    """What became of a blob that is not moved block by block."""

    DONE = auto()
    CLAIMED = auto()
    """By another worker: it is to be asked about again."""


class Opener:
    """Begins the blobs of one run. Thread-safe."""

    def __init__(self, source: BlobSource, target: BlobTarget, repository: str, context: Context) -> None:
        self._source = source
        self._target = target
        self._repository = repository
        self._context = context
        self._progress = context.progress

    def open(self, wanted: Wanted, buffer: Buffer) -> MovingBlob | Begun:
        """Raises NotFound where the registry does not have it in this repository, and whatever else keeps a blob away.
        What is DONE is linked; whoever finishes a MovingBlob links and closes it."""
        descriptor = wanted.descriptor
        if not self._context.force and self._target.known(self._repository, descriptor):
            self._progress.state(descriptor.digest, "skipped")
            return Begun.DONE
        with ExitStack() as closing:
            claim: Claim | None = None
            ingest = self._target.unasked(descriptor) if wanted.damaged is None and not self._context.force else None
            if ingest is not None:
                return self._copy(wanted, ingest, None, closing, buffer)
            if self._context.claims is not None and self._is_worth_a_claim(descriptor):
                # Where all are claimed, a claim is cheaper than the question, which is asked once it is held.
                eager = not self._context.force and not self._context.claims_all
                if eager and self._target.has(descriptor):
                    return self._found(descriptor)
                claim = self._context.claims.acquire(descriptor.digest)
                if claim is None:
                    self._progress.state(descriptor.digest, "claimed")
                    return Begun.CLAIMED
                closing.callback(claim.release)
            if wanted.damaged is not None:
                return self._copy(wanted, wanted.damaged.replacement(resume=wanted.resume), claim, closing, buffer)
            stored = self._target.stored(descriptor) if self._context.force else None
            if stored is not None:
                return self._check(wanted, stored, claim, closing, buffer)
            ingest = self._ingest(wanted)
            if ingest is None:
                return self._found(descriptor)
            return self._copy(wanted, ingest, claim, closing, buffer)

    def blocks(self, descriptor: Descriptor) -> int:
        return self._target.blocks(descriptor)

    def need(self, wanted: Wanted) -> Need:
        """What it takes to begin a blob. One of several blocks is only opened; another is there twice while it is put,
        since the SDK takes no view of it."""
        if self._target.blocks(wanted.descriptor) > 1:
            return Need(0, small=True)
        twice = 2 * wanted.descriptor.size
        return Need(twice, small=twice <= SMALL)

    def _is_worth_a_claim(self, descriptor: Descriptor) -> bool:
        """A blob of one block is read twice at worst, which costs less than the claim's requests (rule W2)."""
        if descriptor.data is not None or descriptor.is_empty:
            return False
        return self._context.claims_all or self._target.blocks(descriptor) > 1

    def link(self, descriptor: Descriptor) -> None:
        """Links a blob that is in the mirror, and that the registry has in this repository."""
        self._target.link(self._repository, descriptor, mend=self._context.force)

    # a blob that the mirror has

    def _found(self, descriptor: Descriptor) -> Begun:
        linked = self._target.linked(self._repository, descriptor.digest)
        if not linked:
            self._check_at_registry(descriptor)
        if not linked or self._context.force:
            self.link(descriptor)
        self._progress.state(descriptor.digest, "skipped")
        return Begun.DONE

    def _check_unlinked(self, descriptor: Descriptor) -> None:
        """What is said of content, how large it is, that it is damaged, is said only to those who have it."""
        if not self._target.linked(self._repository, descriptor.digest):
            self._check_at_registry(descriptor)

    def _check_at_registry(self, descriptor: Descriptor) -> None:
        """Raises NotFound where the registry does not have the blob in this repository (rule L10)."""
        if descriptor.data is None and not descriptor.is_empty:
            self._source.check_blob(self._repository, descriptor)

    def _check(
        self, wanted: Wanted, stored: Stored, claim: Claim | None, closing: ExitStack, buffer: Buffer
    ) -> MovingBlob | Begun:
        """Hashes what the mirror has. What has several blocks is left to many threads."""
        descriptor = wanted.descriptor
        self._check_unlinked(descriptor)
        self._progress.state(descriptor.digest, "checking")
        if stored.count > 1:
            return CheckedBlob(descriptor, stored, Held(stored, claim, closing.pop_all()), self._progress)
        data = buffer.view(descriptor.size)
        if descriptor.size:
            forget = self._context.cancel.on_set(stored.close)
            try:
                stored.read_into(0, data, self._progress.checking(descriptor.digest))
            finally:
                forget()
        if Digest.of(data, descriptor.digest.algorithm) != descriptor.digest:
            return self._copy(wanted, stored.replacement(resume=wanted.resume), claim, closing, buffer)
        self.link(descriptor)
        self._progress.state(descriptor.digest, "skipped")
        return Begun.DONE

    # a blob that the mirror lacks

    def _ingest(self, wanted: Wanted) -> Ingest | None:
        try:
            return self._target.ingest(wanted.descriptor, resume=wanted.resume)
        except Malformed:
            self._check_unlinked(wanted.descriptor)
            raise

    def _copy(
        self, wanted: Wanted, ingest: Ingest, claim: Claim | None, closing: ExitStack, buffer: Buffer
    ) -> MovingBlob | Begun:
        """What has several blocks is left to many threads; anything else is read, put and linked."""
        descriptor = wanted.descriptor
        self._progress.state(descriptor.digest, "copying")
        if descriptor.data is not None or descriptor.is_empty:
            return self._put(ingest, descriptor, memoryview(descriptor.data or b""))
        reader = closing.enter_context(self._source.blob(self._repository, descriptor))
        if ingest.count > 1:
            return CopiedBlob(descriptor, ingest, Held(reader, claim, closing.pop_all()), self._progress)
        closing.callback(self._context.cancel.on_set(reader.close))
        data = buffer.view(descriptor.size)
        reader.read_into(0, data, self._progress.reading(descriptor.digest))
        return self._put(ingest, descriptor, data)

    def _put(self, ingest: Ingest, descriptor: Descriptor, data: memoryview) -> Begun:
        if ingest.put(data, Digest.of(data, descriptor.digest.algorithm)):
            self._progress.wrote(len(data))
            if ingest.mends:
                self._progress.note(mended(descriptor.digest))
        self._progress.state(descriptor.digest, "done")
        self.link(descriptor)
        return Begun.DONE
