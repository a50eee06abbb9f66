"""What every mirror that a copy writes into promises (`acrmirror/copying/ports.py`)."""

import json
import random
from abc import ABC, abstractmethod
from typing import Any

import pytest

from acrmirror.copying.ports import Ingest, Target
from acrmirror.errors import Cancelled, Conflict, Damaged, DigestMismatch, Malformed, TagMoved
from acrmirror.history import Observation, TagEvent
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest, Reference

OCTETS = "application/octet-stream"
EARLY, AT, LATE = (f"2026-04-25T21:39:4{second}.000000000Z" for second in (6, 7, 8))
APP, OTHER = "team/app", "team/other"
BLOCKS = 3


class TargetBed(ABC):
    """An empty mirror, and what may happen to it from outside. `block` is the size of its blocks in bytes."""

    target: Target
    block: int

    @abstractmethod
    def stored(self, digest: Digest) -> bytes | None:
        """The bytes at a digest."""

    @abstractmethod
    def overwrite(self, digest: Digest, data: bytes) -> None:
        """Puts other bytes at a digest."""

    @abstractmethod
    def drop_staged(self, digest: Digest) -> None:
        """Drops the blocks that are staged for a digest at which nothing is."""

    @abstractmethod
    def damage_tag(self, repository: str, tag: str) -> None:
        """Makes a tag's link name no digest."""

    @abstractmethod
    def observed(self, reference: Reference) -> list[Observation]:
        """What history has of a tag, oldest first."""


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def described(data: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor(OCTETS, Digest.of(data, algorithm), len(data))


def never(missing: list[int]) -> None:
    raise AssertionError(f"blocks {missing} were asked for again")


def opened(bed: TargetBed, descriptor: Descriptor, resume: bool = True) -> Ingest:
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


def write(bed: TargetBed, data: bytes, algorithm: str = "sha256") -> Descriptor:
    descriptor = described(data, algorithm)
    assert commit(opened(bed, descriptor), data, algorithm)
    return descriptor


def manifest(name: str, **more: Any) -> Manifest:
    config = {"mediaType": OCTETS, "digest": str(Digest.of(name.encode())), "size": len(name.encode())}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], **more}
    return parse_manifest(json.dumps(body).encode(), OCI_MANIFEST)


def signature(subject: Digest, name: str) -> Manifest:
    return manifest(name, subject={"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 7})


def index(*entries: Manifest) -> Manifest:
    listed = [{"mediaType": it.media_type, "digest": str(it.digest), "size": it.size} for it in entries]
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    return parse_manifest(json.dumps(body).encode(), OCI_INDEX)


def written(bed: TargetBed, one: Manifest, repository: str = APP) -> Descriptor:
    bed.target.manifests.write(repository, one)
    return one.descriptor()


class TargetContract:
    """Derive `Test…` from it, with a fixture `bed`."""

    # blobs: the way in

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize("blocks", [0, 0.5, 1, 1.5, 3])
    def test_what_is_written_is_there(self, bed: TargetBed, blocks: float, algorithm: str) -> None:
        data = content(int(blocks * bed.block))
        descriptor = write(bed, data, algorithm)
        assert bed.stored(descriptor.digest) == data
        assert bed.target.blobs.has(descriptor)
        assert bed.target.blobs.ingest(descriptor) is None

    @pytest.mark.parametrize("blocks", [0, 0.5, 1, 1.5, 3])
    def test_blocks_cover_a_blob_and_are_as_many_as_was_said(self, bed: TargetBed, blocks: float) -> None:
        data = content(int(blocks * bed.block))
        way_in = opened(bed, described(data))
        parts = [way_in.block(number) for number in range(way_in.count)]
        assert [offset for offset, _ in parts] == [number * way_in.block_size for number in range(way_in.count)]
        assert sum(length for _, length in parts) == len(data)
        assert all(length <= way_in.block_size for _, length in parts)
        assert bed.target.blobs.blocks(described(data)) == way_in.count

    def test_nothing_is_there_before_the_commit(self, bed: TargetBed) -> None:
        data = content(BLOCKS * bed.block)
        stage(opened(bed, described(data)), data)
        assert not bed.target.blobs.has(described(data))
        assert bed.stored(described(data).digest) is None

    @pytest.mark.parametrize("blocks", [1, BLOCKS])
    def test_other_bytes_than_the_digests_are_not_committed(self, bed: TargetBed, blocks: int) -> None:
        data = content(blocks * bed.block)
        wrong = bytes([data[0] ^ 1]) + data[1:]
        with pytest.raises(DigestMismatch):
            commit(opened(bed, described(data)), wrong)
        assert bed.stored(described(data).digest) is None

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

    def test_a_way_in_to_an_empty_place_mends_nothing(self, bed: TargetBed) -> None:
        assert not opened(bed, described(content(10))).mends

    def test_wrong_bytes_are_replaced_only_as_long_as_they_are_there(self, bed: TargetBed) -> None:
        data = content(10)
        bed.overwrite(Digest.of(data), b"wrong")
        first, second = opened(bed, described(data)), opened(bed, described(data))
        results = [it.put(memoryview(data), Digest.of(data)) for it in (first, second)]
        assert results == [True, False]

    def test_a_size_that_is_a_lie_is_malformed_and_harms_nothing(self, bed: TargetBed) -> None:
        data = content(10)
        right = write(bed, data)
        lie = Descriptor(OCTETS, right.digest, 9)
        assert not bed.target.blobs.has(lie)
        assert bed.target.blobs.stored(lie) is None
        with pytest.raises(Malformed):
            bed.target.blobs.ingest(lie)
        assert bed.stored(right.digest) == data

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

    def test_nothing_is_stored_where_nothing_was_written(self, bed: TargetBed) -> None:
        assert bed.target.blobs.stored(described(b"none")) is None
        assert not bed.target.blobs.has(described(b"none"))

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

    # manifests

    def test_a_manifest_is_the_repositorys_own_and_keeps_its_bytes(self, bed: TargetBed) -> None:
        one = manifest("one")
        assert bed.target.manifests.revision(APP, one.digest) is None
        descriptor = written(bed, one)
        found = bed.target.manifests.revision(APP, one.digest)
        assert found is not None
        assert found.descriptor.digest == one.digest
        assert (found.descriptor.media_type, found.descriptor.size) == (one.media_type, one.size)
        assert (found.whole, found.refers) == (True, False)
        assert bed.target.manifests.revision(OTHER, one.digest) is None
        assert bed.target.manifests.read(APP, descriptor).raw == one.raw
        assert bed.stored(one.digest) == one.raw

    def test_a_link_says_what_was_left_out_until_nothing_is(self, bed: TargetBed) -> None:
        one = manifest("one")
        for whole in (False, True, False):
            bed.target.manifests.write(APP, one, whole=whole)
            found = bed.target.manifests.revision(APP, one.digest)
            assert found is not None
            assert found.whole is whole

    def test_a_link_says_whether_its_manifest_refers_to_another(self, bed: TargetBed) -> None:
        written(bed, signature(Digest.of(b"subject"), "one"))
        found = bed.target.manifests.revision(APP, signature(Digest.of(b"subject"), "one").digest)
        assert found is not None
        assert found.refers

    @pytest.mark.parametrize("damage", ["a byte", "the length"])
    def test_damaged_bytes_are_not_read_and_are_replaced_by_a_look_anew(self, bed: TargetBed, damage: str) -> None:
        one = manifest("one")
        descriptor = written(bed, one)
        bed.overwrite(one.digest, b"x" + one.raw[1:] if damage == "a byte" else one.raw[1:])
        with pytest.raises((DigestMismatch, Malformed)):
            bed.target.manifests.read(APP, descriptor)
        bed.target.manifests.write(APP, one, anew=True)
        assert bed.target.manifests.read(APP, descriptor).raw == one.raw

    def test_a_link_without_its_content_is_damaged(self, bed: TargetBed) -> None:
        with pytest.raises(Damaged):
            bed.target.manifests.read(APP, manifest("one").descriptor())

    # tags

    def test_a_tag_is_where_it_was_set(self, bed: TargetBed) -> None:
        one = written(bed, manifest("one"))
        assert bed.target.tags.read(APP, "v1") is None
        bed.target.tags.set(APP, "v1", one, AT, None)
        found = bed.target.tags.read(APP, "v1")
        assert found is not None
        assert (found.digest, found.at, found.event, found.sequence) == (one.digest, AT, None, 1)
        assert bed.target.tags.read(OTHER, "v1") is None
        assert bed.target.tags.read(APP, "v2") is None

    def test_an_equal_digest_is_written_too(self, bed: TargetBed) -> None:
        """Else an older answer could be written over it (rule L2)."""
        one = written(bed, manifest("one"))
        bed.target.tags.set(APP, "v1", one, AT, None)
        before = bed.target.tags.read(APP, "v1")
        bed.target.tags.set(APP, "v1", one, LATE, before)
        found = bed.target.tags.read(APP, "v1")
        assert found is not None
        assert (found.sequence, found.at) == (2, LATE)
        with pytest.raises(TagMoved):
            bed.target.tags.set(APP, "v1", one, LATE, before)

    def test_a_lost_race_writes_nothing(self, bed: TargetBed) -> None:
        one, two = written(bed, manifest("one")), written(bed, manifest("two"))
        bed.target.tags.set(APP, "v1", one, AT, None)
        with pytest.raises(TagMoved):
            bed.target.tags.set(APP, "v1", two, LATE, None, TagEvent(LATE, two.digest))
        found = bed.target.tags.read(APP, "v1")
        assert found is not None
        assert (found.digest, found.at, found.event, found.sequence) == (one.digest, AT, None, 1)

    def test_the_newest_event_stays_with_the_tag(self, bed: TargetBed) -> None:
        one = written(bed, manifest("one"))
        expected = None
        news = (TagEvent(AT, one.digest), TagEvent(EARLY, Digest.of(b"old")), None, TagEvent(LATE, one.digest))
        for event, newest in zip(news, (AT, AT, AT, LATE), strict=True):
            bed.target.tags.set(APP, "v1", one, AT, expected, event)
            expected = bed.target.tags.read(APP, "v1")
            assert expected is not None
            assert expected.event == TagEvent(newest, one.digest)

    def test_a_damaged_link_is_known_and_set_anew(self, bed: TargetBed) -> None:
        one = written(bed, manifest("one"))
        bed.target.tags.set(APP, "v1", one, AT, None)
        bed.damage_tag(APP, "v1")
        found = bed.target.tags.read(APP, "v1")
        assert found is not None
        assert found.digest is None
        bed.target.tags.set(APP, "v1", one, LATE, found)
        found = bed.target.tags.read(APP, "v1")
        assert found is not None
        assert found.digest == one.digest

    # history

    def test_an_observation_is_kept_once(self, bed: TargetBed) -> None:
        reference = Reference(APP, "v1")
        one, two = (described(name) for name in (b"one", b"two"))
        later = Observation.of_resolve(two, LATE, "job", 2)
        event = Observation(AT, one.digest, "event", "event")
        for seen in (later, event, later, event):
            bed.target.history.observe(reference, seen)
        found = bed.observed(reference)
        assert [(it.at, it.digest, it.identity, it.kind) for it in found] == [
            (AT, one.digest, "event", "event"),
            (LATE, two.digest, "job", "resolve"),
        ]
        assert bed.observed(Reference(OTHER, "v1")) == bed.observed(Reference(APP, "v2")) == []

    # referrers

    def _listed(self, bed: TargetBed, subject: Digest) -> set[Digest]:
        found = bed.target.tags.read(APP, subject.referrers_tag)
        assert found is not None
        assert found.digest is not None
        revision = bed.target.manifests.revision(APP, found.digest)
        assert revision is not None
        return {it.digest for it in bed.target.manifests.read(APP, revision.descriptor).manifests}

    def test_a_list_of_referrers_grows(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        signatures = [written(bed, signature(subject, name)) for name in ("one", "two", "three")]
        assert bed.target.referrers.add(APP, subject, signatures[:2], AT)
        assert bed.target.referrers.add(APP, subject, signatures[1:], AT)
        assert self._listed(bed, subject) == {it.digest for it in signatures}

    def test_a_list_that_lacks_nothing_is_not_written(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        one = written(bed, signature(subject, "one"))
        assert bed.target.referrers.add(APP, subject, [one], AT)
        before = bed.target.tags.read(APP, subject.referrers_tag)
        assert bed.target.referrers.add(APP, subject, [one], LATE)
        assert bed.target.tags.read(APP, subject.referrers_tag) == before

    def test_nothing_to_list_makes_no_list(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        assert bed.target.referrers.add(APP, subject, [], AT)
        assert bed.target.tags.read(APP, subject.referrers_tag) is None

    def test_a_tag_of_another_kind_is_left_alone(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        image, one = written(bed, manifest("image")), written(bed, signature(subject, "one"))
        bed.target.tags.set(APP, subject.referrers_tag, image, AT, None)
        assert not bed.target.referrers.add(APP, subject, [one], AT)
        assert bed.target.referrers.keep_tag(APP, subject.referrers_tag, AT) is None
        found = bed.target.tags.read(APP, subject.referrers_tag)
        assert found is not None
        assert found.digest == image.digest

    def test_the_registrys_list_keeps_its_digest_where_nothing_lacks_on_it(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        one, two = signature(subject, "one"), signature(subject, "two")
        bed.target.referrers.add(APP, subject, [written(bed, one)], AT)
        theirs = index(one, two)
        for each in (two, theirs):
            written(bed, each)
        expected = bed.target.tags.read(APP, subject.referrers_tag)
        assert bed.target.referrers.merge_tag(APP, subject.referrers_tag, theirs, AT, expected) == theirs.digest
        assert self._listed(bed, subject) == {one.digest, two.digest}

    def test_a_list_never_shrinks_by_the_registrys(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        ours, theirs = signature(subject, "ours"), signature(subject, "theirs")
        bed.target.referrers.add(APP, subject, [written(bed, ours)], AT)
        for each in (theirs, index(theirs)):
            written(bed, each)
        expected = bed.target.tags.read(APP, subject.referrers_tag)
        event = TagEvent(AT, index(theirs).digest)
        bed.target.referrers.merge_tag(APP, subject.referrers_tag, index(theirs), AT, expected, event)
        assert self._listed(bed, subject) == {ours.digest, theirs.digest}
        found = bed.target.tags.read(APP, subject.referrers_tag)
        assert found is not None
        assert found.event == event

    def test_a_merge_that_lost_a_race_sets_nothing(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        one, two = signature(subject, "one"), signature(subject, "two")
        bed.target.referrers.add(APP, subject, [written(bed, one)], AT)
        before = bed.target.tags.read(APP, subject.referrers_tag)
        for each in (two, index(two)):
            written(bed, each)
        with pytest.raises(TagMoved):
            bed.target.referrers.merge_tag(APP, subject.referrers_tag, index(two), AT, None)
        assert bed.target.tags.read(APP, subject.referrers_tag) == before

    def test_the_mirrors_own_list_is_kept(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        tag = subject.referrers_tag
        assert bed.target.referrers.keep_tag(APP, tag, AT) is None
        bed.target.referrers.add(APP, subject, [written(bed, signature(subject, "one"))], AT)
        found = bed.target.tags.read(APP, tag)
        assert found is not None
        assert bed.target.referrers.keep_tag(APP, tag, AT) == found.digest

    def test_a_damaged_list_is_rebuilt(self, bed: TargetBed) -> None:
        subject = Digest.of(b"subject")
        tag = subject.referrers_tag
        one = written(bed, signature(subject, "one"))
        bed.target.referrers.add(APP, subject, [one], AT)
        found = bed.target.tags.read(APP, tag)
        assert found is not None
        assert found.digest is not None
        bed.overwrite(found.digest, b"damaged")
        kept = bed.target.referrers.keep_tag(APP, tag, AT)
        assert kept is not None
        assert self._listed(bed, subject) == {one.digest}
