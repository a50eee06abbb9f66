"""One blob on its way in: blocks staged in any order, and a commit that happens only when everything is right.

In the manner of containerd's content store: until the commit nothing is at the digest's path, and what was staged by a
run that was killed is there for the next one (storage keeps uncommitted blocks for a week).
"""

import threading
from collections.abc import Callable

from acrmirror.errors import Conflict, DigestMismatch, Malformed, Unavailable
from acrmirror.mirror.blocks import Blocks, block_id
from acrmirror.mirror.rehashing import wrong_bytes
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.storage import Container, Lost, Outcome

ROUNDS = 3
"""How often a commit that lost a race is attempted again."""


class Ingest(Blocks):
    """The way in for one blob. Blocks may be staged from many threads; `commit` is called once, by one of them.

    `resume` is off after a digest mismatch: then nothing that an earlier attempt staged is believed. `replaces` is the
    ETag of the wrong bytes in its place.
    """

    def __init__(
        self,
        container: Container,
        name: str,
        descriptor: Descriptor,
        *,
        resume: bool,
        replaces: str | None,
    ) -> None:
        super().__init__(descriptor.size)
        self.descriptor = descriptor
        self._container = container
        self._name = name
        self._replaces = replaces
        self._ids: list[str | None] = [None] * self.count
        self._staged: dict[str, int] = self._uncommitted() if resume and self.count > 1 else {}
        self._lock = threading.Lock()
        self._as_blocks = False
        self._commits = f"commit blob {descriptor.digest}"

    @property
    def mends(self) -> bool:
        """Whether there are bytes in its place that a commit replaces (rule B5)."""
        return self._replaces is not None

    def stage(self, index: int, data: memoryview, running: bytes) -> bool:
        """Stages block `index`, unless the very same one is there already; returns whether it was sent.

        `running` is the blob's running hash after this block (the state of its own algorithm, not hexadecimal).
        """
        offset, length = self.block(index)
        if len(data) != length:
            raise ValueError(f"block {index} has {length} bytes, not {len(data)}")
        name = block_id(offset, length, running)
        with self._lock:
            self._ids[index] = name
            known = self._staged.get(name) == length
        if not known:
            self._put_block(name, data)
        return not known

    def put(self, data: memoryview, digest: Digest) -> bool:
        """A blob of one block in a single conditional put; returns whether it was written (False: it was there). Only
        where it was not, storage is asked what is there (rules B3, B4): wrong bytes, which their length gives away, are
        replaced (rule B5). Raises as `commit`, and Malformed where the content is right and the descriptor's size is
        not."""
        self._check(digest)
        if len(data) != self.descriptor.size:
            raise ValueError(f"the blob has {self.descriptor.size} bytes, not {len(data)}")
        return self._race(lambda: self._put_blob(data), restage=None)

    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool:
        """Makes the blob out of its blocks, if `digest` (of all that was read) is the descriptor's.

        `restage(indices)` stages blocks again that another worker's commit has dropped. Returns False where the blob is
        in the mirror already. Raises DigestMismatch (nothing is committed) or Conflict (races lost `ROUNDS` times).
        """
        self._check(digest)
        return self._race(self._commit_blocks, restage)

    def _check(self, digest: Digest) -> None:
        if digest != self.descriptor.digest:
            raise DigestMismatch(
                f"copy blob {self.descriptor.digest}",
                f"the bytes that came hash to {digest}; nothing was committed",
                "It will be read again; if it stays so, push the image to the registry again.",
            )

    def _race(self, write: Callable[[], Outcome], restage: Callable[[list[int]], None] | None) -> bool:
        for _ in range(ROUNDS):
            try:
                outcome = write()
            finally:
                self._staged = {}
            if not isinstance(outcome, Lost):
                if restage is not None or self._as_blocks:
                    self._check_length(self.length())
                return True
            length = self.length()
            if length == self.descriptor.size:
                return False
            if length is not None and restage is None:
                self._replaces = wrong_bytes(self._container, self._name, self.descriptor)
                if self._replaces is None:
                    return False
                continue
            if restage is not None:
                present = self._uncommitted()
                missing = [i for i, name in enumerate(self._ids) if present.get(name or "") != self.block(i)[1]]
                restage(missing)
            elif self._replaces is None:
                # Storage may refuse a conditional put while another worker's blocks are staged there and nothing is
                # committed (Azurite does): a block list is the way in.
                self._as_blocks = True
        raise Conflict(self._commits, f"other writers won {ROUNDS} times", "It will be tried again.")

    def _put_blob(self, data: memoryview) -> Outcome:
        if not self._as_blocks:
            return self._container.swap(self._name, bytes(data), self._replaces, self._commits)
        self._ids = []
        if len(data):
            hasher = self.descriptor.digest.hasher()
            hasher.update(data)
            self._ids = [block_id(0, len(data), hasher.digest())]
            self._put_block(self._ids[0] or "", data)
        return self._commit_blocks()

    def _put_block(self, name: str, data: memoryview) -> None:
        asked = f"stage {len(data)} bytes of blob {self.descriptor.digest}"
        self._container.stage(self._name, name, data, asked)

    def _commit_blocks(self) -> Outcome:
        return self._container.commit(self._name, [it or "" for it in self._ids], self._replaces, self._commits)

    def _uncommitted(self) -> dict[str, int]:
        """Staged blocks by id, with their lengths: a block counts only with the length that its id says."""
        return self._container.staged(self._name, f"list the staged blocks of blob {self.descriptor.digest}")

    def length(self) -> int | None:
        """Of what is at the digest's path, in bytes; None if nothing is."""
        head = self._container.head(self._name, f"look for blob {self.descriptor.digest}")
        return head.size if head is not None else None

    def _check_length(self, length: int | None) -> None:
        if length is None:
            raise Unavailable(self._commits, "storage says that it is gone", "It will be tried again.")
        if length != self.descriptor.size:
            raise Malformed(
                self._commits,
                f"storage holds {length} bytes, not {self.descriptor.size}",
                "Report this: nothing links to it.",
            )
