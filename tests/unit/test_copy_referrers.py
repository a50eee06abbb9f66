"""What refers to an image, and the lists of that."""

import pytest

from acrmirror.copying import Context
from acrmirror.errors import (
    Denied,
    Malformed,
    MirrorError,
    Throttled,
    Unavailable,
)
from acrmirror.oci import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)
from acrmirror.reference import Digest
from tests.in_memory import AT, Mirror, Registry
from tests.unit.copied import REPOSITORY, copy, whole


def listed(mirror: Mirror, subject: Descriptor) -> list[Digest]:
    digest = mirror.tagged(REPOSITORY, subject.digest.referrers_tag)
    return [] if digest is None else [it.digest for it in mirror.revisions[REPOSITORY, digest].manifests]


def test_with_an_image_comes_what_refers_to_it_at_this_moment(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", tag="v1")
    signatures = [registry.signature(image, f"signature {number}") for number in range(3)]
    copied = whole(registry, mirror, image.digest, "v1")
    assert copied.referrers == 3
    assert set(listed(mirror, image)) == {it.digest for it in signatures}


def test_a_referrer_pushed_later_is_listed_by_its_own_event(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    whole(registry, mirror, image.digest)
    signature = registry.signature(image)
    whole(registry, mirror, signature.digest)
    assert listed(mirror, image) == [signature.digest]


def test_a_referrer_whose_subject_is_not_there_is_listed_all_the_same(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    signature = registry.signature(image)
    whole(registry, mirror, signature.digest)
    assert listed(mirror, image) == [signature.digest]
    assert (REPOSITORY, image.digest) not in mirror.revisions


def test_a_referrer_that_is_listed_and_missing_does_not_keep_the_others_away(
    registry: Registry, mirror: Mirror
) -> None:
    image = registry.image("one")
    signatures = [registry.signature(image, f"signature {number}") for number in range(3)]
    del registry.manifests[signatures[1].digest]
    copied = copy(registry, mirror, image.digest)
    assert copied.failures == []
    assert copied.referrers == 2
    assert any(str(signatures[1].digest) in note for note in copied.notes)
    assert set(listed(mirror, image)) == {signatures[0].digest, signatures[2].digest}


def test_a_referrer_that_can_not_be_had_now_fails_its_third_and_no_other(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", tag="v1")
    signatures = [registry.signature(image, f"signature {number}") for number in range(2)]
    registry.failing[signatures[0].digest] = Unavailable("read", "500", "Wait.")
    copied = copy(registry, mirror, image.digest, "v1")
    assert isinstance(copied.referrers_failure, Unavailable)
    assert copied.digest_failure is copied.tag_failure is None
    assert listed(mirror, image) == [signatures[1].digest]


@pytest.mark.parametrize(
    ("error", "asked_for"),
    [
        (Throttled("read", "429", "Wait.", 60.0), 1),
        (Denied("read", "403", "Give a role."), 1),
        (Unavailable("read", "500", "Wait."), 3),
    ],
)
def test_what_all_referrers_would_meet_ends_the_asking(
    registry: Registry, mirror: Mirror, error: MirrorError, asked_for: int
) -> None:
    """A list may have thousands: none of them is requested again and again of a registry that throttles or is away."""
    image = registry.image("one", tag="v1")
    signatures = [registry.signature(image, f"signature {number}").digest for number in range(20)]
    registry.failing.update(dict.fromkeys(signatures, error))
    copied = copy(registry, mirror, image.digest, "v1")
    assert type(copied.referrers_failure) is type(error)
    assert copied.digest_failure is copied.tag_failure is None
    assert len([what for what in registry.asked if what[1] in signatures]) == asked_for


def test_failures_that_are_not_in_a_row_do_not_end_the_asking(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", tag="v1")
    signatures = [registry.signature(image, f"signature {number}").digest for number in range(6)]
    away, odd = Unavailable("read", "500", "Wait."), Malformed("read", "it is odd", "Push it again.")
    registry.failing.update(zip(signatures, (away, away, odd, away, away), strict=False))
    copied = copy(registry, mirror, image.digest, "v1")
    assert isinstance(copied.referrers_failure, Unavailable)
    assert listed(mirror, image) == [signatures[5]]


def test_a_referrer_that_the_mirror_has_and_was_never_listed_is_listed(registry: Registry, mirror: Mirror) -> None:
    """A run that was killed between the two writes leaves it so."""
    image = registry.image("one")
    signature = registry.signature(image)
    whole(registry, mirror, image.digest)
    del mirror.tags[REPOSITORY, image.digest.referrers_tag]
    whole(registry, mirror, signature.digest)
    assert listed(mirror, image) == [signature.digest]


def test_a_referrers_tag_of_the_registry_is_merged_and_never_shrinks(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    ours, theirs = registry.signature(image, "ours"), registry.signature(image, "theirs")
    whole(registry, mirror, ours.digest)
    tag = image.digest.referrers_tag
    index = registry.index(theirs, tag=tag)
    whole(registry, mirror, index.digest, tag)
    assert set(listed(mirror, image)) == {ours.digest, theirs.digest}
    assert (REPOSITORY, index.digest) in mirror.revisions
    assert ("history", index.digest) in mirror.writes


def test_a_referrers_tag_that_names_an_image_is_set_as_any_tag_and_told(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    tag = image.digest.referrers_tag
    other = registry.image("other", tag=tag)
    copied = whole(registry, mirror, other.digest, tag)
    assert mirror.tagged(REPOSITORY, tag) == other.digest
    assert any(tag in note for note in copied.notes)
    context = Context("job", AT)
    signature = registry.signature(image)
    whole(registry, mirror, signature.digest, context=context)
    assert mirror.tagged(REPOSITORY, tag) == other.digest
    assert any(str(signature.digest) in note for note in context.progress.notes)


def test_a_referrers_tag_that_becomes_a_list_is_one_here_too(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    tag = image.digest.referrers_tag
    whole(registry, mirror, registry.image("other", tag=tag).digest, tag)
    signature = registry.signature(image)
    index = registry.index(signature, tag=tag)
    whole(registry, mirror, index.digest, tag)
    assert listed(mirror, image) == [signature.digest]


def test_an_index_with_a_subject_under_such_a_tag_is_no_list(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    refers = {"mediaType": OCI_MANIFEST, "digest": str(image.digest), "size": image.size}
    tag = image.digest.referrers_tag
    index = registry.index(registry.image("two"), tag=tag, subject=refers)
    whole(registry, mirror, index.digest, tag)
    assert mirror.revisions[REPOSITORY, index.digest].media_type == OCI_INDEX
    assert mirror.tagged(REPOSITORY, tag) == index.digest
