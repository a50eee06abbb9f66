"""One blob on its way in: blocks staged in any order, and a commit that happens only when everything is right.

In the manner of containerd's content store: until the commit nothing stands at the digest's path, and what was
staged by a run that was killed is there for the next one (storage keeps uncommitted blocks for a week).
"""

import threading
from collections.abc import Callable
from typing import Any, cast

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient

from acrmirror.errors import Conflict, DigestMismatch, Malformed
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.store.failures import explained, lost_race
from acrmirror.store.layout import block_id, block_size, blocks
from acrmirror.store.standing import Standing

ROUNDS = 3
"""How often a commit that lost a race is attempted again."""


class Ingest:
    """The way in for one blob. Blocks may be staged from many threads; `commit` is called once, by one of them.

    `resume` is off after a digest mismatch: then nothing that an earlier attempt staged is believed. `replaces` is the
    ETag of what stands in its place; `standing` reads that, where it may be right.
    """

    def __init__(
        self,
        blob: BlobClient,
        descriptor: Descriptor,
        *,
        resume: bool,
        replaces: str | None,
        standing: Standing | None = None,
    ) -> None:
        self.descriptor = descriptor
        self.standing = standing
        self.block_size = block_size(descriptor.size)
        self.count = blocks(descriptor.size)
        self._blob = blob
        self._replaces = replaces
        self._ids: list[str | None] = [None] * self.count
        self._staged: dict[str, int] = self._uncommitted() if resume and self.count > 1 else {}
        self._lock = threading.Lock()
        self._as_blocks = False
        self.resumed_bytes = 0

    @property
    def mends(self) -> bool:
        """Whether bytes stand in its place that a commit replaces (rule B5)."""
        return self._replaces is not None

    def block(self, index: int) -> tuple[int, int]:
        """Offset and length of block `index` in bytes."""
        offset = index * self.block_size
        return offset, min(self.block_size, self.descriptor.size - offset)

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
            if known:
                self.resumed_bytes += length
        if not known:
            self._put_block(name, data)
        return not known

    def put(self, data: memoryview, digest: Digest) -> bool:
        """A blob of one block in a single conditional put; returns whether it was written (False: it stood)."""
        self._check(digest)
        if len(data) != self.descriptor.size:
            raise ValueError(f"the blob has {self.descriptor.size} bytes, not {len(data)}")
        return self._race(lambda: self._put_blob(data), restage=None)

    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool:
        """Makes the blob out of its blocks, if `digest` (of all that was read) is the descriptor's.

        `restage(indices)` stages blocks again that another worker's commit has dropped. Returns False where the
        blob stood already. Raises DigestMismatch (nothing is committed) or Conflict (races lost `ROUNDS` times).
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

    def _race(self, write: Callable[[], None], restage: Callable[[list[int]], None] | None) -> bool:
        asked = f"commit blob {self.descriptor.digest}"
        for _ in range(ROUNDS):
            try:
                with explained(asked):
                    try:
                        write()
                    except HttpResponseError as error:
                        if not lost_race(error):
                            raise
                    else:
                        self._check_length(asked)
                        return True
            finally:
                self._staged = {}
            if self.length() == self.descriptor.size:
                return False
            if restage is not None:
                present = self._uncommitted()
                missing = [i for i, name in enumerate(self._ids) if present.get(name or "") != self.block(i)[1]]
                restage(missing)
            elif self._replaces is None:
                # Storage may refuse a conditional put while another worker's blocks are staged there and nothing is
                # committed (Azurite does): a block list is the way in.
                self._as_blocks = True
        raise Conflict(asked, f"other writers won {ROUNDS} times", "It will be tried again.")

    def _put_blob(self, data: memoryview) -> None:
        if self._as_blocks:
            self._ids = []
            if len(data):
                hasher = self.descriptor.digest.hasher()
                hasher.update(data)
                self._ids = [block_id(0, len(data), hasher.digest())]
                self._put_block(self._ids[0] or "", data)
            self._commit_blocks()
            return
        self._blob.upload_blob(bytes(data), **self._upload_condition())

    def _put_block(self, name: str, data: memoryview) -> None:
        with explained(f"stage {len(data)} bytes of blob {self.descriptor.digest}"):
            # A memoryview goes through the SDK untouched and out in one TLS write, without a copy; anything with a
            # `read` goes out in small pieces at twice the CPU. The annotation does not know it, hence the cast.
            self._blob.stage_block(name, cast(bytes, data), length=len(data))

    def _commit_blocks(self) -> None:
        self._blob.commit_block_list([BlobBlock(block_id=name or "") for name in self._ids], **self._condition())

    def _condition(self) -> dict[str, Any]:
        if self._replaces is not None:
            return {"etag": self._replaces, "match_condition": MatchConditions.IfNotModified}
        return {"match_condition": MatchConditions.IfMissing}

    def _upload_condition(self) -> dict[str, Any]:
        return {"overwrite": True, **self._condition()} if self._replaces is not None else {"overwrite": False}

    def _uncommitted(self) -> dict[str, int]:
        """Staged blocks by id, with their lengths: a block counts only with the length that its id says."""
        with explained(f"list the staged blocks of blob {self.descriptor.digest}"):
            try:
                _, uncommitted = self._blob.get_block_list("uncommitted")
            except ResourceNotFoundError:
                return {}
        return {str(block.id): int(block.size) for block in uncommitted}

    def length(self) -> int | None:
        """What stands at the digest's path: its length in bytes, or None."""
        with explained(f"look for blob {self.descriptor.digest}"):
            try:
                return int(self._blob.get_blob_properties().size)
            except ResourceNotFoundError:
                return None

    def _check_length(self, asked: str) -> None:
        size = int(self._blob.get_blob_properties().size)
        if size != self.descriptor.size:
            raise Malformed(
                asked, f"storage holds {size} bytes, not {self.descriptor.size}", "Report this: nothing links to it."
            )
