"""When what a sweep requests brings all that refers to its images, so that the registry is not asked for each."""

import pytest

from acrmirror.reference import Digest
from acrmirror.registry.values import ListedManifest
from acrmirror.sync.comparing import Comparison, Mirrored

IMAGE, OTHER, SIGNATURE = (Digest.of(it) for it in (b"image", b"other", b"signature"))
TAGGED = [ListedManifest(IMAGE, ("v1",), None, 10), ListedManifest(OTHER, ("tmp",), None, 10)]


def compared(listed: list[ListedManifest], mirrored: Mirrored, pattern: str = "") -> Comparison:
    return Comparison("team/app", listed, mirrored, lambda tag: tag.startswith(pattern), untagged=not pattern)


def test_it_does_where_each_manifest_of_the_listing_is_chosen_by_its_tag() -> None:
    comparison = compared(TAGGED, Mirrored({}, {}))
    assert comparison.covered
    assert [(it.reference.tag, it.size, it.absent) for it in comparison.lacking_tags] == [
        ("v1", 10, True),
        ("tmp", 10, True),
    ]


def test_it_does_not_where_a_tag_is_not_chosen_or_a_manifest_has_none() -> None:
    assert not compared(TAGGED, Mirrored({}, {}), "v").covered
    assert not compared([*TAGGED, ListedManifest(SIGNATURE, (), None)], Mirrored({}, {})).covered


@pytest.mark.parametrize("found", [True, False])
def test_what_the_mirror_has_counts_once_it_can_be_found_from_what_it_refers_to(found: bool) -> None:
    tags = {IMAGE.referrers_tag: OTHER} if found else {}
    mirrored = Mirrored(tags, {SIGNATURE: IMAGE})
    assert compared([*TAGGED, ListedManifest(SIGNATURE, (), None)], mirrored).covered is found


def test_a_tag_that_is_elsewhere_in_the_mirror_and_a_manifest_that_is_there_are_not_absent() -> None:
    moved = compared(TAGGED[:1], Mirrored({"v1": OTHER}, {OTHER: None}))
    known = compared(TAGGED[:1], Mirrored({}, {IMAGE: None}))
    assert [it.absent for it in moved.lacking_tags + known.lacking_tags] == [False, False]
