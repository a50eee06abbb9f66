"""Some platforms of an index."""

import pytest

from acrmirror.copying import Context, Copied, copy_platforms
from acrmirror.errors import (
    NoSuchPlatform,
    NotFound,
)
from acrmirror.oci import (
    Descriptor,
)
from acrmirror.reference import Reference
from tests.in_memory import AT, Mirror, Registry
from tests.unit.copied import REPOSITORY


def some(registry: Registry, mirror: Mirror, root: Descriptor, *platforms: str) -> Copied:
    copied = copy_platforms(
        registry, mirror.target, Reference(REPOSITORY, "v1", root.digest), platforms, Context("job", AT, threads=2)
    )
    assert copied.failures == []
    assert mirror.lacks(REPOSITORY) == []
    return copied


def test_one_platform_copies_its_image_and_neither_index_nor_tag(registry: Registry, mirror: Mirror) -> None:
    arm, amd = registry.image("arm"), registry.image("amd")
    root = registry.index(arm, amd, tag="v1", architectures=("arm64", "amd64"))
    copied = some(registry, mirror, root, "linux/arm64")
    assert set(mirror.revisions) == {(REPOSITORY, arm.digest)}
    assert mirror.tags == {}
    assert copied.tagged is None
    assert any(str(root.digest) in note for note in copied.notes)


def test_the_last_platform_copies_the_index_and_the_tag(registry: Registry, mirror: Mirror) -> None:
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
