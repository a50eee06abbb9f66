"""Blobs on their way into Blob Storage: ids, races, damage, beyond what every mirror promises (`tests/contracts`)."""

import hashlib
import random
import re
import threading

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.cancel import Cancel
from acrmirror.errors import Cancelled, Conflict, DigestMismatch, Malformed
from acrmirror.mirror import Ingest, Layout, MirrorStore, blocks
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from standins.foundation import Account, Foundation
from testkit.stack import CONTAINER
from tests.integration.storage_proxy import StorageProxy

LAYOUT = Layout()

MIB = 1024 * 1024
OCTETS = "application/octet-stream"


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def described(data: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor(OCTETS, Digest.of(data, algorithm), len(data))


def never(missing: list[int]) -> None:
    raise AssertionError(f"blocks {missing} were requested again")


def stage_all(way_in: Ingest, data: bytes, upto: int | None = None) -> tuple[Digest, int]:
    """Stages blocks in order; returns the digest of what was staged, and how many were really sent."""
    hasher = way_in.descriptor.digest.hasher()
    sent = 0
    for index in range(way_in.count if upto is None else upto):
        offset, length = way_in.block(index)
        part = memoryview(data)[offset : offset + length]
        hasher.update(part)
        sent += way_in.stage(index, part, hasher.copy().digest())
    return Digest(way_in.descriptor.digest.algorithm, hasher.hexdigest()), sent


def write(store: MirrorStore, data: bytes, algorithm: str = "sha256") -> Descriptor:
    descriptor = described(data, algorithm)
    way_in = store.blobs.ingest(descriptor)
    assert way_in is not None
    if way_in.count == 1:
        assert way_in.put(memoryview(data), descriptor.digest)
    else:
        digest, _ = stage_all(way_in, data)
        assert way_in.commit(digest, never)
    return descriptor


def stored(container: ContainerClient, digest: Digest) -> bytes:
    return container.get_blob_client(LAYOUT.blob_data(digest)).download_blob().readall()


def test_a_wrong_digest_commits_nothing_and_names_both(store: MirrorStore) -> None:
    data = content(9 * MIB)
    descriptor = described(data)
    way_in = store.blobs.ingest(descriptor)
    assert way_in is not None
    wrong = bytes([data[0] ^ 1]) + data[1:]
    digest, _ = stage_all(way_in, wrong)
    with pytest.raises(DigestMismatch) as caught:
        way_in.commit(digest, never)
    assert str(descriptor.digest) in str(caught.value)
    assert str(digest) in str(caught.value)
    assert not store.blobs.has(descriptor)


def test_a_staged_block_counts_only_with_its_length(store: MirrorStore, container: ContainerClient) -> None:
    """A block whose id promises more bytes than storage holds is sent again."""
    data = content(16 * MIB)
    descriptor = described(data)
    blob = container.get_blob_client(LAYOUT.blob_data(descriptor.digest))
    running = hashlib.sha256(data[: 8 * MIB]).digest()
    blob.stage_block(blocks.block_id(0, 8 * MIB, running), b"short")
    way_in = store.blobs.ingest(descriptor)
    assert way_in is not None
    digest, sent = stage_all(way_in, data)
    assert sent == 2
    assert way_in.commit(digest, never)
    assert stored(container, descriptor.digest) == data


def test_block_ids_of_other_block_sizes_never_meet() -> None:
    """12 MiB in blocks of 8 and of 10 MiB end in the same running hash, and must not end in the same block id."""
    data = content(12 * MIB)
    whole = hashlib.sha256(data).digest()
    assert blocks.block_id(8 * MIB, 4 * MIB, whole) != blocks.block_id(10 * MIB, 2 * MIB, whole)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 8 * MIB), (1, 8 * MIB), (160_000 * MIB, 8 * MIB), (160_000 * MIB + 1, 16 * MIB), (200 * 1024 * MIB, 16 * MIB)],
)
def test_block_size_follows_from_the_size_alone(size: int, expected: int) -> None:
    assert blocks.block_size(size) == expected
    assert -(-size // blocks.block_size(size)) <= blocks.MAX_BLOCKS


def test_every_block_id_has_one_length_that_storage_takes() -> None:
    ids = {len(blocks.block_id(at, 8 * MIB, bytes(size))) for at in (0, 200 * 2**30) for size in (32, 64)}
    assert ids == {63}


def test_two_writers_of_one_blob_end_in_one_whole_blob(store: MirrorStore, container: ContainerClient) -> None:
    data = content(32 * MIB)
    ways = [store.blobs.ingest(described(data)) for _ in range(2)]
    first, second = ways
    assert first is not None
    assert second is not None
    digest, _ = stage_all(second, data, upto=2)
    whole, _ = stage_all(first, data)
    assert first.commit(whole, never)
    # The commit dropped what the second had staged; it stands, so there is nothing left to do.
    digest, _ = stage_all(second, data)
    assert second.commit(digest, never) is False
    assert stored(container, described(data).digest) == data


def test_only_blocks_that_are_missing_are_asked_for_again(store: MirrorStore, container: ContainerClient) -> None:
    data = content(3 * blocks.BLOCK_SIZE)
    descriptor = described(data)
    way_in = store.blobs.ingest(descriptor)
    assert way_in is not None
    digest, _ = stage_all(way_in, data)
    blob = container.get_blob_client(LAYOUT.blob_data(descriptor.digest))
    blob.commit_block_list([])
    blob.delete_blob()
    asked: list[list[int]] = []

    def stage(*wanted: int) -> None:
        hasher = descriptor.digest.hasher()
        for index in range(3):
            offset, length = way_in.block(index)
            part = memoryview(data)[offset : offset + length]
            hasher.update(part)
            if index in wanted:
                way_in.stage(index, part, hasher.copy().digest())

    def restage(missing: list[int]) -> None:
        asked.append(missing)
        stage(*missing)

    stage(0, 2)
    assert way_in.commit(digest, restage)
    assert asked == [[1]]
    assert stored(container, descriptor.digest) == data


def test_blocks_that_keep_being_dropped_are_given_up_for_now(store: MirrorStore, container: ContainerClient) -> None:
    data = content(16 * MIB)
    way_in = store.blobs.ingest(described(data))
    assert way_in is not None
    digest, _ = stage_all(way_in, data)
    blob = container.get_blob_client(LAYOUT.blob_data(described(data).digest))
    blob.commit_block_list([])
    blob.delete_blob()
    asked: list[list[int]] = []
    with pytest.raises(Conflict):
        way_in.commit(digest, asked.append)
    assert asked == [[0, 1]] * 3
    assert not store.blobs.has(described(data))


def test_a_commit_of_another_length_than_the_descriptors_is_found_out(account: Account, foundation: Foundation) -> None:
    """The hash was right, and what storage made of it is not."""
    data = content(20 * MIB)

    def forget_the_last(method: str, path: str, body: bytes) -> tuple[str, bytes]:
        if method == "PUT" and "comp=blocklist" in path:
            body = re.sub(rb"<(Latest|Uncommitted)>[^<]*</\1></BlockList>", b"</BlockList>", body)
        return path, body

    with StorageProxy(account.ca, foundation.certificates.server) as proxy:
        proxy.upstream, proxy.alter = account.blob_endpoint, forget_the_last
        credential = account.identity.credential()
        with MirrorStore.open(proxy.endpoint, CONTAINER, credential, trust_bundle=account.ca) as odd:
            with pytest.raises(Malformed, match=str(len(data))):
                write(odd, data)
            proxy.alter = lambda method, path, body: (path, body)
            assert not odd.blobs.has(described(data))
            write(odd, data)
            assert odd.blobs.has(described(data))


@pytest.mark.parametrize(("size", "writes"), [(0, 1), (1000, 1), (20 * MIB, 4)])
def test_a_blob_costs_as_many_writes_as_it_has_blocks_and_one_for_several(
    account: Account, foundation: Foundation, size: int, writes: int
) -> None:
    with StorageProxy(account.ca, foundation.certificates.server) as proxy:
        proxy.upstream = account.blob_endpoint
        credential = account.identity.credential()
        with MirrorStore.open(proxy.endpoint, CONTAINER, credential, trust_bundle=account.ca) as counted:
            write(counted, content(size))
        assert proxy.writes == writes


def test_a_put_goes_through_while_another_writer_has_blocks_staged(
    store: MirrorStore, container: ContainerClient
) -> None:
    data = content(1000)
    descriptor = described(data)
    container.get_blob_client(LAYOUT.blob_data(descriptor.digest)).stage_block("x" * 63, b"left behind")
    way_in = store.blobs.ingest(descriptor)
    assert way_in is not None
    assert way_in.put(memoryview(data), descriptor.digest)
    assert stored(container, descriptor.digest) == data


def test_what_another_has_put_right_is_not_written_over(store: MirrorStore, container: ContainerClient) -> None:
    """Whoever comes second must not write over what the first has put right."""
    data = content(1000)
    descriptor = described(data)
    blob = container.get_blob_client(LAYOUT.blob_data(descriptor.digest))
    blob.upload_blob(b"not it")
    first, second = store.blobs.ingest(descriptor), store.blobs.ingest(descriptor)
    assert first is not None
    assert second is not None
    assert first.put(memoryview(data), descriptor.digest)
    etag = blob.get_blob_properties().etag
    assert second.put(memoryview(data), descriptor.digest) is False
    assert blob.get_blob_properties().etag == etag


def test_a_manifests_bytes_are_hashed_anew_and_replaced(store: MirrorStore, container: ContainerClient) -> None:
    data = content(1000)
    digest = Digest.of(data)
    store.blobs.put(data, digest)
    blob = container.get_blob_client(LAYOUT.blob_data(digest))
    etag = blob.get_blob_properties().etag
    store.blobs.put(data, digest, anew=True)
    assert blob.get_blob_properties().etag == etag
    for wrong in (bytes([data[0] ^ 1]) + data[1:], b"another length"):
        blob.upload_blob(wrong, overwrite=True)
        store.blobs.put(data, digest, anew=True)
        assert stored(container, digest) == data


def test_hashing_anew_ends_with_the_job(store: MirrorStore) -> None:
    data = content(1000)
    store.blobs.put(data, Digest.of(data))
    cancel = Cancel()
    cancel.set()
    with cancel.bound(), pytest.raises(Cancelled):
        store.blobs.put(data, Digest.of(data), anew=True)


def test_blobs_are_stored_once_for_all_repositories(store: MirrorStore, container: ContainerClient) -> None:
    descriptor = write(store, content(100))
    for repository in ("a", "a/b", "c"):
        store.blobs.link(repository, descriptor)
        store.blobs.link(repository, descriptor)
    names = [blob.name for blob in container.list_blobs()]
    assert sum(name.endswith("/data") for name in names) == 1
    assert sorted(name for name in names if name.endswith("/link")) == sorted(
        LAYOUT.layer_link(repository, descriptor.digest) for repository in ("a", "a/b", "c")
    )


def test_writers_in_threads_share_an_ingest(store: MirrorStore, container: ContainerClient) -> None:
    data = content(64 * MIB)
    way_in = store.blobs.ingest(described(data))
    assert way_in is not None
    running = []
    hasher = hashlib.sha256()
    for index in range(way_in.count):
        offset, length = way_in.block(index)
        hasher.update(data[offset : offset + length])
        running.append(hasher.copy().digest())

    def stage(index: int) -> None:
        offset, length = way_in.block(index)
        way_in.stage(index, memoryview(data)[offset : offset + length], running[index])

    threads = [threading.Thread(target=stage, args=(index,)) for index in reversed(range(way_in.count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert way_in.commit(Digest.of(data), never)
    assert stored(container, described(data).digest) == data
