"""Several copies beside each other share one process's threads: none stalls, none starves, and memory is bounded."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from acrmirror.copying import Budget, Context
from acrmirror.copying.budget import SMALL, SMALL_THREADS, UNIT, Buffer, Need, Slot
from acrmirror.errors import Cancelled
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from tests.in_memory import AT, BLOCK, Mirror
from tests.unit.moved import blobs, move, of, run, within

BLOCKS = Need(UNIT, small=False)
TINY = Need(10, small=True)


def start_all(jobs: list[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(len(jobs)) as pool:
        for job in [pool.submit(it) for it in jobs]:
            job.result()


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 11])
def test_no_copy_stalls_whatever_the_order_in_which_reads_end(threads: int) -> None:
    """The first block of each blob comes last, in every one of six copies of blobs of all kinds."""
    sizes = [9 * BLOCK, 10, 4 * BLOCK + 1, BLOCK, 0, 7 * BLOCK]
    with Budget(threads) as budget:
        mirrors = [Mirror() for _ in range(6)]
        contents = blobs(*sizes)
        copies = [
            partial(run, of(contents[1], lambda offset: time.sleep(0.01 if offset == 0 else 0)), mirror, contents[0])
            for mirror in mirrors
        ]
        within(60, lambda: start_all([partial(it, threads=threads, budget=budget) for it in copies]))
    assert all(it.content == contents[1] for it in mirrors)


def test_copies_beside_each_other_hold_no_more_blocks_than_there_are_threads() -> None:
    descriptors, contents = blobs(60 * BLOCK)
    registry = of(contents, lambda offset: time.sleep(0.001))
    with Budget(3) as budget:
        start_all([partial(run, registry, Mirror(), descriptors, budget=budget) for _ in range(5)])
    assert 1 < registry.reads.most <= 3


def test_a_small_image_arrives_while_ten_large_ones_hold_every_thread() -> None:
    """None of their blocks ends before it is through."""
    large, large_contents = blobs(50 * BLOCK)
    small, small_contents = blobs(10, 20, 30)
    through, holding = threading.Event(), threading.Semaphore(0)

    def slowly(offset: int) -> None:
        holding.release()
        assert through.wait(20)

    with Budget(11) as budget, ThreadPoolExecutor(10) as pool:
        jobs = [pool.submit(run, of(large_contents, slowly), Mirror(), large, budget=budget) for _ in range(10)]
        for _ in range(10):
            assert holding.acquire(timeout=10)
        mirror = Mirror()
        within(10, lambda: run(of(small_contents), mirror, small, budget=budget))
        through.set()
        for job in jobs:
            job.result()
    assert mirror.content == small_contents


def test_who_has_the_fewest_threads_gets_the_next_one() -> None:
    """A large copy that has nearly all of them gives up one for each that another one wants, until both have as many;
    and one is kept free for who has none."""
    with Budget(9) as budget:
        greedy, late, third = budget.share(), budget.share(), budget.share()
        held = [greedy.take(BLOCKS) for _ in range(7)]
        last = third.take(BLOCKS)
        order: list[str] = []

        def wanting(name: str, share: object, times: int) -> None:
            for _ in range(times):
                slot = share.take(BLOCKS)  # type: ignore[attr-defined]
                order.append(name)
                mine.append(slot)

        mine: list[Slot] = []
        again = threading.Thread(target=wanting, args=("greedy", greedy, 1))
        again.start()
        until(lambda: waiting(budget) == 1)
        other = threading.Thread(target=wanting, args=("late", late, 4))
        other.start()
        until(lambda: waiting(budget) == 2)
        for number, released in enumerate((1, 2, 1, 1)):
            for _ in range(released):
                release(held.pop())
            until(lambda: len(order) > number)  # noqa: B023
        assert order[:3] == ["late"] * 3
        assert budget._blocks.free == 1
        for slot in (last, *held):
            release(slot)
        again.join(10)
        other.join(10)
        for slot in mine:
            release(slot)
        for share in (greedy, late, third):
            share.close()


def test_a_copy_that_comes_waits_for_no_block_of_another_one() -> None:
    """However slowly the other one's blocks arrive: of those that it is granted, the last free thread is none."""
    with Budget(5) as budget:
        slow, late = budget.share(), budget.share()
        held = [slow.take(BLOCKS) for _ in range(3)]
        more: list[Slot | None] = []
        thread = threading.Thread(target=lambda: more.append(slow.take(BLOCKS)))
        thread.start()
        until(lambda: waiting(budget) == 1)
        taken = late.take(BLOCKS)
        assert taken is not None
        assert not more
        release(taken)
        release(held.pop())
        thread.join(10)
        for slot in (*more, *held):
            release(slot)
        slow.close()
        late.close()


def test_memory_is_what_was_promised_after_blocks_of_one_unit_and_of_two() -> None:
    with Budget(5) as budget:
        shares = [budget.share() for _ in range(5)]
        ones = [share.take(BLOCKS) for share in shares[:4]]
        for slot in ones:
            assert slot is not None
            slot.buffer.view(UNIT)
            release(slot)
        twos = [share.take(Need(2 * UNIT, small=False)) for share in shares[:2]]
        assert not budget._blocks.buffers
        for slot in twos:
            release(slot)
        for share in shares:
            share.close()


def release(slot: Slot | None) -> None:
    assert slot is not None
    slot.release()


def waiting(budget: Budget) -> int:
    return len(budget._blocks.waiting)


def until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_block_that_takes_more_than_a_thread_has_is_not_kept_waiting_by_smaller_ones() -> None:
    """It gets the first two that are free together, though the smaller one could have had the first of them."""
    with Budget(5) as budget:
        first, large, small, other = budget.share(), budget.share(), budget.share(), budget.share()
        held = [*(first.take(BLOCKS) for _ in range(3)), other.take(BLOCKS)]
        got: list[str] = []

        def want(name: str, need: Need) -> None:
            slot = (large if name == "large" else small).take(need)
            got.append(name)
            release(slot)

        wants = [threading.Thread(target=want, args=("large", Need(2 * UNIT, small=False)))]
        wants[0].start()
        until(lambda: waiting(budget) == 1)
        wants.append(threading.Thread(target=want, args=("small", BLOCKS)))
        wants[1].start()
        until(lambda: waiting(budget) == 2)
        release(held.pop())
        time.sleep(0.05)
        assert got == []
        release(held.pop())
        until(lambda: got[:1] == ["large"])
        for slot in held:
            release(slot)
        for thread in wants:
            thread.join(10)
        assert got == ["large", "small"]
        for share in (first, large, small, other):
            share.close()


def test_memory_is_given_to_one_copy_after_another_and_is_let_go_of_in_the_end() -> None:
    with Budget(4) as budget:
        one, two = budget.share(), budget.share()
        seen: list[int] = []

        def use(buffer: Buffer) -> None:
            buffer.view(1000, UNIT)[:] = bytes(1000)
            seen.append(id(buffer))

        for share in (one, two, one):
            slot = share.take(BLOCKS)
            assert slot is not None
            slot.run(use)
            until(lambda: not share.busy)  # noqa: B023
        assert len(set(seen)) == 1
        one.close()
        assert budget._blocks.buffers
        two.close()
        assert not budget._blocks.buffers


def test_what_is_small_has_room_of_its_own_within_the_same_memory() -> None:
    with Budget(11) as budget:
        share, other = budget.share(), budget.share()
        small = [share.take(TINY) for _ in range(SMALL_THREADS)]
        blocks = [*(share.take(BLOCKS) for _ in range(9)), other.take(BLOCKS)]
        share.end()
        assert share.take(TINY) is None
        assert share.take(BLOCKS) is None
        for slot in (*small, *blocks):
            release(slot)
        share.close()
        other.close()
    assert 10 * UNIT + SMALL_THREADS * SMALL == 11 * UNIT


def test_a_copy_that_waits_for_a_thread_is_cancelled_at_once() -> None:
    descriptors, contents = blobs(5 * BLOCK)
    with Budget(2) as budget:
        other = budget.share()
        held = [other.take(BLOCKS) for _ in range(2)]
        context = Context("job", AT, budget=budget)
        canceller = threading.Timer(0.05, context.cancel.set)
        canceller.start()

        def cancelled() -> None:
            with pytest.raises(Cancelled):
                move(of(contents), Mirror(), descriptors, context)

        within(10, cancelled)
        for slot in held:
            release(slot)
        other.close()


def test_what_nobody_expected_ends_its_copy_and_no_other() -> None:
    data = b"x" * 10
    descriptor = Descriptor("application/octet-stream", Digest.of(data), len(data))

    def odd(offset: int) -> None:
        raise ArithmeticError("odd")

    with Budget(4) as budget:
        with pytest.raises(ArithmeticError):
            move(of({descriptor.digest: data}, odd), Mirror(), [descriptor], Context("job", AT, budget=budget))
        mirror = Mirror()
        run(of({descriptor.digest: data}), mirror, [descriptor], budget=budget)
    assert mirror.content == {descriptor.digest: data}
