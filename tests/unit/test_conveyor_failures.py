"""What one blob's failure does to the others, and what ends a run."""

import threading
import time

import pytest

from acrmirror.copying import Context
from acrmirror.errors import Cancelled, DigestMismatch, NotFound, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from tests.in_memory import AT, BLOCK, Mirror
from tests.unit.moved import blobs, move, of, opened, run, within


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
    assert started.wait(30)
    begun = time.monotonic()
    context.cancel.set("a person asked to cancel it")
    thread.join(15)
    assert not thread.is_alive()
    assert time.monotonic() - begun < 10
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
