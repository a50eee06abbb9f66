"""What is copied, in which order, what is skipped, and what a failure leaves, with both sides in memory."""

import json
from typing import Any

import pytest

from acrmirror.copying import Context, Copied, copy_image, copy_platforms
from acrmirror.errors import (
    Cancelled,
    Conflict,
    Denied,
    DigestMismatch,
    Malformed,
    MirrorError,
    NoSuchPlatform,
    NotFound,
    Refused,
    Throttled,
    TooLarge,
    Unavailable,
    Unsupported,
)
from acrmirror.oci import (
    DOCKER_SCHEMA1_SIGNED,
    MAX_BLOB_SIZE,
    MAX_DEPTH,
    MAX_GRAPH_BYTES,
    MAX_MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)
from acrmirror.reference import Digest, Reference
from tests.in_memory import AT, BLOCK, LAYER, ManifestBytes, Mirror, Registry

REPOSITORY = "team/app"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


def copy(registry: Registry, mirror: Mirror, digest: Digest | None, tag: str | None = None, **options: Any) -> Copied:
    options.setdefault("threads", 4)
    context = options.pop("context", None) or Context("job", AT, **options)
    return copy_image(registry, mirror.target, Reference(REPOSITORY, tag, digest), context)


def whole(registry: Registry, mirror: Mirror, digest: Digest | None, tag: str | None = None, **options: Any) -> Copied:
    copied = copy(registry, mirror, digest, tag, **options)
    assert copied.failures == []
    assert mirror.lacks(REPOSITORY) == []
    return copied


# order


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
    image = registry.image("one")
    whole(registry, mirror, image.digest)
    copied = copy_image(registry, mirror.target, Reference("other", None, image.digest), Context("job", AT))
    assert copied.failures == []
    assert mirror.lacks("other") == []
    assert registry.times("blob") == 2


# the only skip test


def test_what_stands_is_skipped_whole(registry: Registry, mirror: Mirror) -> None:
    root = registry.index(registry.image("one"), registry.image("two"))
    whole(registry, mirror, root.digest)
    registry.asked.clear()
    mirror.writes.clear()
    whole(registry, mirror, root.digest)
    assert registry.asked == [("referrers", root.digest)]
    assert mirror.writes == []


def test_blobs_that_stand_are_no_reason_to_skip_a_manifest(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    mirror.content.update(registry.blobs)
    whole(registry, mirror, image.digest)
    assert registry.times("manifest") == 1
    assert registry.times("blob") == 0


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


# failures


def test_a_lost_child_fails_its_index_by_name_and_its_siblings_stay(registry: Registry, mirror: Mirror) -> None:
    lost, kept = registry.image("lost"), registry.image("kept")
    root = registry.index(lost, kept, tag="v1")
    del registry.manifests[lost.digest]
    copied = copy(registry, mirror, root.digest)
    assert isinstance(copied.digest_failure, NotFound)
    assert str(lost.digest) in str(copied.digest_failure)
    assert set(mirror.revisions) == {(REPOSITORY, kept.digest)}
    assert mirror.lacks(REPOSITORY) == []


def test_a_lost_layer_fails_its_image_by_name_and_other_images_stay(registry: Registry, mirror: Mirror) -> None:
    layer = registry.blob_of(b"a layer")
    lost, kept = registry.image("lost", layer), registry.image("kept")
    root = registry.index(lost, kept)
    del registry.blobs[Digest.parse(layer["digest"])]
    copied = copy(registry, mirror, root.digest)
    assert isinstance(copied.digest_failure, NotFound)
    assert layer["digest"] in str(copied.digest_failure)
    assert set(mirror.revisions) == {(REPOSITORY, kept.digest)}


def test_a_child_of_a_refused_kind_fails_its_index_by_name(registry: Registry, mirror: Mirror) -> None:
    body = json.dumps({"schemaVersion": 1, "name": "old"}).encode()
    old = Descriptor(DOCKER_SCHEMA1_SIGNED, Digest.of(body), len(body))
    registry.manifests[old.digest] = ManifestBytes(body, DOCKER_SCHEMA1_SIGNED)
    kept = registry.image("kept")
    copied = copy(registry, mirror, registry.index(old, kept).digest)
    assert isinstance(copied.digest_failure, Unsupported)
    assert str(old.digest) in str(copied.digest_failure)
    assert set(mirror.revisions) == {(REPOSITORY, kept.digest)}


@pytest.mark.parametrize("kind", [Denied, Throttled, Unavailable])
def test_how_long_a_registry_wants_to_be_left_alone_is_passed_on(
    registry: Registry, mirror: Mirror, kind: type[Unavailable]
) -> None:
    child = registry.image("one")
    root = registry.index(child)
    registry.failing[next(iter(registry.blobs))] = kind("read", "no", "Wait.", 77.0)
    copied = copy(registry, mirror, root.digest)
    assert type(copied.digest_failure) is kind
    assert copied.digest_failure.retry_after == 77.0
    assert mirror.revisions == {}


def test_a_layer_of_another_size_than_its_manifest_says_is_not_kept(registry: Registry, mirror: Mirror) -> None:
    layer = registry.blob_of(b"a layer") | {"size": 6}
    copied = copy(registry, mirror, registry.image("lie", layer).digest)
    assert isinstance(copied.digest_failure, DigestMismatch)
    assert mirror.revisions == {}


def test_two_manifests_that_disagree_about_a_layer_are_malformed(registry: Registry, mirror: Mirror) -> None:
    layer = registry.blob_of(b"a layer")
    root = registry.index(registry.image("one", layer), registry.image("two", layer | {"size": 999}))
    copied = copy(registry, mirror, root.digest)
    assert isinstance(copied.digest_failure, Malformed)
    assert layer["digest"] in str(copied.digest_failure)
    assert mirror.revisions == {}


def test_a_size_that_no_layer_has_is_refused_before_memory_is_taken_for_it(registry: Registry, mirror: Mirror) -> None:
    huge = registry.blob_of(b"a layer") | {"size": MAX_BLOB_SIZE + 1}
    lie, kept = registry.image("lie", huge), registry.image("kept")
    copied = copy(registry, mirror, registry.index(lie, kept).digest)
    assert isinstance(copied.digest_failure, TooLarge)
    assert huge["digest"] in str(copied.digest_failure)
    assert set(mirror.revisions) == {(REPOSITORY, kept.digest)}


def test_size_0_with_another_digest_than_nothings_is_a_lie(registry: Registry, mirror: Mirror) -> None:
    layer = registry.blob_of(b"a layer") | {"size": 0}
    copied = copy(registry, mirror, registry.image("lie", layer).digest)
    assert isinstance(copied.digest_failure, DigestMismatch)


def test_indexes_may_nest_so_deep_and_no_deeper(registry: Registry, mirror: Mirror) -> None:
    nested = registry.image("one")
    for _ in range(MAX_DEPTH):
        nested = registry.index(nested)
    whole(registry, mirror, nested.digest)
    copied = copy(registry, Mirror(), registry.index(nested).digest)
    assert isinstance(copied.digest_failure, TooLarge)


def test_an_index_of_more_manifests_than_a_job_may_have_is_refused_unread(registry: Registry, mirror: Mirror) -> None:
    children = [Descriptor(OCI_MANIFEST, Digest.of(str(n).encode()), 7) for n in range(MAX_MANIFESTS + 1)]
    copied = copy(registry, mirror, registry.index(*children).digest)
    assert isinstance(copied.digest_failure, TooLarge)
    assert registry.times("manifest") == 1


def test_an_index_of_more_blobs_than_a_job_may_have_is_refused_before_any_is_read(
    registry: Registry, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acrmirror.copying.reading.MAX_BLOBS", 7)
    root = registry.index(*[registry.image(f"n{number}") for number in range(4)])
    copied = copy(registry, mirror, root.digest)
    assert isinstance(copied.digest_failure, TooLarge)
    assert registry.times("blob") == 0


@pytest.mark.parametrize(("limit", "most"), [("MAX_MANIFESTS", 6), ("MAX_BLOBS", 8)])
def test_what_refers_to_an_image_counts_against_the_same_limits(
    registry: Registry, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    """Each of them is small; together they are more than one job may have, and the rest is not even asked for."""
    monkeypatch.setattr(f"acrmirror.copying.reading.{limit}", most)
    image = registry.image("one")
    for number in range(20):
        registry.signature(image, f"signature {number}")
    copied = copy(registry, mirror, image.digest)
    assert copied.digest_failure is None
    assert isinstance(copied.referrers_failure, TooLarge)
    assert str(most) in str(copied.referrers_failure)
    assert registry.times("manifest") <= most + 1
    assert (REPOSITORY, image.digest) in mirror.revisions


def test_manifests_that_weigh_too_much_together_are_not_all_held(registry: Registry, mirror: Mirror) -> None:
    text = "x" * (4 * 1024 * 1024 - 2000)
    children = [registry.image(f"n{number}", annotations={"text": text}) for number in range(24)]
    root = registry.index(*children)
    copied = copy(registry, mirror, root.digest, threads=2)
    assert isinstance(copied.digest_failure, TooLarge)
    assert registry.times("manifest") <= MAX_GRAPH_BYTES // len(text) + 4


def test_each_digest_is_visited_once(registry: Registry, mirror: Mirror) -> None:
    shared = registry.image("shared")
    root = registry.index(registry.index(shared), registry.index(shared, registry.image("one")), shared)
    whole(registry, mirror, root.digest)
    assert registry.times("manifest", shared.digest) == 1


# some platforms of an index


def some(registry: Registry, mirror: Mirror, root: Descriptor, *platforms: str) -> Copied:
    copied = copy_platforms(
        registry, mirror.target, Reference(REPOSITORY, "v1", root.digest), platforms, Context("job", AT, threads=2)
    )
    assert copied.failures == []
    assert mirror.lacks(REPOSITORY) == []
    return copied


def test_one_platform_brings_its_image_and_neither_index_nor_tag(registry: Registry, mirror: Mirror) -> None:
    arm, amd = registry.image("arm"), registry.image("amd")
    root = registry.index(arm, amd, tag="v1", architectures=("arm64", "amd64"))
    copied = some(registry, mirror, root, "linux/arm64")
    assert set(mirror.revisions) == {(REPOSITORY, arm.digest)}
    assert mirror.tags == {}
    assert copied.tagged is None
    assert any(str(root.digest) in note for note in copied.notes)


def test_the_last_platform_brings_the_index_and_the_tag(registry: Registry, mirror: Mirror) -> None:
    arm, amd = registry.image("arm"), registry.image("amd")
    root = registry.index(arm, amd, tag="v1", architectures=("arm64", "amd64"))
    some(registry, mirror, root, "linux/arm64")
    some(registry, mirror, root, "linux/amd64")
    assert mirror.tagged(REPOSITORY, "v1") == root.digest
    assert mirror.writes[-1] == ("tag", root.digest)


def test_a_platform_that_is_lost_keeps_the_index_away(registry: Registry, mirror: Mirror) -> None:
    arm, amd = registry.image("arm"), registry.image("amd")
    root = registry.index(arm, amd, tag="v1", architectures=("arm64", "amd64"))
    del registry.manifests[amd.digest]
    reference = Reference(REPOSITORY, "v1", root.digest)
    copied = copy_platforms(registry, mirror.target, reference, ("linux/arm64", "linux/amd64"), Context("job", AT))
    assert isinstance(copied.digest_failure, NotFound)
    assert set(mirror.revisions) == {(REPOSITORY, arm.digest)}
    assert mirror.tags == {}


def test_a_platform_that_is_not_there_is_named_with_those_that_are(registry: Registry, mirror: Mirror) -> None:
    root = registry.index(registry.image("arm"), tag="v1", architectures=("arm64",))
    with pytest.raises(NoSuchPlatform, match="linux/arm64"):
        some(registry, mirror, root, "linux/s390x")


def test_a_platform_of_what_is_no_index_is_the_image(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", tag="v1")
    some(registry, mirror, image, "linux/arm64")
    assert mirror.tagged(REPOSITORY, "v1") == image.digest


# foreign layers


def foreign(registry: Registry, data: bytes = b"foreign") -> dict[str, Any]:
    return registry.blob_of(data, FOREIGN) | {"urls": ["https://example.com/layer"]}


def test_a_foreign_layer_that_the_registry_has_is_mirrored(registry: Registry, mirror: Mirror) -> None:
    copied = whole(registry, mirror, registry.image("one", foreign(registry)).digest)
    assert copied.left_out == {}


def test_a_foreign_layer_that_the_registry_does_not_have_is_left_out_and_told(
    registry: Registry, mirror: Mirror
) -> None:
    layer = foreign(registry)
    digest = Digest.parse(layer["digest"])
    image = registry.image("one", layer)
    del registry.blobs[digest]
    copied = copy(registry, mirror, image.digest)
    assert copied.failures == []
    assert set(copied.left_out) == {digest}
    assert (REPOSITORY, digest) not in mirror.links


@pytest.mark.parametrize("listed", [False, True], ids=["by its image", "by its index"])
def test_a_foreign_layer_that_was_left_out_is_asked_for_again_until_it_stands(
    registry: Registry, mirror: Mirror, listed: bool
) -> None:
    """Its 404 may have come from a replica that lagged."""
    layer = foreign(registry)
    digest = Digest.parse(layer["digest"])
    image = registry.image("one", layer)
    root = registry.index(image) if listed else image
    content = registry.blobs.pop(digest)
    for _ in range(2):
        assert set(copy(registry, mirror, root.digest).left_out) == {digest}
    assert registry.times("blob", digest) == 2
    registry.blobs[digest] = content
    assert whole(registry, mirror, root.digest).left_out == {}
    assert (REPOSITORY, digest) in mirror.links
    asked = len(registry.asked)
    whole(registry, mirror, root.digest)
    assert [kind for kind, _ in registry.asked[asked:]] == ["referrers"]


def test_an_image_without_its_foreign_layer_stays_when_the_registry_has_lost_it(
    registry: Registry, mirror: Mirror
) -> None:
    layer = foreign(registry)
    image = registry.image("one", layer)
    del registry.blobs[Digest.parse(layer["digest"])]
    copy(registry, mirror, image.digest)
    del registry.manifests[image.digest]
    assert copy(registry, mirror, image.digest).failures == []
    checked = copy(registry, mirror, image.digest, force=True)
    assert checked.failures == []
    assert list(checked.left_out) == [Digest.parse(layer["digest"])]


@pytest.mark.parametrize("kind", [Denied, Unavailable, Refused, DigestMismatch])
def test_a_foreign_layer_is_left_out_for_a_404_alone(
    registry: Registry, mirror: Mirror, kind: type[MirrorError]
) -> None:
    layer = foreign(registry)
    image = registry.image("one", layer)
    registry.failing[Digest.parse(layer["digest"])] = kind("read", "no", "Wait.")
    copied = copy(registry, mirror, image.digest)
    assert isinstance(copied.digest_failure, kind)
    assert mirror.revisions == {}


@pytest.mark.parametrize("turned", [False, True])
def test_a_layer_that_one_image_needs_is_not_left_out_for_another(
    registry: Registry, mirror: Mirror, turned: bool
) -> None:
    layer = foreign(registry)
    digest = Digest.parse(layer["digest"])
    images = [registry.image("one", layer), registry.image("two", layer | {"mediaType": LAYER})]
    root = registry.index(*(reversed(images) if turned else images))
    del registry.blobs[digest]
    copied = copy(registry, mirror, root.digest)
    assert isinstance(copied.digest_failure, NotFound)
    assert (REPOSITORY, images[1].digest) not in mirror.revisions


# tags


def test_the_digest_is_mirrored_and_the_tag_set_to_where_it_is_now(registry: Registry, mirror: Mirror) -> None:
    first, second = registry.image("first", tag="v1"), registry.image("second", tag="v1")
    assert whole(registry, mirror, first.digest, "v1").tagged == second.digest
    assert {digest for _, digest in mirror.revisions} == {first.digest, second.digest}
    assert mirror.tagged(REPOSITORY, "v1") == second.digest


def test_an_equal_digest_is_written_too(registry: Registry, mirror: Mirror) -> None:
    """Else one that read the link before could write an older answer over it (A→B→A)."""
    image = registry.image("one", tag="v1")
    for version in (1, 2, 3):
        whole(registry, mirror, image.digest, "v1")
        assert mirror.tags[REPOSITORY, "v1"].version == version


def test_the_link_is_read_before_the_registry_is_asked(registry: Registry, mirror: Mirror) -> None:
    """A to B to A: this job resolved B; then another found A and wrote it; this one's B must not be written over it."""
    a, b = registry.image("a", tag="v1"), registry.image("b")
    whole(registry, mirror, a.digest, "v1")
    whole(registry, mirror, b.digest)
    registry.tags["v1"] = b.digest

    def meanwhile() -> None:
        registry.after_resolve = lambda: None
        registry.tags["v1"] = a.digest
        copied = copy(registry, mirror, a.digest, "v1")
        assert copied.failures == []

    registry.after_resolve = meanwhile
    whole(registry, mirror, b.digest, "v1")
    assert mirror.tagged(REPOSITORY, "v1") == a.digest


def test_the_tag_is_read_anew_after_what_it_points_at_was_copied(registry: Registry, mirror: Mirror) -> None:
    a, b = registry.image("a"), registry.image("b", tag="v1")
    moves = iter([None, a.digest])

    def move() -> None:
        registry.tags["v1"] = next(moves, None) or registry.tags["v1"]

    registry.before_resolve = move
    whole(registry, mirror, None, "v1")
    assert mirror.tagged(REPOSITORY, "v1") == a.digest
    assert {digest for _, digest in mirror.revisions} == {a.digest, b.digest}


def test_history_has_every_answer_before_the_link_and_whatever_becomes_of_it(
    registry: Registry, mirror: Mirror
) -> None:
    image = registry.image("one", tag="v1")
    whole(registry, mirror, image.digest, "v1")
    mirror.writes.clear()

    def meanwhile() -> None:
        assert mirror.writes[-1] == ("history", image.digest)
        if len(mirror.history) == 2:
            mirror.tags[REPOSITORY, "v1"].version += 1
            mirror.tags[REPOSITORY, "v1"] = type(mirror.tags[REPOSITORY, "v1"])(image.digest, 9)

    mirror.before_tag = meanwhile
    whole(registry, mirror, image.digest, "v1")
    assert [seen.kind for _, seen in mirror.history] == ["resolve"] * 3
    assert {str(reference) for reference, _ in mirror.history} == {f"{REPOSITORY}:v1"}
    assert {seen.at for _, seen in mirror.history} == {AT}


def test_a_tag_that_never_rests_is_given_up_for_now(
    registry: Registry, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acrmirror.copying.tagging.TAG_ROUNDS", 5)
    image = registry.image("one", tag="v1")
    whole(registry, mirror, image.digest, "v1")

    def meanwhile() -> None:
        mirror.tags[REPOSITORY, "v1"] = type(mirror.tags[REPOSITORY, "v1"])(image.digest, 0)

    mirror.before_tag = meanwhile
    copied = copy(registry, mirror, image.digest, "v1")
    assert isinstance(copied.tag_failure, Conflict)
    assert copied.digest_failure is None


def test_a_digest_that_is_gone_does_not_keep_the_tag_from_being_set(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", tag="v1")
    copied = copy(registry, mirror, Digest.of(b"purged"), "v1")
    assert isinstance(copied.digest_failure, NotFound)
    assert copied.tag_failure is None
    assert mirror.tagged(REPOSITORY, "v1") == image.digest


def test_a_tag_that_is_gone_does_not_keep_the_digest_away(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    copied = copy(registry, mirror, image.digest, "deleted")
    assert copied.digest_failure is None
    assert isinstance(copied.tag_failure, NotFound)
    assert (REPOSITORY, image.digest) in mirror.revisions


# referrers


def listed(mirror: Mirror, subject: Descriptor) -> list[Digest]:
    digest = mirror.tagged(REPOSITORY, subject.digest.referrers_tag)
    return [] if digest is None else [it.digest for it in mirror.revisions[REPOSITORY, digest].manifests]


def test_an_image_brings_what_refers_to_it_at_this_moment(registry: Registry, mirror: Mirror) -> None:
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
    """A list may have thousands: none of them is asked for again and again of a registry that throttles or is away."""
    image = registry.image("one", tag="v1")
    signatures = [registry.signature(image, f"signature {number}").digest for number in range(20)]
    registry.failing.update(dict.fromkeys(signatures, error))
    copied = copy(registry, mirror, image.digest, "v1")
    assert type(copied.referrers_failure) is type(error)
    assert copied.digest_failure is copied.tag_failure is None
    assert len([what for what in registry.asked if what[1] in signatures]) == asked_for


def test_a_referrer_that_stands_and_was_never_listed_is_listed(registry: Registry, mirror: Mirror) -> None:
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


# unasked


def test_nothing_and_what_is_embedded_are_not_asked_for(registry: Registry, mirror: Mirror) -> None:
    nothing = {"mediaType": LAYER, "digest": str(Digest.of(b"")), "size": 0}
    embedded = {"mediaType": LAYER, "digest": str(Digest.of(b"{}")), "size": 2, "data": "e30="}
    plain = {"mediaType": LAYER, "digest": str(Digest.of(b"{}")), "size": 2}
    root = registry.index(registry.image("one", nothing, plain), registry.image("two", embedded))
    whole(registry, mirror, root.digest)
    assert registry.times("blob", Digest.of(b"")) == registry.times("blob", Digest.of(b"{}")) == 0
    assert mirror.content[Digest.of(b"")] == b""


# cancelling


@pytest.mark.parametrize("when", ["manifests", "blobs", "links", "tag", "referrers"])
def test_cancelling_ends_a_run_in_each_of_its_phases(registry: Registry, mirror: Mirror, when: str) -> None:
    image = registry.image("one", *[registry.blob_of(bytes([n]) * (2 * BLOCK)) for n in range(9)], tag="v1")
    registry.signature(image, "one")
    registry.signature(image, "two")
    root = registry.index(image, tag="v1")
    registry.signature(root)
    context = Context("job", AT, threads=1)

    def stop(*_: object) -> None:
        context.cancel.set("a person cancelled it")

    if when == "manifests":
        registry.before_manifest = stop
    elif when == "blobs":
        ingest = mirror.target.blobs.ingest
        mirror.target.blobs.ingest = lambda *a, **b: (stop(), ingest(*a, **b))[1]  # type: ignore[method-assign,func-returns-value]
    elif when == "links":
        link = mirror.target.blobs.link
        mirror.target.blobs.link = lambda *a, **b: (link(*a, **b), stop())[0]  # type: ignore[method-assign,func-returns-value]
    elif when == "tag":
        registry.before_resolve = stop
        mirror.before_tag = lambda: mirror.tags.update({(REPOSITORY, "v1"): object()})  # type: ignore[dict-item]
    else:
        mirror.before_tag = stop
    with pytest.raises(Cancelled, match="a person"):
        copy(registry, mirror, root.digest, "v1", context=context)
    assert mirror.lacks(REPOSITORY) == []
    if when == "links":
        assert sum(kind == "link" for kind, _ in mirror.writes) == 1
