"""One blob on its way from source to target, block by block, by whichever threads hold its blocks."""

import threading
from contextlib import ExitStack

from acrmirror.copying.context import BlobReader, Claim, Ingest, Progress
from acrmirror.errors import DigestMismatch
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest


def mended(digest: Digest) -> str:
    return f"wrong bytes stood in the mirror as blob {digest}: replaced"


class MovingBlob:
    """A blob of several blocks. `closing` holds its reader and its claim.

    With `checks` it is what stands in the target that is read: nothing is staged, and the end of it tells whether it
    is `damaged`. `next` and `unfinished` belong to the conveyor and its lock: the next block to hand out, and how many
    are not through. The order of hashing is kept here.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        ingest: Ingest,
        reader: BlobReader,
        claim: Claim | None,
        closing: ExitStack,
        progress: Progress,
        resumed: bool,
        checks: bool = False,
    ) -> None:
        self.descriptor = descriptor
        self.ingest = ingest
        self.checks = checks
        self.damaged = False
        self.count = ingest.count
        self.next = 0
        self.unfinished = ingest.count
        self.resumed = resumed
        self.failure: BaseException | None = None
        self._reader = reader
        self._claim = claim
        self._closing = closing
        self._progress = progress
        self._tell = progress.reading(descriptor.digest, again=checks)
        self._arrived = 0
        self._hasher = descriptor.digest.hasher()
        self._hashed = 0
        self._turn = threading.Condition()

    def length(self, index: int) -> int:
        return self.ingest.block(index)[1]

    @property
    def block_size(self) -> int:
        return self.ingest.block_size

    def carry(self, index: int, data: memoryview) -> None:
        """Brings one block over: reads it into `data`, hashes it when its turn comes, stages it.

        Returns early if the blob failed meanwhile.
        """
        offset, length = self.ingest.block(index)
        self._reader.read_into(offset, data, self._came)
        running = self._hash(index, data)
        if running is None:
            return
        if not self.checks and self.ingest.stage(index, data, running):
            self._progress.wrote(length)

    def _came(self, count: int) -> None:
        self._tell(count)
        with self._turn:
            self._arrived += count
            arrived = self._arrived
        if self._claim is not None:
            self._claim.renew(arrived)

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

    def commit(self) -> None:
        """Makes the blob, all of whose blocks are through, or says whether what stands is damaged. Raises
        DigestMismatch, and commits nothing then."""
        digest = Digest(self.descriptor.digest.algorithm, self._hasher.hexdigest())
        if self.checks:
            self.damaged = digest != self.descriptor.digest
            if not self.damaged:
                self._progress.state(self.descriptor.digest, "skipped")
            return
        if self.ingest.commit(digest, self._restage):
            self._progress.wrote(blobs=1)
            if self.ingest.mends:
                self._progress.note(mended(self.descriptor.digest))
        self._progress.state(self.descriptor.digest, "done")

    def _restage(self, missing: list[int]) -> None:
        """Another worker's commit dropped these blocks: all is read again, since an id needs the hash up to it."""
        buffer = memoryview(bytearray(self.block_size))
        hasher = self.descriptor.digest.hasher()
        lacking = set(missing)
        for index in range(self.count):
            offset, length = self.ingest.block(index)
            part = buffer[:length]
            self._reader.read_into(offset, part, self._progress.read_again)
            hasher.update(part)
            if index in lacking and self.ingest.stage(index, part, hasher.copy().digest()):
                self._progress.wrote(length)
        again = Digest(self.descriptor.digest.algorithm, hasher.hexdigest())
        if again != self.descriptor.digest:
            raise DigestMismatch(
                f"copy blob {self.descriptor.digest}",
                f"read a second time, it hashes to {again}; nothing was committed",
                "It will be read again.",
            )

    def fail(self, error: BaseException) -> None:
        """Ends it: whoever waits for a turn goes on to other work."""
        with self._turn:
            if self.failure is None:
                self.failure = error
            self._turn.notify_all()

    def cut(self) -> None:
        """From any thread: reads under way are broken off."""
        self._reader.close()

    def close(self) -> None:
        """Gives back the reader and the claim. May be called twice."""
        self._closing.close()
