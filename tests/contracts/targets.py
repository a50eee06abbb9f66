"""What every mirror that a copy writes into promises (`acrmirror/copying/ports.py`)."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from acrmirror.errors import (
    Damaged,
    Denied,
    DigestMismatch,
    Malformed,
    TagMoved,
    Throttled,
    Unavailable,
    UnkeptName,
)
from acrmirror.history import Observation, TagEvent
from acrmirror.moments import Moment
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest, Reference
from tests.contracts.blobs import (
    APP,
    OCTETS,
    OTHER,
    BlobContract,
    commit,
    content,
    described,
    opened,
    stage,
    write,
)
from tests.contracts.mirrors import TargetBed

EARLY, AT, LATE = (Moment(f"2026-04-25T21:39:4{second}.000000000Z") for second in (6, 7, 8))


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


class TargetContract(BlobContract):
    """Derive `Test…` from it, with a fixture `bed`."""

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

    def test_a_manifest_that_was_only_put_is_no_repositorys(self, bed: TargetBed) -> None:
        one = manifest("one")
        for _ in range(2):
            bed.target.manifests.put(one)
        assert bed.stored(one.digest) == one.raw
        assert bed.target.manifests.revision(APP, one.digest) is None
        bed.target.manifests.link(APP, one)
        assert bed.target.manifests.revision(APP, one.digest) is not None

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

    def test_what_is_done_meanwhile_is_done_before_the_tag_moves(self, bed: TargetBed) -> None:
        one = written(bed, manifest("one"))
        before: list[object] = []
        bed.target.tags.set(APP, "v1", one, AT, None, meanwhile=lambda: before.append(bed.target.tags.read(APP, "v1")))
        assert before == [None]

    def test_a_tag_does_not_move_if_what_is_done_meanwhile_fails(self, bed: TargetBed) -> None:
        one = written(bed, manifest("one"))

        def fail() -> None:
            raise Unavailable("write the history", "it failed", "Again.")

        with pytest.raises(Unavailable):
            bed.target.tags.set(APP, "v1", one, AT, None, meanwhile=fail)
        assert bed.target.tags.read(APP, "v1") is None

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

    # what fails

    @pytest.mark.parametrize("failure", [Denied, Throttled, Unavailable])
    def test_what_fails_is_told_by_whatever_was_asked(
        self, bed: TargetBed, failure: type[Denied | Throttled | Unavailable]
    ) -> None:
        target, subject = bed.target, Digest.of(b"subject")
        one = written(bed, manifest("one"))
        target.tags.set(APP, "v1", one, AT, None)
        tag = target.tags.read(APP, "v1")
        there, small, large = write(bed, content(10)), content(20), content(2 * bed.block)
        begun, putting = opened(bed, described(large)), opened(bed, described(small))
        ended = opened(bed, described(content(bed.block + 1)))
        stage(ended, content(bed.block + 1))
        stored = target.blobs.stored(there)
        assert stored is not None
        bed.fail(failure)
        calls: dict[str, Callable[[], object]] = {
            "has": lambda: target.blobs.has(described(b"new")),
            "ingest": lambda: target.blobs.ingest(described(content(3 * bed.block))),
            "stored": lambda: target.blobs.stored(there),
            "linked": lambda: target.blobs.linked(APP, there.digest),
            "link": lambda: target.blobs.link(APP, there),
            "stage": lambda: begun.stage(0, memoryview(large)[: bed.block], b"running"),
            "put": lambda: putting.put(memoryview(small), Digest.of(small)),
            "commit": lambda: commit(ended, content(bed.block + 1)),
            "read": lambda: stored.read_into(0, memoryview(bytearray(10)), lambda count: None),
            "revision": lambda: target.manifests.revision(APP, one.digest),
            "write": lambda: target.manifests.write(APP, manifest("two")),
            "put manifest": lambda: target.manifests.put(manifest("three")),
            "link manifest": lambda: target.manifests.link(APP, manifest("one")),
            "read manifest": lambda: target.manifests.read(APP, one),
            "read tag": lambda: target.tags.read(APP, "v1"),
            "set tag": lambda: target.tags.set(APP, "v1", one, LATE, tag),
            "observe": lambda: target.history.observe(
                Reference(APP, "v1"), Observation(AT, one.digest, "event", "event")
            ),
            "add": lambda: target.referrers.add(APP, subject, [one], AT),
            "keep": lambda: target.referrers.keep_tag(APP, subject.referrers_tag, AT),
            "merge": lambda: target.referrers.merge_tag(APP, subject.referrers_tag, index(), AT, None),
        }
        # At once, since the real one is asked again for a while.
        with ThreadPoolExecutor(len(calls)) as pool:
            asked = {name: pool.submit(call) for name, call in calls.items()}
            raised = {name: call.exception() for name, call in asked.items()}
        assert {name: type(error) for name, error in raised.items() if not isinstance(error, failure)} == {}

    def test_a_tag_whose_name_is_not_kept_is_refused_and_moves_no_other(self, bed: TargetBed) -> None:
        one, two = written(bed, manifest("one")), written(bed, manifest("two"))
        bed.target.tags.set(APP, "v1", one, AT, None)
        bed.cut_dots()
        with pytest.raises(UnkeptName):
            bed.target.tags.set(APP, "v1.", two, LATE, bed.target.tags.read(APP, "v1."))
        with pytest.raises(UnkeptName):
            bed.target.history.observe(Reference(APP, "v1."), Observation(LATE, two.digest, "event", "event"))
        found = bed.target.tags.read(APP, "v1")
        assert found is not None
        assert found.digest == one.digest
        assert bed.observed(Reference(APP, "v1")) == []
