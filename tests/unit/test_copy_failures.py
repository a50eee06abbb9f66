"""What a failure leaves, and what is refused."""

import json

import pytest

from acrmirror.errors import (
    Denied,
    DigestMismatch,
    Malformed,
    NotFound,
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
    OCI_MANIFEST,
    Descriptor,
)
from acrmirror.reference import Digest
from tests.in_memory import ManifestBytes, Mirror, Registry
from tests.unit.copied import REPOSITORY, copy, whole


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
    """Each of them is small; together they are more than one job may have, and the rest is not even requested."""
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


@pytest.mark.parametrize("less", [0, 1])
def test_as_much_as_the_limit_is_allowed(
    registry: Registry, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, less: int
) -> None:
    child = registry.image("child")
    root = registry.index(child)
    monkeypatch.setattr("acrmirror.copying.reading.MAX_GRAPH_BYTES", child.size + root.size - less)
    failure = copy(registry, mirror, root.digest).digest_failure
    assert isinstance(failure, TooLarge) if less else failure is None


def test_each_digest_is_visited_once(registry: Registry, mirror: Mirror) -> None:
    shared = registry.image("shared")
    root = registry.index(registry.index(shared), registry.index(shared, registry.image("one")), shared)
    whole(registry, mirror, root.digest)
    assert registry.times("manifest", shared.digest) == 1
