"""Claims: no thread waits for one, and none is left."""

import threading
import time
from contextlib import suppress

import pytest

from acrmirror.copying import Context
from acrmirror.errors import ClaimedElsewhere, NotFound
from acrmirror.oci import Descriptor
from tests.in_memory import AT, BLOCK, Claims, Mirror
from tests.unit.moved import blobs, move, of, opened, run, within


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
