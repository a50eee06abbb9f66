"""What a repository gets a link to: only what the registry has in that repository (rule L10)."""

from typing import Any

import pytest

from acrmirror.copying import Context, Copied, copy_image
from acrmirror.errors import NotFound, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, Reference
from tests.in_memory import AT, BLOCK, LAYER, Claims, Mirror, Registry

PUBLIC = "public/app"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
SECRET = b"a layer of secret/app"
LARGE = SECRET * BLOCK


def copy(registry: Registry, mirror: Mirror, image: Descriptor, **options: Any) -> Copied:
    return copy_image(registry, mirror.target, Reference(PUBLIC, None, image.digest), Context("job", AT, **options))


def elsewhere(registry: Registry, mirror: Mirror, data: bytes = SECRET, media_type: str = LAYER) -> dict[str, Any]:
    """A blob that another repository brought into the mirror, and that this one does not have at the registry."""
    listed = registry.blob_of(data, media_type)
    digest = Digest.parse(listed["digest"])
    mirror.content[digest] = registry.blobs.pop(digest)
    return listed


WAYS: dict[str, dict[str, Any]] = {"plain": {}, "with claims": {"claims": Claims()}, "forced": {"force": True}}
ways = pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
sizes = pytest.mark.parametrize("data", [SECRET, LARGE], ids=["one block", "several blocks"])


@ways
@sizes
def test_a_foreign_layer_of_another_repository_is_left_out(
    registry: Registry, mirror: Mirror, options: dict[str, Any], data: bytes
) -> None:
    layer = elsewhere(registry, mirror, data, FOREIGN)
    copied = copy(registry, mirror, registry.image("one", layer), **options)
    assert copied.failures == []
    digest = Digest.parse(layer["digest"])
    assert set(copied.left_out) == {digest}
    assert (PUBLIC, digest) not in mirror.links
    assert mirror.partial


@ways
@sizes
@pytest.mark.parametrize("place", ["layer", "config", "entry of an index"])
def test_any_other_blob_of_another_repository_fails_its_manifest(
    registry: Registry, mirror: Mirror, options: dict[str, Any], data: bytes, place: str
) -> None:
    """No registry takes such a push; one that has lost its blob answers like this, and so does a hostile one."""
    blob = elsewhere(registry, mirror, data)
    if place == "layer":
        root = registry.image("one", blob)
    elif place == "config":
        root = registry.image("one", config=blob)
    else:
        root = registry.index(Descriptor(LAYER, Digest.parse(blob["digest"]), len(data)))
    copied = copy(registry, mirror, root, **options)
    assert isinstance(copied.digest_failure, NotFound)
    assert blob["digest"] in str(copied.digest_failure)
    assert (PUBLIC, Digest.parse(blob["digest"])) not in mirror.links
    assert mirror.revisions == {}


def test_a_manifest_of_another_repository_is_no_blob_of_this_one(registry: Registry, mirror: Mirror) -> None:
    """Manifests lie beside blobs in the mirror, and an index may list one under a type that is none of a manifest."""
    secret = registry.image("secret")
    mirror.content[secret.digest] = registry.manifests.pop(secret.digest).raw
    root = registry.index(Descriptor("application/vnd.example", secret.digest, secret.size))
    assert isinstance(copy(registry, mirror, root).digest_failure, NotFound)
    assert (PUBLIC, secret.digest) not in mirror.links


@ways
def test_what_the_registry_has_here_too_is_asked_for_once_and_not_read(
    registry: Registry, mirror: Mirror, options: dict[str, Any]
) -> None:
    mirror.small = 0
    layer = registry.blob_of(SECRET)
    digest = Digest.parse(layer["digest"])
    mirror.content[digest] = SECRET
    images = [registry.image(name, layer) for name in ("one", "two")]
    for image in images:
        assert copy(registry, mirror, image, **options).failures == []
    assert (PUBLIC, digest) in mirror.links
    assert registry.times("check", digest) == 1
    assert registry.times("blob", digest) == 0


@ways
def test_what_a_copy_moved_itself_is_not_asked_about(
    registry: Registry, mirror: Mirror, options: dict[str, Any]
) -> None:
    image = registry.image("one", registry.blob_of(LARGE))
    assert copy(registry, mirror, image, **options).failures == []
    again = registry.image("two", registry.blob_of(LARGE))
    assert copy(registry, mirror, again, **options).failures == []
    assert registry.times("check") == 0
    assert mirror.lacks(PUBLIC) == []


def test_what_was_moved_before_a_failure_is_not_asked_about_later(registry: Registry, mirror: Mirror) -> None:
    """Its link is written as soon as it is in the mirror, so that no attempt at the rest requests it again."""
    lost = registry.blob_of(b"comes later")
    image = registry.image("one", registry.blob_of(LARGE), lost)
    registry.failing[Digest.parse(lost["digest"])] = Unavailable("read", "500", "Wait.")
    assert isinstance(copy(registry, mirror, image, threads=1).digest_failure, Unavailable)
    registry.failing.clear()
    assert copy(registry, mirror, image, threads=1).failures == []
    assert registry.times("check") == 0
    assert mirror.lacks(PUBLIC) == []


def test_what_a_manifest_holds_itself_needs_no_asking(registry: Registry, mirror: Mirror) -> None:
    embedded = {"mediaType": LAYER, "digest": str(Digest.of(b"{}")), "size": 2, "data": "e30="}
    nothing = {"mediaType": LAYER, "digest": str(Digest.of(b"")), "size": 0}
    mirror.content |= {Digest.of(b"{}"): b"{}", Digest.of(b""): b""}
    assert copy(registry, mirror, registry.image("one", embedded, nothing)).failures == []
    assert registry.times("check") == 0
    assert mirror.lacks(PUBLIC) == []


def test_a_registry_that_can_not_say_now_leaves_the_question_open(registry: Registry, mirror: Mirror) -> None:
    layer = elsewhere(registry, mirror, media_type=FOREIGN)
    registry.failing[Digest.parse(layer["digest"])] = Unavailable("look for a blob", "500", "Wait.")
    copied = copy(registry, mirror, registry.image("one", layer))
    assert isinstance(copied.digest_failure, Unavailable)
    assert mirror.revisions == {}
    assert (PUBLIC, Digest.parse(layer["digest"])) not in mirror.links
