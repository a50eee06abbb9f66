"""Foreign layers."""

import pytest

from acrmirror.errors import (
    Denied,
    DigestMismatch,
    MirrorError,
    NotFound,
    Refused,
    Unavailable,
)
from acrmirror.reference import Digest
from tests.in_memory import LAYER, Mirror, Registry
from tests.unit.copied import REPOSITORY, copy, foreign, whole


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
def test_a_foreign_layer_that_was_left_out_is_asked_for_again_until_it_is_had(
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
