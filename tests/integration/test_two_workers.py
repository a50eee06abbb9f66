"""Two workers on one layer at the same moment that cut it into blocks of different sizes, as two versions of the app
would during a deployment: whoever commits first, one whole layer stands."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.copying import Context, copy_image
from acrmirror.errors import Unavailable
from acrmirror.mirror import Ingest, Layout, MirrorStore, blocks
from acrmirror.mirror.blobs import Blobs
from acrmirror.moments import Moment
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, Reference
from acrmirror.registry import Registry
from acrmirror.settings import Settings
from standins.stack import Stack
from testkit.images import oci_image
from testkit.push import Pusher
from testkit.reader import MirrorReader, verify_repository
from testkit.stack import CONTAINER
from tests.registries import registry_of

MIB = 1024 * 1024
SIZE = 36 * MIB
"""The last block has 4 MiB or 6, and the running hash is the same at its end."""
AT = Moment("2026-04-25T21:39:47.276585742Z")


class Worker(Blobs):
    """Blobs that are cut into blocks of the worker's own size; it tells before it stages and commits."""

    store: MirrorStore
    block_size = blocks.BLOCK_SIZE
    before_stage: Callable[[int], object] = staticmethod(lambda index: None)
    before_commit: Callable[[], object] = staticmethod(lambda: None)

    def ingest(self, descriptor: Descriptor, *, resume: bool = True) -> Ingest | None:
        way_in = super().ingest(descriptor, resume=resume)
        if way_in is None or way_in.count == 1:
            return way_in
        way_in.block_size = self.block_size
        way_in.count = -(-descriptor.size // self.block_size)
        way_in._ids = [None] * way_in.count
        stage, commit = way_in.stage, way_in.commit

        def told(index: int, data: memoryview, running: bytes) -> bool:
            self.before_stage(index)
            return stage(index, data, running)

        def committed(digest: Digest, restage: Callable[[list[int]], None]) -> bool:
            self.before_commit()
            return commit(digest, restage)

        way_in.stage, way_in.commit = told, committed  # type: ignore[method-assign]
        return way_in

    @property
    def target(self) -> MirrorStore:
        return replace(self.store, blobs=self)


@contextmanager
def workers(stack: Stack, *sizes: int) -> Iterator[list[Worker]]:
    credential = stack.identity.credential()
    with MirrorStore.open(stack.blob_endpoint, CONTAINER, credential, trust_bundle=stack.ca) as store:
        opened = [Worker(store.container, Layout()) for _ in sizes]
        for worker, size in zip(opened, sizes, strict=True):
            worker.store = store
            worker.block_size = size * MIB
        yield opened


@pytest.fixture
def pushed(bare_stack: Stack, repository: str) -> Iterator[tuple[Reference, Registry]]:
    """An image with one large layer, and the registry that has it."""
    registry = bare_stack.registry
    image = oci_image(repository, layers=[SIZE])
    with Pusher(registry.host, registry.username, registry.password, bare_stack.ca) as pusher:
        pusher.image(repository, image)
    settings = Settings.from_environment(bare_stack.app_environment())
    with registry_of(settings, bare_stack.identity.credential()) as opened:
        yield Reference(repository, image.tag, image.root.digest), opened


def copy(registry: Registry, worker: Worker, reference: Reference) -> None:
    copied = copy_image(registry, worker.target, reference, Context("job", AT, threads=4))
    assert copied.failures == []


def assert_whole(stack: Stack, repository: str) -> None:
    with ContainerClient(stack.blob_endpoint, CONTAINER, **stack.account.client_options) as container:
        report = verify_repository(MirrorReader(container), repository)
    assert report.is_whole, str(report)


def meeting_at(block: int, barrier: threading.Barrier) -> Callable[[int], object]:
    """Before that block is staged, waits for the other worker."""
    return lambda index: barrier.wait(60) if index == block else None


def tell_and_wait(mine: threading.Event, other: threading.Event) -> None:
    mine.set()
    other.wait(60)


def test_two_workers_at_once_end_in_one_whole_layer(bare_stack: Stack, pushed: tuple[Reference, Registry]) -> None:
    """Both come to their last block before either stages it, and have staged it before either commits."""
    reference, registry = pushed
    last, end = threading.Barrier(2), threading.Barrier(2)
    with workers(bare_stack, 8, 10) as pair:
        for worker in pair:
            number = -(-SIZE // worker.block_size) - 1
            worker.before_stage = meeting_at(number, last)
            worker.before_commit = lambda: end.wait(60)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda worker: copy(registry, worker, reference), pair))
    assert_whole(bare_stack, reference.repository)


@pytest.mark.parametrize("sizes", [(8, 10), (10, 8)], ids=str)
def test_whoever_commits_first_takes_nothing_of_what_the_other_staged_last(
    bare_stack: Stack, pushed: tuple[Reference, Registry], sizes: tuple[int, int]
) -> None:
    """All of the first, then all of the second is staged; the first commits, which drops the second's blocks."""
    reference, registry = pushed
    first_staged, second_staged, committed = threading.Event(), threading.Event(), threading.Event()
    with workers(bare_stack, *sizes) as (first, second):
        second.before_stage = lambda index: first_staged.wait(60)
        first.before_commit = lambda: tell_and_wait(first_staged, second_staged)
        second.before_commit = lambda: tell_and_wait(second_staged, committed)
        with ThreadPoolExecutor(2) as pool:
            later = pool.submit(copy, registry, second, reference)
            copy(registry, first, reference)
            committed.set()
            later.result()
    assert_whole(bare_stack, reference.repository)


def test_what_a_worker_with_other_blocks_left_behind_is_not_taken_for_ones_own(
    bare_stack: Stack, pushed: tuple[Reference, Registry]
) -> None:
    """The first dies with everything staged."""
    reference, registry = pushed
    staged: list[int] = []

    def die() -> None:
        raise Unavailable("commit", "the worker dies here", "Again.")

    with workers(bare_stack, 8, 10) as (first, second):
        first.before_commit = die
        assert copy_image(registry, first.target, reference, Context("job", AT, threads=4)).failures
        second.before_stage = staged.append
        copy(registry, second, reference)
    assert sorted(staged) == list(range(4))
    assert_whole(bare_stack, reference.repository)
