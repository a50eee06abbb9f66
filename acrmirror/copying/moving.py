"""One blob of several blocks on its way, block by block, by whichever threads hold its blocks."""

import threading
from abc import ABC, abstractmethod
from contextlib import ExitStack
from functools import partial

from acrmirror.copying.budget import Buffer
from acrmirror.copying.ports import Arrived, BlobReader, Blocks, Claim, Ingest, Stored
from acrmirror.copying.progress import Progress
from acrmirror.errors import DigestMismatch
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest


def mended(digest: Digest) -> str:
    return f"the mirror had wrong bytes as blob {digest}: replaced"


class Held:
    """What a blob holds while it moves, given back by `close`: a reader, maybe a claim."""

    def __init__(self, reader: BlobReader, claim: Claim | None, closing: ExitStack) -> None:
        self.reader = reader
        self._claim = claim
        self._closing = closing

    def renew(self, arrived: int) -> None:
        if self._claim is not None:
            self._claim.renew(arrived)

    def close(self) -> None:
        """May be called twice."""
        self._closing.close()


class MovingBlob(ABC):
    """Reads a blob's blocks, and hashes them in their order.

    `next` and `unfinished` belong to the conveyor and its lock: the next block to hand out, and how many are not
    through. The order of hashing is kept here.
    """

    def __init__(self, descriptor: Descriptor, blocks: Blocks, held: Held, tell: Arrived) -> None:
        self.descriptor = descriptor
        self.blocks = blocks
        self.next = 0
        self.unfinished = blocks.count
        self.failure: BaseException | None = None
        self._held = held
        self._tell = tell
        self._arrived = 0
        self._hasher = descriptor.digest.hasher()
        self._hashed = 0
        self._turn = threading.Condition()

    def carry(self, index: int, data: memoryview) -> None:
        """Reads one block into `data`, hashes it when its turn comes, and passes it on. Returns early if the blob
        failed meanwhile."""
        self._held.reader.read_into(self.blocks.block(index)[0], data, self._came)
        running = self._hash(index, data)
        if running is not None:
            self._pass_on(index, data, running)

    @abstractmethod
    def _pass_on(self, index: int, data: memoryview, running: bytes) -> None: ...

    @abstractmethod
    def finish(self, buffer: Buffer) -> Stored | None:
        """Once all blocks are through. What the mirror has of it, if that turned out to be damaged and is to be
        replaced. Raises DigestMismatch."""

    def _came(self, count: int) -> None:
        self._tell(count)
        with self._turn:
            self._arrived += count
            arrived = self._arrived
        self._held.renew(arrived)

    def _hash(self, index: int, data: memoryview) -> bytes | None:
        with self._turn:
            while self._hashed != index and self.failure is None:
                self._turn.wait()
            if self.failure is not None:
                return None
        # Nobody else is here: only one block's turn it is, and hashing releases the interpreter's lock.
        self._hasher.update(data)
        running = self._hasher.copy().digest()
        with self._turn:
            self._hashed += 1
            self._turn.notify_all()
        return running

    def _digest(self) -> Digest:
        return Digest(self.descriptor.digest.algorithm, self._hasher.hexdigest())

    def fail(self, error: BaseException) -> None:
        """Ends it: whoever waits for a turn goes on to other work."""
        with self._turn:
            if self.failure is None:
                self.failure = error
            self._turn.notify_all()

    def cut(self) -> None:
        """From any thread: reads under way are broken off."""
        self._held.reader.close()

    def close(self) -> None:
        """Gives back the reader and the claim. May be called twice."""
        self._held.close()


class CheckedBlob(MovingBlob):
    """A blob of the mirror that is hashed anew, and left as it is."""

    def __init__(self, descriptor: Descriptor, stored: Stored, held: Held, progress: Progress) -> None:
        super().__init__(descriptor, stored, held, progress.checking(descriptor.digest))
        self._stored = stored
        self._progress = progress

    def _pass_on(self, index: int, data: memoryview, running: bytes) -> None:
        pass

    def finish(self, buffer: Buffer) -> Stored | None:  # noqa: ARG002
        if self._digest() != self.descriptor.digest:
            return self._stored
        self._progress.state(self.descriptor.digest, "skipped")
        return None


class CopiedBlob(MovingBlob):
    """A blob of the registry that is staged, and committed once all of it is right."""

    def __init__(self, descriptor: Descriptor, ingest: Ingest, held: Held, progress: Progress) -> None:
        super().__init__(descriptor, ingest, held, progress.reading(descriptor.digest))
        self._ingest = ingest
        self._progress = progress

    def _pass_on(self, index: int, data: memoryview, running: bytes) -> None:
        if self._ingest.stage(index, data, running):
            self._progress.wrote(len(data))

    def finish(self, buffer: Buffer) -> None:
        """Commits it. Raises DigestMismatch, and commits nothing then."""
        if self._ingest.commit(self._digest(), partial(self._restage, buffer)) and self._ingest.mends:
            self._progress.note(mended(self.descriptor.digest))
        self._progress.state(self.descriptor.digest, "done")

    def _restage(self, buffer: Buffer, missing: list[int]) -> None:
        """Another worker's commit dropped these blocks: all is read again, since an id needs the hash up to it."""
        hasher = self.descriptor.digest.hasher()
        lacking = set(missing)
        for index in range(self.blocks.count):
            offset, length = self.blocks.block(index)
            part = buffer.view(length, self.blocks.block_size)
            self._held.reader.read_into(offset, part, self._progress.read_again)
            hasher.update(part)
            if index in lacking and self._ingest.stage(index, part, hasher.copy().digest()):
                self._progress.wrote(length)
        again = Digest(self.descriptor.digest.algorithm, hasher.hexdigest())
        if again != self.descriptor.digest:
            raise DigestMismatch(
                f"copy blob {self.descriptor.digest}",
                f"read a second time, it hashes to {again}; nothing was committed",
                "It will be read again.",
            )
