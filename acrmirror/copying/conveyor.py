"""Moves blobs from source to target with the process's threads, of which all blobs of all jobs have their share.

Each thread holds one buffer and is given one block at a time: reads it, hashes it in its turn, stages it. Blocks are
handed out strictly in order, and a thread waits only for blocks that others already hold, each with its buffer; so
nothing can stall however few threads there are. A blob is begun only when those before it have no block left to hand
out.
Only blobs of several blocks are claimed. No thread waits for another worker's claim: a claimed blob goes to the end of
the line and is asked about again.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterable
from functools import partial

from acrmirror.copying.budget import Buffer, Need, Share
from acrmirror.copying.context import Context
from acrmirror.copying.moving import MovingBlob
from acrmirror.copying.opening import Begun, Opener, Wanted
from acrmirror.copying.ports import BlobSource, BlobTarget, Stored
from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    Denied,
    DigestMismatch,
    MirrorError,
    Throttled,
    Unavailable,
)
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest

POLL_SECONDS = 0.25
MAX_POLL_SECONDS = 4.0
"""How soon a blob that another worker has claimed is asked about again: with jitter, and growing."""

SHARED = (Denied, Throttled, Unavailable, Cancelled)
"""What all other blobs would meet, too."""


def move_blobs(
    source: BlobSource, target: BlobTarget, repository: str, blobs: Iterable[Descriptor], context: Context
) -> dict[Digest, MirrorError]:
    """Copies and links to `repository` every blob that it lacks, each digest once; returns what failed, by digest.

    A blob that the target has from elsewhere is linked only if the registry has it in this repository (rule L10), which
    is asked once. What was read from there just now, and what the manifest itself holds, needs no asking. A link is
    written as soon as its blob is complete: a later attempt does not ask about it again.

    One blob's failure does not keep the others from arriving; one that they would meet too (the registry refuses,
    throttles, is away) is raised, as are Cancelled, and ClaimedElsewhere if for `context.claim_wait` seconds only
    blobs that other workers have claimed were left.
    """
    wanted = [Wanted(it, context.resume) for it in {blob.digest: blob for blob in blobs}.values()]
    if not wanted:
        return {}
    opener = Opener(source, target, repository, context)
    with context.copying_threads() as budget:
        return _Conveyor(opener, wanted, repository, context, budget.share()).run()


class _Conveyor:
    def __init__(
        self, opener: Opener, wanted: Iterable[Wanted], repository: str, context: Context, share: Share
    ) -> None:
        self._opener = opener
        self._repository = repository
        self._context = context
        self._share = share
        self._change = threading.Condition()
        self._waiting = deque(wanted)
        self._beginning = 0
        self._current: deque[MovingBlob] = deque()
        self._moving: dict[MovingBlob, Wanted] = {}
        self._failed: dict[Digest, MirrorError] = {}
        self._stop: BaseException | None = None
        self._alone_since: float | None = None

    def run(self) -> dict[Digest, MirrorError]:
        # Where one step can only follow another, none has to be handed to another thread.
        blocks = sum(self._opener.blocks(it.descriptor) for it in self._waiting)
        one_by_one = min(self._context.threads, blocks) == 1
        forget = self._context.cancel.on_set(self._cancelled)
        try:
            while (need := self._until_needed()) is not None and (slot := self._share.take(need)) is not None:
                step = self._next(need)
                if step is None:
                    slot.release()
                elif one_by_one:
                    slot.run_here(partial(self._do, step))
                else:
                    slot.run(partial(self._do, step))
        except BaseException as error:
            self._halt(error)
            raise
        finally:
            self._share.close()
            forget()
            for blob in self._moving:
                blob.close()
        if self._stop is not None:
            raise self._stop
        return self._failed

    def _cancelled(self) -> None:
        self._halt(self._context.cancel.error())

    def _halt(self, error: BaseException) -> None:
        """Ends the whole run: nothing more is handed out, and reads under way are cut."""
        with self._change:
            if self._stop is None:
                self._stop = error
            moving = list(self._moving)
            self._change.notify_all()
        self._share.end()
        for blob in moving:
            blob.fail(error)
            blob.cut()

    def _do(self, step: Wanted | tuple[MovingBlob, int], buffer: Buffer) -> None:
        try:
            with self._context.cancel.bound():
                if isinstance(step, Wanted):
                    self._begin(step, buffer)
                else:
                    self._carry(*step, buffer)
        except BaseException as error:  # noqa: BLE001  # `run` raises it
            self._halt(error)

    # the line

    def _until_needed(self) -> Need | None:
        """Waits until there is something to do, and says what that takes; None when nothing is left or can come
        back."""
        with self._change:
            while self._stop is None:
                now = time.monotonic()
                need = self._needed(now)
                if need is not None:
                    return need
                if not (self._waiting or self._beginning or self._moving):
                    return None
                self._give_up_on_claims(now)
                if self._stop is None:
                    self._change.wait(self._until_due(now))
            return None

    def _needed(self, now: float) -> Need | None:
        """What the next step takes: a block, or a blob to begin."""
        blob = self._with_blocks_left()
        if blob is not None:
            return Need(blob.blocks.block_size, small=False)
        ready = self._ready(now)
        return self._opener.need(ready) if ready is not None else None

    def _next(self, need: Need) -> Wanted | tuple[MovingBlob, int] | None:
        """The next thing to do, if it still takes what was thought; else None."""
        with self._change:
            now = time.monotonic()
            if self._stop is not None or self._needed(now) != need:
                return None
            blob = self._with_blocks_left()
            if blob is not None:
                blob.next += 1
                return blob, blob.next - 1
            ready = self._ready(now)
            if ready is not None:
                self._waiting.remove(ready)
                self._beginning += 1
            return ready

    def _with_blocks_left(self) -> MovingBlob | None:
        while self._current:
            blob = self._current[0]
            if blob.failure is None and blob.next < blob.blocks.count:
                return blob
            self._current.popleft()
        return None

    def _ready(self, now: float) -> Wanted | None:
        return next((it for it in self._waiting if it.due <= now), None)

    def _until_due(self, now: float) -> float | None:
        """Seconds until one of those that wait is to be tried again; None if none does."""
        return max(0.01, min(it.due for it in self._waiting) - now) if self._waiting else None

    def _give_up_on_claims(self, now: float) -> None:
        """Ends the run once only other workers' blobs have been left for too long."""
        if not self._waiting:
            return
        if self._moving:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        # A blob that is just being begun may turn out to be claimed again: that decides nothing yet.
        elif now - self._alone_since > self._context.claim_wait and not self._beginning:
            self._stop = ClaimedElsewhere(
                f"copy {len(self._waiting)} blobs of {self._repository}",
                f"other workers have been copying them for {self._context.claim_wait:.0f} s",
                "The job goes on when they are done; nothing is to be done.",
            )
            self._change.notify_all()

    # beginning a blob

    def _begin(self, wanted: Wanted, buffer: Buffer) -> None:
        blob: MovingBlob | None = None
        try:
            opened = self._opener.open(wanted, buffer)
            if isinstance(opened, MovingBlob):
                blob = opened
            again = opened is Begun.CLAIMED
        except MirrorError as error:
            again = self._failed_by(wanted, error)
        with self._change:
            self._beginning -= 1
            if not again:
                self._alone_since = None
            stopped = self._stop
            if blob is not None:
                self._moving[blob] = wanted
                if stopped is None:
                    self._current.append(blob)
            elif again:
                wanted.polls += 1
                pause = min(POLL_SECONDS * 1.5 ** (wanted.polls - 1), MAX_POLL_SECONDS)
                wanted.due = time.monotonic() + pause * random.uniform(0.5, 1.5)  # noqa: S311
                self._waiting.append(wanted)
            self._change.notify_all()
        if blob is not None and stopped is not None:
            blob.fail(stopped)

    def _failed_by(self, wanted: Wanted, error: MirrorError) -> bool:
        """Takes note of a blob's failure; True if the blob goes back to the line, to be read with nothing resumed."""
        if isinstance(error, DigestMismatch) and wanted.resume:
            wanted.resume = False
            return True
        self._context.progress.state(wanted.descriptor.digest, "failed")
        with self._change:
            self._failed[wanted.descriptor.digest] = error
        if isinstance(error, SHARED):
            self._halt(error)
        return False

    # the blocks of a blob

    def _carry(self, blob: MovingBlob, index: int, buffer: Buffer) -> None:
        """One block; whoever finishes a blob's last one finishes it."""
        blocks = blob.blocks
        try:
            blob.carry(index, buffer.view(blocks.block(index)[1], blocks.block_size))
        except MirrorError as error:
            blob.fail(error)
        with self._change:
            blob.unfinished -= 1
            if blob.failure is not None:
                blob.unfinished -= blob.blocks.count - blob.next
                blob.next = blob.blocks.count
            if blob.unfinished:
                return
        damaged: Stored | None = None
        try:
            if blob.failure is None:
                damaged = blob.finish(buffer)
                if damaged is None:
                    self._opener.link(blob.descriptor)
        except MirrorError as error:
            blob.fail(error)
        blob.close()
        self._put_away(blob, damaged)

    def _put_away(self, blob: MovingBlob, damaged: Stored | None) -> None:
        """Takes a blob off the line that is through, or back to its end."""
        wanted = Wanted(blob.descriptor, self._moving[blob].resume, damaged)
        again = damaged is not None
        if isinstance(blob.failure, MirrorError):
            again = self._failed_by(wanted, blob.failure)
        with self._change:
            del self._moving[blob]
            if again:
                self._waiting.append(wanted)
            self._change.notify_all()
