"""Progress is seen early, and never goes back."""

import threading
import time

from acrmirror.copying import Context
from tests.in_memory import AT, BLOCK, PIECE, Mirror
from tests.unit.moved import blobs, move, of


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
