"""What one process copies with, whatever it copies: a bounded number of threads, each with the memory of one block.

Every job takes its threads here, one at a time, and gives each back when its block is through. Who has the fewest gets
the next one, and the last that is free goes to nobody who has one: a job that comes waits for no block of another one,
however slowly that arrives, and a large one has all but one of those that nobody else wants. What is small has room of
its own, so that many of them do not wait for each other.

Nothing here can stall: whoever holds a thread waits in order only for blocks that hold one, too (rule W1), and nobody
holds a thread while it waits for another one.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from acrmirror.threads import Threads

MIB = 1024 * 1024
UNIT = 8 * MIB
"""Bytes of memory that go with one thread."""
SMALL = MIB
"""Bytes of memory that go with one of the threads for what is small."""
SMALL_THREADS = UNIT // SMALL
LEAST_FOR_SMALL = 4
"""Threads of which one is given to what is small, as that many small ones."""
LEAST_TO_SPARE = 4
"""Threads of which the last that is free is for who has none."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a step takes: so many bytes of memory, and whether it is small enough, and short enough, for a small thread.
    What opens a connection, and moves nothing, takes no memory."""

    size: int
    small: bool


class Buffer:
    """A thread's memory for one block, as large as the largest that was requested of it."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def view(self, length: int, room: int = 0) -> memoryview:
        """`length` bytes of it. Where it has to grow, it grows to `room` if that is more."""
        if len(self._bytes) < length:
            self._bytes = bytearray()
            self._bytes = bytearray(max(length, room))
        return memoryview(self._bytes)[:length]


@dataclass(slots=True)
class _Lane:
    """Threads of one size: how many units are free, the buffers that nobody uses, and who waits, in order."""

    units: int
    unit: int
    free: int
    buffers: list[Buffer] = field(default_factory=list)
    waiting: list["_Request"] = field(default_factory=list)

    @classmethod
    def of(cls, units: int, unit: int) -> "_Lane":
        return cls(units, unit, units)

    @property
    def kept(self) -> int:
        """Units that nobody takes who has some already."""
        return 1 if self.unit == UNIT and self.units >= LEAST_TO_SPARE else 0

    def weight(self, size: int) -> int:
        """Units that so many bytes take; all there are, if it would be more."""
        return min(self.units, max(1, -(-size // self.unit)))


@dataclass(slots=True, eq=False)
class _Request:
    share: "Share"
    weight: int
    slot: "Slot | None" = None


class Budget:
    """`threads` threads with a block each, for all jobs of a process. Thread-safe; close it when all are over."""

    def __init__(self, threads: int) -> None:
        keeps = threads >= LEAST_FOR_SMALL
        self._blocks = _Lane.of(threads - 1 if keeps else threads, UNIT)
        self._small = _Lane.of(SMALL_THREADS, SMALL) if keeps else self._blocks
        self._change = threading.Condition()
        self._shares = 0
        self._pool = Threads(self._blocks.units + (self._small.units if keeps else 0), "copy")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown()

    def share(self) -> "Share":
        """For one job, or for one of several copies that a job makes beside each other; close it."""
        with self._change:
            self._shares += 1
        return Share(self)

    # what shares and slots do

    def _take(self, share: "Share", need: Need) -> "Slot | None":
        lane = self._small if need.small else self._blocks
        request = _Request(share, lane.weight(need.size))
        with self._change:
            lane.waiting.append(request)
            self._grant(lane)
            while request.slot is None and not share.ended:
                self._change.wait()
            if request.slot is None:
                lane.waiting.remove(request)
                self._grant(lane)
            return request.slot

    def _grant(self, lane: _Lane) -> None:
        """Gives what is free to those who have the fewest, of these to who waits longest. Who needs more than is free
        is waited for: those behind would keep it waiting for ever."""
        granted = False
        while lane.waiting:
            request = min(lane.waiting, key=lambda it: it.share.held(lane))
            # Of those that wait none has fewer: what is kept free is for who comes.
            kept = lane.kept if request.share.held(lane) else 0
            if request.weight + kept > lane.free:
                break
            lane.waiting.remove(request)
            lane.free -= request.weight
            request.share.hold(lane, request.weight)
            buffer = lane.buffers.pop() if lane.buffers else Buffer()
            # A block of several units uses the memory of several.
            del lane.buffers[lane.free :]
            request.slot = Slot(self, request.share, lane, request.weight, buffer)
            granted = True
        if granted:
            self._change.notify_all()

    def _give(self, slot: "Slot") -> None:
        with self._change:
            lane = slot.lane
            lane.free += slot.weight
            slot.share.hold(lane, -slot.weight)
            # A block of a blob over 156 GiB has more than a unit: its memory is not kept for others.
            if self._shares and len(slot.buffer) <= lane.unit:
                lane.buffers.append(slot.buffer)
            self._grant(lane)
            self._change.notify_all()

    def _close(self, share: "Share") -> None:
        with self._change:
            share.ended = True
            self._change.notify_all()
            while share.busy:
                self._change.wait()
            self._shares -= 1
            if not self._shares:
                self._blocks.buffers.clear()
                self._small.buffers.clear()

    def _end(self, share: "Share") -> None:
        with self._change:
            share.ended = True
            self._change.notify_all()


class Share:
    """One job's part of the budget. `take` is called by one thread; the rest by any."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held: dict[int, int] = {}
        self.ended = False

    def take(self, need: Need) -> "Slot | None":
        """Waits for a thread with the memory that is needed; None once the share was ended. What is returned is to be
        run, or released."""
        return self._budget._take(self, need)

    def end(self) -> None:
        """Nothing more is to be taken: whoever waits in `take` comes back with nothing."""
        self._budget._end(self)

    def close(self) -> None:
        """Ends it, and waits until everything that runs is through."""
        self._budget._close(self)

    @property
    def busy(self) -> bool:
        return any(self._held.values())

    def held(self, lane: _Lane) -> int:
        return self._held.get(id(lane), 0)

    def hold(self, lane: _Lane, weight: int) -> None:
        self._held[id(lane)] = self.held(lane) + weight


@dataclass(frozen=True, slots=True)
class Slot:
    """A thread and its memory, in one job's hands."""

    _budget: Budget
    share: Share
    lane: _Lane
    weight: int
    buffer: Buffer

    def run(self, work: Callable[[Buffer], None]) -> None:
        """Does `work`, which raises nothing, on the thread, and gives both back then."""

        self._budget._pool.submit(self.run_here, work)

    def run_here(self, work: Callable[[Buffer], None]) -> None:
        """The same on the caller's own thread, while that of the budget rests."""
        try:
            work(self.buffer)
        finally:
            self.release()

    def release(self) -> None:
        self._budget._give(self)
