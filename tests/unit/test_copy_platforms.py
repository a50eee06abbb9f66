"""Some platforms of an index."""

import json
from typing import Any

import pytest

from acrmirror.copying import Context, Copied, copy_platforms
from acrmirror.errors import (
    NoSuchPlatform,
    NotFound,
)
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, Descriptor
from acrmirror.reference import Reference
from testkit.images.build import OCI_CONFIG
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


def _with_config(registry: Registry, system: str, architecture: str, tag: str | None = None) -> Descriptor:
    config = registry.blob_of(json.dumps({"os": system, "architecture": architecture}).encode(), OCI_CONFIG)
    layers = [registry.blob_of(f"{system} {architecture}".encode())]
    return registry.push({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}, tag=tag)


def test_an_image_that_is_for_another_platform_is_told_with_its_own(registry: Registry, mirror: Mirror) -> None:
    image = _with_config(registry, "linux", "arm64", tag="v1")
    with pytest.raises(NoSuchPlatform, match="it has linux/arm64"):
        some(registry, mirror, image, "windows")
    assert mirror.writes == []
    some(registry, mirror, image, "linux/arm64")
    assert mirror.tagged(REPOSITORY, "v1") == image.digest


def test_configs_and_nested_indexes_are_looked_into_where_an_entry_states_nothing(
    registry: Registry, mirror: Mirror
) -> None:
    inner = registry.index(_with_config(registry, "linux", "riscv64"), architectures=("",))
    root = registry.push(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [_entry(inner), _entry(_with_config(registry, "windows", "amd64"))],
        },
        tag="v1",
    )
    some(registry, mirror, root, "windows")
    some(registry, mirror, root, "linux/riscv64")
    assert len(mirror.revisions) == 2
    with pytest.raises(NoSuchPlatform, match="it has linux/riscv64, windows/amd64"):
        some(registry, mirror, root, "linux/s390x")


def _entry(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}
