"""What every mirror and registry that is written into promises of blobs (`acrmirror/copying/ports.py`)."""

import random
from dataclasses import replace

import pytest

from acrmirror.copying.ports import Ingest
from acrmirror.errors import Cancelled, Conflict, DigestMismatch, Malformed
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from tests.contracts.mirrors import ContentBed, TargetBed

OCTETS = "application/octet-stream"
APP, OTHER = "team/app", "team/other"
BLOCKS = 3


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def described(data: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor(OCTETS, Digest.of(data, algorithm), len(data))


def never(missing: list[int]) -> None:
    raise AssertionError(f"blocks {missing} were requested again")


def opened(bed: ContentBed, descriptor: Descriptor, resume: bool = True) -> Ingest:
    way_in = bed.target.blobs.ingest(descriptor, resume=resume)
    assert way_in is not None
    return way_in


def stage(way_in: Ingest, data: bytes, upto: int | None = None, algorithm: str = "sha256") -> tuple[Digest, int]:
    """Stages blocks in order; the digest of what was staged, and how many were really sent."""
    hasher = Digest.of(b"", algorithm).hasher()
    sent = 0
    for index in range(way_in.count if upto is None else upto):
        offset, length = way_in.block(index)
        part = memoryview(data)[offset : offset + length]
        hasher.update(part)
        sent += way_in.stage(index, part, hasher.copy().digest())
    return Digest(algorithm, hasher.hexdigest()), sent


def commit(way_in: Ingest, data: bytes, algorithm: str = "sha256") -> bool:
    """By one put, or block by block."""
    if way_in.count == 1:
        return way_in.put(memoryview(data), Digest.of(data, algorithm))
    return way_in.commit(stage(way_in, data, algorithm=algorithm)[0], never)


def write(bed: ContentBed, data: bytes, algorithm: str = "sha256") -> Descriptor:
    descriptor = described(data, algorithm)
    assert commit(opened(bed, descriptor), data, algorithm)
    return descriptor


class ContentContract:
    """What a mirror and a registry promise alike of the blobs that are written into them. Derive `Test…` from it, with
    a fixture `bed`."""

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize("blocks", [0, 0.5, 1, 1.5, 3])
    def test_what_is_written_is_there(self, bed: ContentBed, blocks: float, algorithm: str) -> None:
        data = content(int(blocks * bed.block))
        descriptor = write(bed, data, algorithm)
        assert bed.stored(descriptor.digest) == data
        assert bed.target.blobs.has(descriptor)
        assert bed.target.blobs.ingest(descriptor) is None

    @pytest.mark.parametrize("blocks", [0, 0.5, 1, 1.5, 3])
    def test_blocks_cover_a_blob_and_are_as_many_as_was_said(self, bed: ContentBed, blocks: float) -> None:
        data = content(int(blocks * bed.block))
        way_in = opened(bed, described(data))
        parts = [way_in.block(number) for number in range(way_in.count)]
        assert [offset for offset, _ in parts] == [number * way_in.block_size for number in range(way_in.count)]
        assert sum(length for _, length in parts) == len(data)
        assert all(length <= way_in.block_size for _, length in parts)
        assert bed.target.blobs.blocks(described(data)) == way_in.count

    def test_nothing_is_there_before_the_commit(self, bed: ContentBed) -> None:
        data = content(BLOCKS * bed.block)
        stage(opened(bed, described(data)), data)
        assert not bed.target.blobs.has(described(data))
        assert bed.stored(described(data).digest) is None

    @pytest.mark.parametrize("blocks", [1, BLOCKS])
    def test_other_bytes_than_the_digests_are_not_committed(self, bed: ContentBed, blocks: int) -> None:
        data = content(blocks * bed.block)
        wrong = bytes([data[0] ^ 1]) + data[1:]
        with pytest.raises(DigestMismatch):
            commit(opened(bed, described(data)), wrong)
        assert bed.stored(described(data).digest) is None

    def test_a_way_in_to_an_empty_place_mends_nothing(self, bed: ContentBed) -> None:
        assert not opened(bed, described(content(10))).mends

    def test_a_size_that_is_a_lie_is_malformed_and_harms_nothing(self, bed: ContentBed) -> None:
        data = content(10)
        right = write(bed, data)
        lie = Descriptor(OCTETS, right.digest, 9)
        assert not bed.target.blobs.has(lie)
        assert bed.target.blobs.stored(lie) is None
        with pytest.raises(Malformed):
            bed.target.blobs.ingest(lie)
        assert bed.stored(right.digest) == data

    def test_nothing_is_stored_where_nothing_was_written(self, bed: ContentBed) -> None:
        assert bed.target.blobs.stored(described(b"none")) is None
        assert not bed.target.blobs.has(described(b"none"))


class BlobContract(ContentContract):
    """What a mirror promises besides. Part of `TargetContract`."""

    # blobs: the way in

    def test_what_was_staged_need_not_be_sent_again(self, bed: TargetBed) -> None:
        data = content(BLOCKS * bed.block)
        assert stage(opened(bed, described(data)), data, upto=2)[1] == 2
        again = opened(bed, described(data))
        digest, sent = stage(again, data)
        assert sent == BLOCKS - 2
        assert again.commit(digest, never)
        assert bed.stored(digest) == data

    def test_without_resume_everything_is_sent_again(self, bed: TargetBed) -> None:
        data = content(BLOCKS * bed.block)
        stage(opened(bed, described(data)), data)
        assert stage(opened(bed, described(data), resume=False), data)[1] == BLOCKS

    def test_blocks_of_other_bytes_are_not_resumed_from(self, bed: TargetBed) -> None:
        data = content(BLOCKS * bed.block)
        stage(opened(bed, described(data)), bytes([data[0] ^ 1]) + data[1:])
        again = opened(bed, described(data))
        digest, sent = stage(again, data)
        assert sent == BLOCKS
        assert again.commit(digest, never)
        assert bed.stored(digest) == data

    @pytest.mark.parametrize("blocks", [1, BLOCKS])
    def test_of_two_writers_the_second_finds_the_blob(self, bed: TargetBed, blocks: int) -> None:
        data = content(blocks * bed.block)
        digest = described(data).digest
        first, second = opened(bed, described(data)), opened(bed, described(data))
        if blocks == 1:
            results = [it.put(memoryview(data), digest) for it in (first, second)]
        else:
            for way_in in (first, second):
                stage(way_in, data)
            results = [it.commit(digest, never) for it in (first, second)]
        assert results == [True, False]
        assert bed.stored(digest) == data

    def test_dropped_blocks_are_asked_for_again(self, bed: TargetBed) -> None:
        data = content(BLOCKS * bed.block)
        way_in = opened(bed, described(data))
        digest, _ = stage(way_in, data)
        bed.drop_staged(digest)
        asked: list[int] = []

        def restage(missing: list[int]) -> None:
            asked.extend(missing)
            stage(way_in, data)

        assert way_in.commit(digest, restage)
        assert asked == list(range(BLOCKS))
        assert bed.stored(digest) == data

    def test_blocks_that_keep_being_dropped_are_a_conflict(self, bed: TargetBed) -> None:
        data = content(BLOCKS * bed.block)
        way_in = opened(bed, described(data))
        digest, _ = stage(way_in, data)
        bed.drop_staged(digest)
        with pytest.raises(Conflict):
            way_in.commit(digest, lambda missing: None)
        assert bed.stored(digest) is None

    # blobs: wrong bytes

    def test_wrong_bytes_of_another_length_are_replaced(self, bed: TargetBed) -> None:
        data = content(10)
        bed.overwrite(Digest.of(data), b"wrong")
        assert not bed.target.blobs.has(described(data))
        way_in = opened(bed, described(data))
        assert way_in.mends
        assert way_in.put(memoryview(data), Digest.of(data))
        assert bed.stored(Digest.of(data)) == data

    def test_wrong_bytes_are_replaced_only_as_long_as_they_are_there(self, bed: TargetBed) -> None:
        data = content(10)
        bed.overwrite(Digest.of(data), b"wrong")
        first, second = opened(bed, described(data)), opened(bed, described(data))
        results = [it.put(memoryview(data), Digest.of(data)) for it in (first, second)]
        assert results == [True, False]

    # blobs: small ones, which are put without asking first

    def test_the_put_of_a_small_blob_finds_out_whether_it_is_there(self, bed: TargetBed) -> None:
        data = content(10)
        for first in (True, False):
            way_in = bed.target.blobs.unasked(described(data))
            assert way_in is not None
            assert way_in.count == 1
            assert way_in.put(memoryview(data), Digest.of(data)) is first
        assert bed.stored(Digest.of(data)) == data

    def test_a_blob_of_several_blocks_is_asked_about(self, bed: TargetBed) -> None:
        assert bed.target.blobs.unasked(described(content(BLOCKS * bed.block))) is None

    def test_the_put_of_a_small_blob_replaces_wrong_bytes_of_another_length(self, bed: TargetBed) -> None:
        data = content(10)
        bed.overwrite(Digest.of(data), b"wrong")
        way_in = bed.target.blobs.unasked(described(data))
        assert way_in is not None
        assert way_in.put(memoryview(data), Digest.of(data))
        assert way_in.mends
        assert bed.stored(Digest.of(data)) == data

    def test_what_is_known_is_what_was_linked_in_this_repository(self, bed: TargetBed) -> None:
        descriptor = write(bed, content(10))
        assert not bed.target.blobs.known(APP, descriptor)
        bed.target.blobs.link(APP, descriptor)
        assert bed.target.blobs.known(APP, descriptor)
        assert not bed.target.blobs.known(OTHER, descriptor)
        assert not bed.target.blobs.known(APP, replace(descriptor, size=descriptor.size + 1))

    @pytest.mark.parametrize("blocks", [1, BLOCKS])
    def test_what_is_there_can_be_read_and_replaced(self, bed: TargetBed, blocks: int) -> None:
        data = content(blocks * bed.block)
        descriptor = write(bed, data)
        wrong = bytes([data[0] ^ 1]) + data[1:]
        bed.overwrite(descriptor.digest, wrong)
        assert bed.target.blobs.ingest(descriptor) is None
        found = bed.target.blobs.stored(descriptor)
        assert found is not None
        assert found.count == blocks
        buffer, came = memoryview(bytearray(len(data))), list[int]()
        for number in reversed(range(found.count)):
            offset, length = found.block(number)
            found.read_into(offset, buffer[offset : offset + length], came.append)
        assert buffer == wrong
        assert sum(came) == len(data)
        way_in = found.replacement()
        assert way_in.mends
        assert commit(way_in, data)
        assert bed.stored(descriptor.digest) == data
        with pytest.raises(Conflict):
            found.read_into(0, buffer[:1], came.append)

    def test_a_reader_that_was_closed_is_cancelled(self, bed: TargetBed) -> None:
        found = bed.target.blobs.stored(write(bed, content(10)))
        assert found is not None
        found.close()
        with pytest.raises(Cancelled):
            found.read_into(0, memoryview(bytearray(10)), lambda count: None)

    # blobs: links

    @pytest.mark.parametrize("mend", [False, True])
    def test_a_link_is_the_repositorys_own(self, bed: TargetBed, mend: bool) -> None:
        blob = write(bed, content(10))
        assert not bed.target.blobs.linked(APP, blob.digest)
        for _ in range(2):
            bed.target.blobs.link(APP, blob, mend=mend)
        assert bed.target.blobs.linked(APP, blob.digest)
        assert not bed.target.blobs.linked(OTHER, blob.digest)
        assert not bed.target.blobs.linked(APP, Digest.of(b"another"))
