"""Moves blobs from source to target with one bounded pool of threads that all blobs of a job share.

Each thread holds one buffer and takes one block at a time: reads it, hashes it in its turn, stages it. Blocks are
handed out strictly in order, and a thread waits only for blocks that others already hold, each with its buffer; so
the pool cannot stall whatever its size. A blob is begun only when those before it have no block left to hand out.
Only blobs of several blocks are claimed. No thread waits for another worker's claim: a claimed blob goes to the end of
the line and is asked about again.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from acrmirror.copying.context import Claim, Context, Ingest, Source, Target
from acrmirror.copying.moving import MovingBlob, mended
from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    Denied,
    DigestMismatch,
    Malformed,
    MirrorError,
    Throttled,
    Unavailable,
)
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest

POLL_SECONDS = 0.25
MAX_POLL_SECONDS = 4.0
"""How soon a blob that another worker has claimed is asked about again: with jitter, and growing."""


def move_blobs(
    source: Source, target: Target, repository: str, blobs: Iterable[Descriptor], context: Context
) -> dict[Digest, MirrorError]:
    """Copies and links to `repository` every blob that it lacks, each digest once; returns what failed, by digest.

    A blob that the target has from elsewhere is linked only if the registry has it in this repository (rule L10), which
    is asked once. What was read from there just now, and what the manifest itself holds, needs no asking. A link is
    written as soon as its blob is complete: a later attempt does not ask about it again.

    One blob's failure does not keep the others from arriving; one that they would meet too (the registry refuses,
    throttles, is away) is raised, as are Cancelled, and ClaimedElsewhere if for `context.claim_wait` seconds only
    blobs that other workers have claimed were left.
    """
    return _Conveyor(source, target, repository, context).run(blobs)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A blob that is not begun. `due` is the monotonic time at which to try (again); `damaged` is the way in for one
    whose place has wrong bytes, as was found out by hashing them."""

    descriptor: Descriptor
    resume: bool
    damaged: Ingest | None = None
    due: float = 0.0
    polls: int = 0


class _Conveyor:
    def __init__(self, source: Source, target: Target, repository: str, context: Context) -> None:
        self._source = source
        self._target = target
        self._repository = repository
        self._context = context
        self._progress = context.progress
        self._change = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._beginning = 0
        self._current: deque[MovingBlob] = deque()
        self._moving: set[MovingBlob] = set()
        self._failed: dict[Digest, MirrorError] = {}
        self._stop: BaseException | None = None
        self._alone_since: float | None = None

    def run(self, blobs: Iterable[Descriptor]) -> dict[Digest, MirrorError]:
        self._waiting.extend(_Waiting(it, self._context.resume) for it in {b.digest: b for b in blobs}.values())
        if not self._waiting:
            return {}
        forget = self._context.cancel.on_set(self._cancelled)
        try:
            with ThreadPoolExecutor(self._context.threads, "copy", self._context.cancel.bind) as pool:
                for worker in [pool.submit(self._work) for _ in range(self._context.threads)]:
                    worker.result()
        finally:
            forget()
            for blob in self._moving:
                blob.close()
        if self._stop is not None:
            raise self._stop
        return self._failed

    def _cancelled(self) -> None:
        try:
            self._context.cancel.check()
        except Cancelled as error:
            self._halt(error)

    def _halt(self, error: BaseException) -> None:
        """Ends the whole run: nothing more is handed out, and reads under way are cut."""
        with self._change:
            if self._stop is None:
                self._stop = error
            moving = list(self._moving)
            self._change.notify_all()
        for blob in moving:
            blob.fail(error)
            blob.cut()

    def _work(self) -> None:
        buffer = bytearray()
        try:
            while (step := self._next()) is not None:
                if isinstance(step, _Waiting):
                    buffer = self._begin(step, buffer)
                    continue
                blob, index = step
                if len(buffer) < blob.length(index):
                    buffer = bytearray(blob.block_size)
                self._carry(blob, index, memoryview(buffer)[: blob.length(index)])
        except BaseException as error:
            self._halt(error)
            raise

    # the line

    def _next(self) -> _Waiting | tuple[MovingBlob, int] | None:
        """The next thing to do: a block, or a blob to begin; None when nothing is left or can come back."""
        with self._change:
            while self._stop is None:
                block = self._next_block()
                if block is not None:
                    return block
                now = time.monotonic()
                ready = next((it for it in self._waiting if it.due <= now), None)
                if ready is not None:
                    self._waiting.remove(ready)
                    self._beginning += 1
                    return ready
                if not (self._waiting or self._beginning or self._moving):
                    return None
                self._change.wait(self._patience(now))
            return None

    def _next_block(self) -> tuple[MovingBlob, int] | None:
        while self._current:
            blob = self._current[0]
            if blob.failure is None and blob.next < blob.count:
                blob.next += 1
                return blob, blob.next - 1
            self._current.popleft()
        return None

    def _patience(self, now: float) -> float | None:
        """Seconds to wait for a change. Notices when only other workers' blobs are left for too long."""
        if not self._waiting:
            return None
        # A blob that is just being begun may turn out to be claimed again: that decides nothing yet.
        if self._moving:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since > self._context.claim_wait and not self._beginning:
            self._stop = ClaimedElsewhere(
                f"copy {len(self._waiting)} blobs of {self._repository}",
                f"other workers have been copying them for {self._context.claim_wait:.0f} s",
                "The job goes on when they are done; nothing is to be done.",
            )
            self._change.notify_all()
        return max(0.01, min(it.due for it in self._waiting) - now)

    # beginning a blob

    def _begin(self, waiting: _Waiting, buffer: bytearray) -> bytearray:
        """Opens a blob, or finds that it stands, is claimed, or can't be had. Returns the buffer to go on with."""
        descriptor = waiting.descriptor
        blob: MovingBlob | None = None
        again = False
        with ExitStack() as closing:
            try:
                way_in = self._way_in(waiting, closing)
                if isinstance(way_in, bool):
                    again = way_in
                elif descriptor.data is not None or descriptor.is_empty:
                    self._put(way_in[0], descriptor, memoryview(descriptor.data or b""))
                    self._link(descriptor)
                else:
                    ingest, claim = way_in
                    standing = ingest.standing if waiting.damaged is None else None
                    reader = standing or closing.enter_context(self._source.blob(self._repository, descriptor))
                    if ingest.count > 1:
                        self._progress.state(descriptor.digest, "checking" if standing else "copying")
                        held, checks = closing.pop_all(), standing is not None
                        blob = MovingBlob(
                            descriptor, ingest, reader, claim, held, self._progress, waiting.resume, checks
                        )
                    else:
                        closing.callback(self._context.cancel.on_set(reader.close))
                        if len(buffer) < descriptor.size:
                            buffer = bytearray(descriptor.size)
                        data = memoryview(buffer)[: descriptor.size]
                        reader.read_into(0, data, self._progress.reading(descriptor.digest))
                        self._put(ingest, descriptor, data)
                        self._link(descriptor)
            except MirrorError as error:
                again = self._put_off(waiting, error)
        self._begun(waiting, blob, again)
        return buffer

    def _way_in(self, waiting: _Waiting, closing: ExitStack) -> tuple[Ingest, Claim | None] | bool:
        """The way in for a blob and the claim on it; False if it is there, True if another worker has claimed it."""
        descriptor = waiting.descriptor
        claim: Claim | None = None
        try:
            if self._context.claims is not None and self._is_worth_a_claim(descriptor):
                if not self._context.force and self._target.has(descriptor):
                    return self._found(descriptor)
                claim = self._context.claims.acquire(descriptor.digest)
                if claim is None:
                    self._progress.state(descriptor.digest, "claimed")
                    return True
                closing.callback(claim.release)
            ingest = waiting.damaged or self._target.ingest(
                descriptor, resume=waiting.resume, verify=self._context.verify
            )
        except Malformed:
            # It says how large the content is: only to those who have that content.
            self._belongs(descriptor)
            raise
        if ingest is None:
            return self._found(descriptor)
        if ingest.standing is not None and waiting.damaged is None:
            self._belongs(descriptor)
        self._progress.state(descriptor.digest, "copying")
        return ingest, claim

    def _is_worth_a_claim(self, descriptor: Descriptor) -> bool:
        """A blob of one block is read twice at worst, which costs less than the claim's requests (rule W2)."""
        return descriptor.data is None and self._target.blocks(descriptor) > 1

    def _found(self, descriptor: Descriptor) -> bool:
        """A blob that need not be copied: False, as `_way_in` says it."""
        if not self._belongs(descriptor) or self._context.force:
            self._link(descriptor)
        self._progress.state(descriptor.digest, "skipped")
        return False

    def _belongs(self, descriptor: Descriptor) -> bool:
        """Whether the repository has a link to it; if not, the registry has it there. Raises NotFound."""
        linked = self._target.linked(self._repository, descriptor.digest)
        if not (linked or descriptor.data is not None or descriptor.is_empty):
            self._source.check_blob(self._repository, descriptor)
        return linked

    def _link(self, descriptor: Descriptor) -> None:
        self._target.link(self._repository, descriptor, mend=self._context.force)

    def _put(self, ingest: Ingest, descriptor: Descriptor, data: memoryview) -> None:
        if ingest.put(data, Digest.of(data, descriptor.digest.algorithm)):
            self._progress.wrote(len(data), blobs=1)
            if ingest.mends:
                self._progress.note(mended(descriptor.digest))
        self._progress.state(descriptor.digest, "done")

    def _begun(self, waiting: _Waiting, blob: MovingBlob | None, again: bool) -> None:
        """Puts what `_begin` made of a blob in its place."""
        with self._change:
            self._beginning -= 1
            if not again:
                self._alone_since = None
            stopped = self._stop
            if blob is not None:
                self._moving.add(blob)
                if stopped is None:
                    self._current.append(blob)
            elif again:
                waiting.polls += 1
                pause = min(POLL_SECONDS * 1.5 ** (waiting.polls - 1), MAX_POLL_SECONDS)
                waiting.due = time.monotonic() + pause * random.uniform(0.5, 1.5)  # noqa: S311
                self._waiting.append(waiting)
            self._change.notify_all()
        if blob is not None and stopped is not None:
            blob.fail(stopped)

    def _put_off(self, waiting: _Waiting, error: MirrorError) -> bool:
        """What a blob's failure means: True to try it again, trusting nothing staged; else go on without it."""
        if isinstance(error, DigestMismatch) and waiting.resume:
            waiting.resume = False
            return True
        self._progress.state(waiting.descriptor.digest, "failed")
        with self._change:
            self._failed[waiting.descriptor.digest] = error
        if isinstance(error, (Denied, Throttled, Unavailable, Cancelled)):
            self._halt(error)
        return False

    # the blocks of a blob

    def _carry(self, blob: MovingBlob, index: int, data: memoryview) -> None:
        """One block; whoever finishes a blob's last one commits it."""
        try:
            blob.carry(index, data)
        except MirrorError as error:
            blob.fail(error)
        with self._change:
            blob.unfinished -= 1
            if blob.failure is not None:
                blob.unfinished -= blob.count - blob.next
                blob.next = blob.count
            if blob.unfinished:
                return
        try:
            if blob.failure is None:
                blob.commit()
                if not blob.damaged:
                    self._link(blob.descriptor)
        except MirrorError as error:
            blob.fail(error)
        blob.close()
        waiting = _Waiting(blob.descriptor, blob.resumed, blob.ingest if blob.damaged else None)
        failure = blob.failure
        again = blob.damaged or (isinstance(failure, MirrorError) and self._put_off(waiting, failure))
        with self._change:
            self._moving.discard(blob)
            if again:
                self._waiting.append(waiting)
            self._change.notify_all()
