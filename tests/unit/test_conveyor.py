"""How blobs move: order, memory, failures, claims and cancelling, with a registry and a mirror in memory."""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from acrmirror.copying import Context, move_blobs
from acrmirror.errors import Cancelled, ClaimedElsewhere, DigestMismatch, MirrorError, NotFound, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from tests.in_memory import AT, BLOCK, PIECE, Claims, Mirror, Registry

REPOSITORY = "team/app"


def blobs(*sizes: int) -> tuple[list[Descriptor], dict[Digest, bytes]]:
    contents = {}
    descriptors = []
    for number, size in enumerate(sizes):
        data = random.Random(number).randbytes(size)
        digest = Digest.of(data)
        contents[digest] = data
        descriptors.append(Descriptor("application/octet-stream", digest, size))
    return descriptors, contents


def of(contents: dict[Digest, bytes], before: Callable[[int], None] = lambda offset: None) -> Registry:
    """A registry that has these blobs; `before` each read at an offset."""
    registry = Registry()
    registry.blobs, registry.reads.before = dict(contents), before
    return registry


def opened(registry: Registry) -> list[Digest | str]:
    """What was read, in order."""
    return [what for kind, what in registry.asked if kind == "blob"]


def move(
    registry: Registry, mirror: Mirror, descriptors: list[Descriptor], context: Context
) -> dict[Digest, MirrorError]:
    return move_blobs(registry, mirror.target.blobs, REPOSITORY, descriptors, context)


def run(registry: Registry, mirror: Mirror, descriptors: list[Descriptor], **options: Any) -> Context:
    context = Context("job", AT, **options)
    for descriptor in descriptors:
        context.progress.plan(descriptor)
    assert move(registry, mirror, descriptors, context) == {}
    assert mirror.links >= {(REPOSITORY, descriptor.digest) for descriptor in descriptors}
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
    registry, mirror = of(contents), Mirror()
    within(20, lambda: run(registry, mirror, descriptors, threads=threads))
    assert mirror.content == contents


def test_no_pool_stalls_whatever_the_order_in_which_reads_end() -> None:
    """The first block of each blob comes last: its followers wait, each with its buffer, and must not starve it."""
    descriptors, contents = blobs(*[9 * BLOCK] * 6)
    for threads in (1, 2, 3, 4):
        registry = of(contents, lambda offset: time.sleep(0.02 if offset == 0 else 0))
        mirror = Mirror()
        within(20, lambda registry=registry, mirror=mirror, n=threads: run(registry, mirror, descriptors, threads=n))
        assert mirror.content == contents


def test_memory_is_bounded_by_the_threads() -> None:
    descriptors, contents = blobs(200 * BLOCK)
    registry = of(contents, lambda offset: time.sleep(0.001))
    run(registry, Mirror(), descriptors, threads=3)
    assert registry.reads.most <= 3


def test_what_stands_is_hashed_anew_by_many_threads_at_once() -> None:
    descriptors, contents = blobs(30 * BLOCK, 20 * BLOCK + 7)
    registry, mirror = of(contents), Mirror()
    mirror.content = dict(contents)
    together = threading.Barrier(3)
    first = iter(range(3))

    def delay(offset: int) -> None:
        # Nobody gets on before three are reading: one after the other would never come together.
        if next(first, None) is not None:
            together.wait(10)

    mirror.reads.before = delay
    context = run(registry, mirror, descriptors, threads=3, force=True)
    assert opened(registry) == []
    assert mirror.reads.most == 3
    assert {it.state for it in context.progress.layers.values()} == {"skipped"}
    assert (context.progress.bytes_read, context.progress.bytes_written) == (0, 0)


@pytest.mark.parametrize("at", [0, 7 * BLOCK, 30 * BLOCK - 1])
def test_what_stands_and_is_damaged_is_read_from_the_source_and_replaced(at: int) -> None:
    descriptors, contents = blobs(30 * BLOCK, 10)
    registry, mirror = of(contents), Mirror()
    damaged = bytearray(contents[descriptors[0].digest])
    damaged[at] ^= 1
    mirror.content = contents | {descriptors[0].digest: bytes(damaged)}
    claims = Claims()
    context = run(registry, mirror, descriptors, threads=3, force=True, claims=claims)
    assert mirror.content == contents
    assert opened(registry) == [descriptors[0].digest]
    assert [note for note in context.progress.notes if str(descriptors[0].digest) in note]
    assert claims.held == set()
    assert context.progress.layers[str(descriptors[0].digest)].state == "done"


def test_a_digest_that_is_listed_twice_is_read_once() -> None:
    descriptors, contents = blobs(3 * BLOCK, 10)
    registry, mirror = of(contents), Mirror()
    run(registry, mirror, descriptors * 3, threads=4)
    assert len(opened(registry)) == 2


def test_embedded_data_is_not_asked_for() -> None:
    descriptor = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2, data=b"{}")
    registry, mirror = of({}), Mirror()
    run(registry, mirror, [descriptor], threads=1)
    assert opened(registry) == []
    assert mirror.content == {Digest.of(b"{}"): b"{}"}


def test_one_blobs_failure_does_not_keep_the_others_away() -> None:
    descriptors, contents = blobs(5 * BLOCK, 20, 6 * BLOCK)
    missing = descriptors[0].digest
    data = contents.pop(missing)
    registry, mirror = of(contents), Mirror()
    failed = move(registry, mirror, descriptors, Context("job", AT, threads=2))
    assert set(failed) == {missing}
    assert isinstance(failed[missing], NotFound)
    assert mirror.content == contents
    assert data


def test_wrong_bytes_are_read_once_more_with_nothing_resumed() -> None:
    (descriptor,), contents = blobs(5 * BLOCK)
    right = contents[descriptor.digest]
    registry, mirror = of({descriptor.digest: b"x" + right[1:]}), Mirror()
    failed = move(registry, mirror, [descriptor], Context("job", AT, threads=2))
    assert isinstance(failed[descriptor.digest], DigestMismatch)
    assert mirror.resumes == [True, False]
    assert mirror.content == {}


def test_wrong_bytes_that_mend_themselves_arrive() -> None:
    (descriptor,), contents = blobs(5 * BLOCK)
    right = contents[descriptor.digest]
    registry, mirror = of({descriptor.digest: b"x" + right[1:]}), Mirror()

    def mend(_: Descriptor) -> None:
        if len(opened(registry)) == 1:
            registry.blobs = contents

    mirror.before_stage = mend
    run(registry, mirror, [descriptor], threads=2)
    assert mirror.content == contents


def test_progress_is_seen_while_a_block_is_on_its_way() -> None:
    """On a slow link all blocks in flight end at about the same time, with nothing to be seen until then."""
    descriptors, contents = blobs(3 * BLOCK, BLOCK)
    registry, mirror = of(contents), Mirror()
    context = Context("job", AT, threads=1)
    for descriptor in descriptors:
        context.progress.plan(descriptor)
    seen: list[int] = []
    registry.reads.between = lambda: seen.append(context.progress.bytes_done)
    assert move(registry, mirror, descriptors, context) == {}
    assert seen == list(range(PIECE, 4 * BLOCK + 1, PIECE))
    assert context.progress.bytes_read == 4 * BLOCK


def test_progress_does_not_go_back_when_a_blob_is_read_again() -> None:
    (descriptor,), contents = blobs(5 * BLOCK)
    registry, mirror = of({descriptor.digest: b"x" + contents[descriptor.digest][1:]}), Mirror()
    context = Context("job", AT, threads=1)
    context.progress.plan(descriptor)
    seen: list[int] = []
    registry.reads.between = lambda: seen.append(context.progress.bytes_done)
    move(registry, mirror, [descriptor], context)
    assert seen == sorted(seen)
    assert seen[-1] == descriptor.size
    assert context.progress.bytes_read == 2 * descriptor.size


def test_what_every_blob_would_meet_stops_the_run() -> None:
    descriptors, contents = blobs(*[4 * BLOCK] * 50)
    registry, mirror = of(contents), Mirror()

    def full(_: Descriptor) -> None:
        raise Unavailable("stage", "503", "Wait.")

    mirror.before_stage = full
    with pytest.raises(Unavailable):
        move(registry, mirror, descriptors, Context("job", AT, threads=2))
    assert len(opened(registry)) <= 4


def test_an_unexpected_failure_is_raised_and_nothing_hangs() -> None:
    descriptors, contents = blobs(*[8 * BLOCK] * 3)
    registry, mirror = of(contents), Mirror()

    def broken(_: Descriptor) -> None:
        raise ZeroDivisionError

    mirror.before_stage = broken
    caught: list[BaseException] = []

    def work() -> None:
        try:
            move(registry, mirror, descriptors, Context("job", AT, threads=3))
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

    registry, mirror = of(contents, slow), Mirror()
    caught: list[Cancelled] = []

    def work() -> None:
        try:
            move(registry, mirror, descriptors, context)
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
    assert mirror.content == {}


def test_cancelling_ends_reads_that_get_no_answer() -> None:
    """Nothing else would wake them."""
    descriptors, contents = blobs(50 * BLOCK, 10)
    context = Context("job", AT, threads=3)
    registry = of(contents)
    registry.reads.stalls = True
    timer = threading.Timer(0.3, context.cancel.set)
    timer.start()

    def work() -> None:
        with pytest.raises(Cancelled):
            move(registry, Mirror(), descriptors, context)

    within(5, work)


def test_a_block_that_can_not_be_had_lets_go_those_that_wait_behind_it() -> None:
    descriptors, contents = blobs(9 * BLOCK, 3 * BLOCK)
    broken = descriptors[0].digest

    def first(offset: int) -> None:
        if offset == 0 and len(opened(registry)) == 1:
            time.sleep(0.2)
            raise NotFound("read", "404", "Push it.")

    registry, mirror = of(contents, first), Mirror()
    failed: dict[Digest, object] = {}

    def work() -> None:
        failed.update(move(registry, mirror, descriptors, Context("job", AT, threads=4)))

    within(10, work)
    assert set(failed) == {broken}
    assert set(mirror.content) == {descriptors[1].digest}


@pytest.mark.parametrize("force", [False, True])
def test_only_blobs_of_several_blocks_are_claimed(force: bool) -> None:
    descriptors, contents = blobs(0, 10, BLOCK, BLOCK + 1, 5 * BLOCK)
    claims, mirror = Claims(), Mirror()
    run(of(contents), mirror, descriptors, threads=3, claims=claims, force=force)
    assert mirror.content == contents
    assert sorted(claims.asked, key=str) == sorted((it.digest for it in descriptors if it.size > BLOCK), key=str)


def test_no_thread_waits_for_a_claim() -> None:
    """With one thread, what others have claimed does not hold up what nobody has."""
    descriptors, contents = blobs(2 * BLOCK, 2 * BLOCK)
    claims, mirror = Claims(), Mirror()
    held = claims.acquire(descriptors[0].digest)
    assert held is not None

    def finished(descriptor: Descriptor) -> None:
        if descriptor == descriptors[1]:
            held.release()

    mirror.before_stage = finished
    within(10, lambda: run(of(contents), mirror, descriptors, threads=1, claims=claims))
    assert mirror.content == contents


def test_a_claimed_blob_is_left_for_later_and_then_found() -> None:
    descriptors, contents = blobs(3 * BLOCK, 2 * BLOCK)
    claims = Claims()
    held = claims.acquire(descriptors[0].digest)
    assert held is not None
    registry, mirror = of(contents), Mirror()

    def finish() -> None:
        time.sleep(0.6)
        mirror.content[descriptors[0].digest] = contents[descriptors[0].digest]
        held.release()

    other = threading.Thread(target=finish)
    other.start()
    run(registry, mirror, descriptors, threads=2, claims=claims)
    other.join()
    assert opened(registry) == [descriptors[1].digest]
    assert mirror.content == contents
    assert claims.held == set()


def test_two_jobs_with_opposite_orders_read_every_blob_once_and_do_not_deadlock() -> None:
    descriptors, contents = blobs(*[6 * BLOCK] * 8)
    claims, mirror = Claims(), Mirror()
    registry = of(contents, lambda offset: time.sleep(0.002))
    jobs = [
        threading.Thread(
            target=run, args=(registry, mirror, order), kwargs={"threads": 4, "claims": claims}, daemon=True
        )
        for order in (descriptors, descriptors[::-1])
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(20)
        assert not job.is_alive()
    assert mirror.content == contents
    assert len(opened(registry)) == len(set(opened(registry))) == 8


def test_only_other_workers_blobs_left_hands_the_job_back() -> None:
    (descriptor,), contents = blobs(2 * BLOCK)
    claims = Claims()
    assert claims.acquire(descriptor.digest)
    context = Context("job", AT, threads=2, claims=claims, claim_wait=0.3)
    with pytest.raises(ClaimedElsewhere):
        move(of(contents), Mirror(), [descriptor], context)


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
            move(of(contents), Mirror(), descriptors, context)

    within(4, work)


def test_a_claim_is_given_back_when_its_blob_fails() -> None:
    descriptors, contents = blobs(2 * BLOCK, 10)
    claims = Claims()
    context = Context("job", AT, threads=2, claims=claims)
    with suppress(NotFound):
        move(of({}), Mirror(), descriptors, context)
    assert claims.held == set()
    assert contents


def test_progress_never_goes_back() -> None:
    descriptors, contents = blobs(30 * BLOCK, 20 * BLOCK, 5)
    registry, mirror = of(contents, lambda offset: time.sleep(0.001)), Mirror()
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
    move(registry, mirror, descriptors, context)
    over.set()
    watcher.join()
    assert seen == sorted(seen)
    assert context.progress.bytes_done == sum(it.size for it in descriptors)


def test_sha512_blobs_are_hashed_as_sha512() -> None:
    data = random.Random(7).randbytes(5 * BLOCK)
    descriptor = Descriptor("application/octet-stream", Digest("sha512", hashlib.sha512(data).hexdigest()), len(data))
    mirror = Mirror()
    run(of({descriptor.digest: data}), mirror, [descriptor], threads=2)
    assert mirror.content == {descriptor.digest: data}
