"""The verb that gives an image back: its order, what it leaves alone, and what keeps what away."""

from typing import Any

import pytest

from acrmirror.copying import Context, Restored, restore_image
from acrmirror.errors import Denied, DigestMismatch, NotFound, TagKept
from acrmirror.oci import Manifest
from acrmirror.reference import Digest, Reference
from tests.in_memory import AT, Mirror, Registry
from tests.unit.copied import REPOSITORY


class Tags:
    """Of a registry that is pushed to."""

    def __init__(self, mirror: Mirror) -> None:
        self.at: dict[str, Digest] = {}
        self._mirror = mirror

    def where(self, repository: str, tag: str) -> Digest | None:
        return self.at.get(tag)

    def set(self, repository: str, tag: str, manifest: Manifest) -> None:
        self._mirror.wrote("tag", manifest.digest)
        self.at[tag] = manifest.digest


class Pushed:
    """What is restored into: the memory of a mirror, with tags as a registry has them."""

    def __init__(self, mirror: Mirror) -> None:
        self.blobs = mirror.target.blobs
        self.manifests = mirror.target.manifests
        self.referrers = mirror.target.referrers
        self.tags = Tags(mirror)


@pytest.fixture
def pushed(mirror: Mirror) -> Pushed:
    return Pushed(mirror)


def restore(
    source: Registry, target: Pushed, digest: Digest, tag: str | None = None, overwrite: bool = False, **options: Any
) -> Restored:
    context = Context("job", AT, threads=4, **options)
    return restore_image(source, target, Reference(REPOSITORY, tag, digest), context, overwrite=overwrite)


def test_the_tag_is_last_and_what_refers_to_the_image_before_it(
    registry: Registry, mirror: Mirror, pushed: Pushed
) -> None:
    child = registry.image("child")
    root = registry.index(child, tag="v1")
    on_root, on_child = registry.signature(root, "root"), registry.signature(child, "child")
    on_signature = registry.signature(on_root, "deep")
    restored = restore(registry, pushed, root.digest, "v1")
    assert (restored.tagged, restored.referrers, restored.failure) == (True, 3, None)
    assert mirror.lacks(REPOSITORY) == []
    assert {digest for _, digest in mirror.revisions} >= {
        it.digest for it in (child, root, on_root, on_child, on_signature)
    }
    assert mirror.writes[-1] == ("tag", root.digest)
    assert [kind for kind, _ in mirror.writes].count("tag") == 1


def test_a_second_run_writes_nothing(registry: Registry, mirror: Mirror, pushed: Pushed) -> None:
    root = registry.index(registry.image("child"), tag="v1")
    registry.signature(root)
    restore(registry, pushed, root.digest, "v1")
    written = len(mirror.writes)
    again = restore(registry, pushed, root.digest, "v1")
    assert (again.tagged, len(mirror.writes)) == (False, written)


def test_a_tag_that_is_elsewhere_is_left_alone_and_nothing_copied(
    registry: Registry, mirror: Mirror, pushed: Pushed
) -> None:
    image, other = registry.image("one", tag="v1"), registry.image("other")
    pushed.tags.at["v1"] = other.digest
    with pytest.raises(TagKept, match=str(other.digest)):
        restore(registry, pushed, image.digest, "v1")
    assert mirror.writes == []


def test_a_tag_that_is_elsewhere_is_set_if_that_is_asked_for(registry: Registry, pushed: Pushed) -> None:
    image, other = registry.image("one", tag="v1"), registry.image("other")
    pushed.tags.at["v1"] = other.digest
    assert restore(registry, pushed, image.digest, "v1", overwrite=True).tagged
    assert pushed.tags.at == {"v1": image.digest}


def test_a_tag_that_is_set_elsewhere_meanwhile_is_left_alone(
    registry: Registry, mirror: Mirror, pushed: Pushed
) -> None:
    image, other = registry.image("one", tag="v1"), registry.image("other")
    mirror.before_stage = lambda descriptor: pushed.tags.at.update({"v1": other.digest})
    with pytest.raises(TagKept):
        restore(registry, pushed, image.digest, "v1")
    assert pushed.tags.at == {"v1": other.digest}


def test_an_image_by_its_digest_sets_no_tag(registry: Registry, pushed: Pushed) -> None:
    image = registry.image("one")
    assert not restore(registry, pushed, image.digest).tagged
    assert pushed.tags.at == {}


def test_a_referrer_that_can_not_be_had_keeps_neither_the_others_nor_the_tag_away(
    registry: Registry, pushed: Pushed
) -> None:
    image = registry.image("one")
    signatures = [registry.signature(image, f"signature {number}") for number in range(3)]
    registry.failing[signatures[1].digest] = DigestMismatch("read it", "its bytes have another digest", "Mend it.")
    restored = restore(registry, pushed, image.digest, "v1")
    assert (restored.tagged, restored.referrers) == (True, 2)
    assert isinstance(restored.failure, DigestMismatch)


def test_what_the_others_would_meet_too_ends_the_run_before_the_tag(registry: Registry, pushed: Pushed) -> None:
    image = registry.image("one")
    registry.failing[registry.signature(image).digest] = Denied("read it", "it answered 403", "Give a role.")
    with pytest.raises(Denied):
        restore(registry, pushed, image.digest, "v1")
    assert pushed.tags.at == {}


def test_an_image_that_the_mirror_lacks_is_not_found(registry: Registry, pushed: Pushed) -> None:
    with pytest.raises(NotFound):
        restore(registry, pushed, Digest.of(b"none"), "v1")
    assert pushed.tags.at == {}
