"""What is copied, in which order, and what is skipped."""

import pytest

from acrmirror.copying import Context, copy_image
from acrmirror.errors import (
    NotFound,
)
from acrmirror.reference import Digest, Reference
from tests.in_memory import AT, LAYER, Mirror, Registry
from tests.unit.copied import REPOSITORY, copy, whole


def test_what_points_comes_after_what_it_points_at(registry: Registry, mirror: Mirror) -> None:
    """Blobs, their links, children, the index, history, and the tag last."""
    children = [registry.image(name) for name in ("one", "two", "three")]
    root = registry.index(registry.index(*children[:2]), children[2], tag="v1")
    whole(registry, mirror, root.digest, "v1")
    kinds = [kind for kind, _ in mirror.writes if kind != "link"]
    order = ("blob", "manifest", "history", "tag")
    assert sorted(kinds, key=order.index) == kinds
    first = kinds.index("manifest") + kinds.count("blob")
    assert {kind for kind, _ in mirror.writes[:first]} == {"blob", "link"}
    for blob in (digest for kind, digest in mirror.writes if kind == "blob"):
        assert mirror.writes.index(("blob", blob)) < mirror.writes.index(("link", blob)) < first
    manifests = [digest for kind, digest in mirror.writes if kind == "manifest"]
    for place, digest in enumerate(manifests):
        needed = {it.digest for it in mirror.revisions[REPOSITORY, digest].manifests}
        assert needed <= set(manifests[:place])
    assert manifests[-1] == root.digest
    assert mirror.writes[-1] == ("tag", root.digest)


def test_a_known_blob_still_gets_its_link_in_another_repository(registry: Registry, mirror: Mirror) -> None:
    mirror.small = 0
    image = registry.image("one")
    whole(registry, mirror, image.digest)
    copied = copy_image(registry, mirror.target, Reference("other", None, image.digest), Context("job", AT))
    assert copied.failures == []
    assert mirror.lacks("other") == []
    assert registry.times("blob") == 2


def test_what_the_mirror_has_is_skipped_whole(registry: Registry, mirror: Mirror) -> None:
    root = registry.index(registry.image("one"), registry.image("two"))
    whole(registry, mirror, root.digest)
    registry.asked.clear()
    mirror.writes.clear()
    whole(registry, mirror, root.digest)
    assert registry.asked == [("referrers", root.digest)]
    assert mirror.writes == []


def test_blobs_that_the_mirror_has_are_no_reason_to_skip_a_manifest(registry: Registry, mirror: Mirror) -> None:
    mirror.small = 0
    image = registry.image("one")
    mirror.content.update(registry.blobs)
    whole(registry, mirror, image.digest)
    assert registry.times("manifest") == 1
    assert registry.times("blob") == 0


def test_a_small_blob_is_read_without_asking_and_a_known_one_is_not_read_again(
    registry: Registry, mirror: Mirror
) -> None:
    """The repository's own links, as this worker wrote them, are what it knows."""
    layer = registry.blob_of(b"shared")
    digest = Digest.parse(layer["digest"])
    mirror.content[digest] = b"shared"
    for name in ("one", "two"):
        whole(registry, mirror, registry.image(name, layer).digest)
    assert registry.times("blob", digest) == 1
    assert mirror.writes.count(("link", digest)) == 1
    assert ("blob", digest) not in mirror.writes


def test_what_is_known_is_looked_at_all_the_same_with_force(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    whole(registry, mirror, image.digest)
    mirror.content |= {digest: b"wrong" for digest in registry.blobs}
    whole(registry, mirror, image.digest, force=True)
    assert {digest: mirror.content[digest] for digest in registry.blobs} == dict(registry.blobs)


@pytest.mark.parametrize("by", ["digest", "tag"])
def test_force_looks_at_everything_again(registry: Registry, mirror: Mirror, by: str) -> None:
    child = registry.image("one")
    root = registry.index(child, tag="v1")
    whole(registry, mirror, root.digest, "v1")
    lost = next(iter(registry.blobs))
    del mirror.content[lost]
    mirror.links.discard((REPOSITORY, lost))
    registry.asked.clear()
    asked = (root.digest, None) if by == "digest" else (None, "v1")
    whole(registry, mirror, *asked, force=True)
    assert registry.times("manifest", root.digest) == registry.times("manifest", child.digest) == 1
    assert registry.times("blob") == 1
    assert set(mirror.verified) == set(registry.blobs) - {lost}


def test_force_on_a_whole_image_whose_child_was_purged_hashes_what_the_mirror_has_of_it(
    registry: Registry, mirror: Mirror
) -> None:
    """Nothing is missing: what the registry lacks is no reason to call it gone."""
    children = [registry.image(name) for name in ("one", "two", "three")]
    root = registry.index(*children, tag="v1")
    whole(registry, mirror, root.digest, "v1")
    del registry.manifests[children[1].digest]
    context = Context("job", AT, force=True)
    copied = whole(registry, mirror, root.digest, "v1", context=context)
    assert (copied.digest, copied.tagged) == (root.digest, root.digest)
    kept = {it.digest for it in mirror.revisions[REPOSITORY, children[1].digest].blobs}
    assert kept <= set(mirror.verified)
    assert any(str(children[1].digest) in note for note in context.progress.notes)


def test_force_on_a_purged_child_that_is_damaged_fails_its_index_by_name_and_leaves_its_siblings(
    registry: Registry, mirror: Mirror
) -> None:
    children = [registry.image(name) for name in ("one", "two", "three")]
    root = registry.index(*children)
    whole(registry, mirror, root.digest)
    lost = next(
        it.digest for it in mirror.revisions[REPOSITORY, children[1].digest].blobs if it.digest in mirror.content
    )
    del registry.manifests[children[1].digest], registry.blobs[lost], mirror.content[lost]
    copied = copy(registry, mirror, root.digest, force=True)
    assert isinstance(copied.digest_failure, NotFound)
    assert str(children[1].digest) in str(copied.digest_failure)
    for sibling in (children[0], children[2]):
        assert mirror.target.manifests.revision(REPOSITORY, sibling.digest) is not None


def test_force_with_digest_and_tag_looks_once(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", tag="v1")
    whole(registry, mirror, image.digest, "v1", force=True)
    assert registry.times("manifest") == 1


def test_wrong_bytes_that_are_replaced_are_told(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", registry.blob_of(b"x" * 10))
    mirror.content |= {digest: b"wrong" for digest in registry.blobs}
    context = Context("job", AT)
    whole(registry, mirror, image.digest, context=context)
    for digest in registry.blobs:
        assert [note for note in context.progress.notes if str(digest) in note]


def test_nothing_and_what_is_embedded_are_not_asked_for(registry: Registry, mirror: Mirror) -> None:
    nothing = {"mediaType": LAYER, "digest": str(Digest.of(b"")), "size": 0}
    embedded = {"mediaType": LAYER, "digest": str(Digest.of(b"{}")), "size": 2, "data": "e30="}
    plain = {"mediaType": LAYER, "digest": str(Digest.of(b"{}")), "size": 2}
    root = registry.index(registry.image("one", nothing, plain), registry.image("two", embedded))
    whole(registry, mirror, root.digest)
    assert registry.times("blob", Digest.of(b"")) == registry.times("blob", Digest.of(b"{}")) == 0
    assert mirror.content[Digest.of(b"")] == b""
