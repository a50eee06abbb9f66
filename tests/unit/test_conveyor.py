"""How blobs move: order, memory, failures, claims and cancelling, with a source and a target in memory."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from acrmirror.copying import Context, move_blobs
from acrmirror.errors import Cancelled, ClaimedElsewhere, DigestMismatch, NotFound, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest

AT = "2026-04-25T21:39:47.000000000Z"
BLOCK = 1000
PIECE = 250
"""Bytes that arrive at once."""


class Reader:
    def __init__(self, source: "Source", data: bytes) -> None:
        self.source = source
        self.data = data
        self.closed = threading.Event()

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        with self.source.lock:
            self.source.holding += 1
            self.source.most = max(self.source.most, self.source.holding)
        try:
            self.source.delay(offset)
            if self.source.stalls:
                self.closed.wait(20)
            if self.closed.is_set():
                raise Cancelled("read", "closed", "Nothing.")
            for at in range(0, len(buffer), PIECE):
                piece = self.data[offset + at : offset + min(at + PIECE, len(buffer))]
                buffer[at : at + len(piece)] = piece
                arrived(len(piece))
                self.source.between()
        finally:
            with self.source.lock:
                self.source.holding -= 1

    def close(self) -> None:
        self.closed.set()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Source:
    def __init__(self, contents: dict[Digest, bytes], delay: Callable[[int], None] = lambda offset: None) -> None:
        self.contents = contents
        self.delay = delay
        self.opened: list[Digest] = []
        self.stalls = False
        self.between: Callable[[], None] = lambda: None
        self.lock = threading.Lock()
        self.holding = 0
        self.most = 0

    def blob(self, repository: str, descriptor: Descriptor) -> Reader:
        with self.lock:
            self.opened.append(descriptor.digest)
        if descriptor.digest not in self.contents:
            raise NotFound("read a blob", "404", "Push it.")
        return Reader(self, self.contents[descriptor.digest])

    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        if descriptor.digest not in self.contents:
            raise NotFound("look for a blob", "404", "Push it.")


class Ingest:
    def __init__(self, target: "Target", descriptor: Descriptor) -> None:
        self.target = target
        self.descriptor = descriptor
        self.standing: Reader | None = None
        self.mends = False
        self.block_size = BLOCK
        self.count = target.blocks(descriptor)
        self.parts: dict[int, bytes] = {}

    def block(self, index: int) -> tuple[int, int]:
        return index * BLOCK, min(BLOCK, self.descriptor.size - index * BLOCK)

    def stage(self, index: int, data: memoryview, running: bytes) -> bool:
        self.target.staging(self.descriptor)
        assert len(data) == self.block(index)[1]
        self.parts[index] = bytes(data)
        return True

    def put(self, data: memoryview, digest: Digest) -> bool:
        return self._commit(bytes(data), digest)

    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool:
        return self._commit(b"".join(self.parts[index] for index in range(self.count)), digest)

    def _commit(self, data: bytes, digest: Digest) -> bool:
        if digest != self.descriptor.digest:
            raise DigestMismatch("commit", f"{digest}", "Read it again.")
        assert Digest.of(data, digest.algorithm) == digest
        self.target.stored[digest] = data
        return True


class Target:
    def __init__(self) -> None:
        self.stored: dict[Digest, bytes] = {}
        self.links: set[Digest] = set()
        self.resumes: list[bool] = []
        self.reads = Source({})
        self.staging: Callable[[Descriptor], None] = lambda descriptor: None

    def has(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.stored

    def blocks(self, descriptor: Descriptor) -> int:
        return max(1, -(-descriptor.size // BLOCK))

    def linked(self, repository: str, digest: Digest) -> bool:
        return digest in self.links

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        assert Digest.of(self.stored[descriptor.digest], descriptor.digest.algorithm) == descriptor.digest
        self.links.add(descriptor.digest)

    def ingest(self, descriptor: Descriptor, *, resume: bool = True, verify: object = None) -> Ingest | None:
        self.resumes.append(resume)
        way_in = Ingest(self, descriptor)
        if verify is not None and descriptor.size > BLOCK and self.has(descriptor):
            way_in.standing, way_in.mends = Reader(self.reads, self.stored[descriptor.digest]), True
            return way_in
        return None if self.has(descriptor) else way_in


class Claim:
    def __init__(self, claims: "Claims", digest: Digest) -> None:
        self.claims = claims
        self.digest = digest

    def renew(self, done: int) -> None:
        self.claims.renewed += 1

    def release(self) -> None:
        with self.claims.lock:
            self.claims.held.discard(self.digest)


class Claims:
    def __init__(self) -> None:
        self.held: set[Digest] = set()
        self.lock = threading.Lock()
        self.renewed = 0
        self.asked: list[Digest] = []

    def acquire(self, digest: Digest) -> Claim | None:
        with self.lock:
            self.asked.append(digest)
            if digest in self.held:
                return None
            self.held.add(digest)
            return Claim(self, digest)


def blobs(*sizes: int) -> tuple[list[Descriptor], dict[Digest, bytes]]:
    contents = {}
    descriptors = []
    for number, size in enumerate(sizes):
        data = random.Random(number).randbytes(size)
        digest = Digest.of(data)
        contents[digest] = data
        descriptors.append(Descriptor("application/octet-stream", digest, size))
    return descriptors, contents


def run(source: Source, target: Target, descriptors: list[Descriptor], **options: object) -> Context:
    context = Context("job", AT, **options)  # type: ignore[arg-type]
    for descriptor in descriptors:
        context.progress.plan(descriptor)
    context_failed = move_blobs(source, target, "team/app", descriptors, context)  # type: ignore[arg-type]
    assert context_failed == {}
    assert target.links >= {descriptor.digest for descriptor in descriptors}
    return context


def within(seconds: float, work: Callable[[], None]) -> None:
    """Fails instead of hanging: a stalled pool would never come back."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it stalled"


@pytest.mark.parametrize("threads", [1, 2, 4, 16])
def test_blobs_of_all_sizes_arrive(threads: int) -> None:
    descriptors, contents = blobs(0, 1, BLOCK, BLOCK + 1, 25 * BLOCK, 7 * BLOCK + 3, 40 * BLOCK)
    source, target = Source(contents), Target()
    within(20, lambda: run(source, target, descriptors, threads=threads))
    assert target.stored == contents


def test_no_pool_stalls_whatever_the_order_in_which_reads_end() -> None:
    """The first block of each blob comes last: its followers wait, each with its buffer, and must not starve it."""
    descriptors, contents = blobs(*[9 * BLOCK] * 6)
    for threads in (1, 2, 3, 4):
        source = Source(contents, lambda offset: time.sleep(0.02 if offset == 0 else 0))
        target = Target()
        within(20, lambda source=source, target=target, n=threads: run(source, target, descriptors, threads=n))
        assert target.stored == contents


def test_memory_is_bounded_by_the_threads() -> None:
    descriptors, contents = blobs(200 * BLOCK)
    source = Source(contents, lambda offset: time.sleep(0.001))
    run(source, Target(), descriptors, threads=3)
    assert source.most <= 3


def test_what_stands_is_hashed_anew_by_many_threads_at_once() -> None:
    descriptors, contents = blobs(30 * BLOCK, 20 * BLOCK + 7)
    source, target = Source(contents), Target()
    target.stored = dict(contents)
    together = threading.Barrier(3)
    first = iter(range(3))

    def delay(offset: int) -> None:
        # Nobody gets on before three are reading: one after the other would never come together.
        if next(first, None) is not None:
            together.wait(10)

    target.reads.delay = delay
    context = run(source, target, descriptors, threads=3, force=True)
    assert source.opened == []
    assert target.reads.most == 3
    assert context.progress.count("skipped") == 2
    assert (context.progress.bytes_read, context.progress.bytes_written) == (0, 0)


@pytest.mark.parametrize("at", [0, 7 * BLOCK, 30 * BLOCK - 1])
def test_what_stands_and_is_damaged_is_read_from_the_source_and_replaced(at: int) -> None:
    descriptors, contents = blobs(30 * BLOCK, 10)
    source, target = Source(contents), Target()
    damaged = bytearray(contents[descriptors[0].digest])
    damaged[at] ^= 1
    target.stored = contents | {descriptors[0].digest: bytes(damaged)}
    claims = Claims()
    context = run(source, target, descriptors, threads=3, force=True, claims=claims)
    assert target.stored == contents
    assert source.opened == [descriptors[0].digest]
    assert [note for note in context.progress.notes if str(descriptors[0].digest) in note]
    assert claims.held == set()
    assert context.progress.layers[str(descriptors[0].digest)].state == "done"


def test_a_digest_that_is_listed_twice_is_read_once() -> None:
    descriptors, contents = blobs(3 * BLOCK, 10)
    source, target = Source(contents), Target()
    run(source, target, descriptors * 3, threads=4)
    assert len(source.opened) == 2


def test_embedded_data_is_not_asked_for() -> None:
    descriptor = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2, data=b"{}")
    source, target = Source({}), Target()
    run(source, target, [descriptor], threads=1)
    assert source.opened == []
    assert target.stored == {Digest.of(b"{}"): b"{}"}


def test_one_blobs_failure_does_not_keep_the_others_away() -> None:
    descriptors, contents = blobs(5 * BLOCK, 20, 6 * BLOCK)
    missing = descriptors[0].digest
    data = contents.pop(missing)
    source, target = Source(contents), Target()
    failed = move_blobs(source, target, "team/app", descriptors, Context("job", AT, threads=2))  # type: ignore[arg-type]
    assert set(failed) == {missing}
    assert isinstance(failed[missing], NotFound)
    assert target.stored == contents
    assert data


def test_wrong_bytes_are_read_once_more_with_nothing_resumed() -> None:
    (descriptor,), contents = blobs(5 * BLOCK)
    right = contents[descriptor.digest]
    source, target = Source({descriptor.digest: b"x" + right[1:]}), Target()
    failed = move_blobs(source, target, "a", [descriptor], Context("job", AT, threads=2))  # type: ignore[arg-type]
    assert isinstance(failed[descriptor.digest], DigestMismatch)
    assert target.resumes == [True, False]
    assert target.stored == {}


def test_wrong_bytes_that_mend_themselves_arrive() -> None:
    (descriptor,), contents = blobs(5 * BLOCK)
    right = contents[descriptor.digest]
    source, target = Source({descriptor.digest: b"x" + right[1:]}), Target()

    def mend(_: Descriptor) -> None:
        if len(source.opened) == 1:
            source.contents = contents

    target.staging = mend
    run(source, target, [descriptor], threads=2)
    assert target.stored == contents


def test_progress_is_seen_while_a_block_is_on_its_way() -> None:
    """On a slow link all blocks in flight end at about the same time, with nothing to be seen until then."""
    descriptors, contents = blobs(3 * BLOCK, BLOCK)
    source, target = Source(contents), Target()
    context = Context("job", AT, threads=1)
    for descriptor in descriptors:
        context.progress.plan(descriptor)
    seen: list[int] = []
    source.between = lambda: seen.append(context.progress.bytes_done)
    assert move_blobs(source, target, "a", descriptors, context) == {}  # type: ignore[arg-type]
    assert seen == list(range(PIECE, 4 * BLOCK + 1, PIECE))
    assert context.progress.bytes_read == 4 * BLOCK


def test_progress_does_not_go_back_when_a_blob_is_read_again() -> None:
    (descriptor,), contents = blobs(5 * BLOCK)
    source, target = Source({descriptor.digest: b"x" + contents[descriptor.digest][1:]}), Target()
    context = Context("job", AT, threads=1)
    context.progress.plan(descriptor)
    seen: list[int] = []
    source.between = lambda: seen.append(context.progress.bytes_done)
    move_blobs(source, target, "a", [descriptor], context)  # type: ignore[arg-type]
    assert seen == sorted(seen)
    assert seen[-1] == descriptor.size
    assert context.progress.bytes_read == 2 * descriptor.size


def test_what_every_blob_would_meet_stops_the_run() -> None:
    descriptors, contents = blobs(*[4 * BLOCK] * 50)
    source, target = Source(contents), Target()

    def full(_: Descriptor) -> None:
        raise Unavailable("stage", "503", "Wait.")

    target.staging = full
    with pytest.raises(Unavailable):
        move_blobs(source, target, "a", descriptors, Context("job", AT, threads=2))  # type: ignore[arg-type]
    assert len(source.opened) <= 4


def test_an_unexpected_failure_is_raised_and_nothing_hangs() -> None:
    descriptors, contents = blobs(*[8 * BLOCK] * 3)
    source, target = Source(contents), Target()

    def broken(_: Descriptor) -> None:
        raise ZeroDivisionError

    target.staging = broken
    caught: list[BaseException] = []

    def work() -> None:
        try:
            move_blobs(source, target, "a", descriptors, Context("job", AT, threads=3))  # type: ignore[arg-type]
        except ZeroDivisionError as error:
            caught.append(error)

    within(10, work)
    assert caught


def test_cancelling_cuts_reads_and_wakes_waiters() -> None:
    descriptors, contents = blobs(50 * BLOCK)
    context = Context("job", AT, threads=3)
    started = threading.Event()

    def slow(offset: int) -> None:
        started.set()
        context.cancel.wait(5)

    source, target = Source(contents, slow), Target()
    caught: list[Cancelled] = []

    def work() -> None:
        try:
            move_blobs(source, target, "a", descriptors, context)  # type: ignore[arg-type]
        except Cancelled as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(5)
    begun = time.monotonic()
    context.cancel.set("a person asked to cancel it")
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 2
    assert "a person asked" in str(caught[0])
    assert target.stored == {}


def test_cancelling_ends_reads_that_get_no_answer() -> None:
    """Nothing else would wake them."""
    descriptors, contents = blobs(50 * BLOCK, 10)
    context = Context("job", AT, threads=3)
    source = Source(contents)
    source.stalls = True
    timer = threading.Timer(0.3, context.cancel.set)
    timer.start()

    def work() -> None:
        with pytest.raises(Cancelled):
            move_blobs(source, Target(), "a", descriptors, context)  # type: ignore[arg-type]

    within(5, work)


def test_a_block_that_can_not_be_had_lets_go_those_that_wait_behind_it() -> None:
    descriptors, contents = blobs(9 * BLOCK, 3 * BLOCK)
    broken = descriptors[0].digest

    def first(offset: int) -> None:
        if offset == 0 and len(source.opened) == 1:
            time.sleep(0.2)
            raise NotFound("read", "404", "Push it.")

    source, target = Source(contents, first), Target()
    failed: dict[Digest, object] = {}

    def work() -> None:
        failed.update(move_blobs(source, target, "a", descriptors, Context("job", AT, threads=4)))  # type: ignore[arg-type]

    within(10, work)
    assert set(failed) == {broken}
    assert set(target.stored) == {descriptors[1].digest}


@pytest.mark.parametrize("force", [False, True])
def test_only_blobs_of_several_blocks_are_claimed(force: bool) -> None:
    descriptors, contents = blobs(0, 10, BLOCK, BLOCK + 1, 5 * BLOCK)
    claims, target = Claims(), Target()
    run(Source(contents), target, descriptors, threads=3, claims=claims, force=force)
    assert target.stored == contents
    assert sorted(claims.asked, key=str) == sorted((it.digest for it in descriptors if it.size > BLOCK), key=str)


def test_no_thread_waits_for_a_claim() -> None:
    """With one thread, what others have claimed does not hold up what nobody has."""
    descriptors, contents = blobs(2 * BLOCK, 2 * BLOCK)
    claims, target = Claims(), Target()
    held = claims.acquire(descriptors[0].digest)
    assert held is not None

    def finished(descriptor: Descriptor) -> None:
        if descriptor == descriptors[1]:
            held.release()

    target.staging = finished
    within(10, lambda: run(Source(contents), target, descriptors, threads=1, claims=claims))
    assert target.stored == contents


def test_a_claimed_blob_is_left_for_later_and_then_found() -> None:
    descriptors, contents = blobs(3 * BLOCK, 2 * BLOCK)
    claims = Claims()
    held = claims.acquire(descriptors[0].digest)
    assert held is not None
    source, target = Source(contents), Target()

    def finish() -> None:
        time.sleep(0.6)
        target.stored[descriptors[0].digest] = contents[descriptors[0].digest]
        held.release()

    other = threading.Thread(target=finish)
    other.start()
    run(source, target, descriptors, threads=2, claims=claims)
    other.join()
    assert source.opened == [descriptors[1].digest]
    assert target.stored == contents
    assert claims.held == set()


def test_two_jobs_with_opposite_orders_read_every_blob_once_and_do_not_deadlock() -> None:
    descriptors, contents = blobs(*[6 * BLOCK] * 8)
    claims, target = Claims(), Target()
    source = Source(contents, lambda offset: time.sleep(0.002))
    jobs = [
        threading.Thread(target=run, args=(source, target, order), kwargs={"threads": 4, "claims": claims}, daemon=True)
        for order in (descriptors, descriptors[::-1])
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(20)
        assert not job.is_alive()
    assert target.stored == contents
    assert len(source.opened) == len(set(source.opened)) == 8


def test_only_other_workers_blobs_left_hands_the_job_back() -> None:
    (descriptor,), contents = blobs(2 * BLOCK)
    claims = Claims()
    assert claims.acquire(descriptor.digest)
    context = Context("job", AT, threads=2, claims=claims, claim_wait=0.3)
    with pytest.raises(ClaimedElsewhere):
        move_blobs(Source(contents), Target(), "a", [descriptor], context)  # type: ignore[arg-type]


def test_many_blobs_of_others_hand_the_job_back_too() -> None:
    """While one of them is asked about, the clock goes on."""
    descriptors, contents = blobs(*[2 * BLOCK] * 5)
    claims = Claims()
    for descriptor in descriptors:
        assert claims.acquire(descriptor.digest)
    ask = claims.acquire
    claims.acquire = lambda digest: (time.sleep(0.02), ask(digest))[1]  # type: ignore[method-assign,func-returns-value]
    context = Context("job", AT, threads=4, claims=claims, claim_wait=0.4)

    def work() -> None:
        with pytest.raises(ClaimedElsewhere):
            move_blobs(Source(contents), Target(), "a", descriptors, context)  # type: ignore[arg-type]

    within(4, work)


def test_a_claim_is_given_back_when_its_blob_fails() -> None:
    descriptors, contents = blobs(2 * BLOCK, 10)
    claims = Claims()
    context = Context("job", AT, threads=2, claims=claims)
    with suppress(NotFound):
        move_blobs(Source({}), Target(), "a", descriptors, context)  # type: ignore[arg-type]
    assert claims.held == set()
    assert contents


def test_progress_never_goes_back() -> None:
    descriptors, contents = blobs(30 * BLOCK, 20 * BLOCK, 5)
    source, target = Source(contents, lambda offset: time.sleep(0.001)), Target()
    context = Context("job", AT, threads=3)
    for descriptor in descriptors:
        context.progress.plan(descriptor)
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.append(context.progress.bytes_done)
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    move_blobs(source, target, "a", descriptors, context)  # type: ignore[arg-type]
    over.set()
    watcher.join()
    assert seen == sorted(seen)
    assert context.progress.bytes_done == context.progress.bytes_total == sum(it.size for it in descriptors)


def test_sha512_blobs_are_hashed_as_sha512() -> None:
    data = random.Random(7).randbytes(5 * BLOCK)
    descriptor = Descriptor("application/octet-stream", Digest("sha512", hashlib.sha512(data).hexdigest()), len(data))
    target = Target()
    run(Source({descriptor.digest: data}), target, [descriptor], threads=2)
    assert target.stored == {descriptor.digest: data}
