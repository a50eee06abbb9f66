"""The push client against the local registry: what it sends, what it spares, and whom it trusts with what."""

import secrets
import threading

import pytest

from acrmirror.reference import Digest
from standins.control import RegistryControl
from testkit.images import SHAPES, Content, make_layer, oci_image
from testkit.push import CHUNK, Pusher
from testkit.session import RequestFailed


@pytest.fixture
def name() -> str:
    """A repository of the test's own."""
    return f"push/{secrets.token_hex(4)}"


def opened(registry: RegistryControl, password: str | None = None) -> Pusher:
    return Pusher(registry.host, registry.username, password or registry.password, registry.ca)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_pushed_and_pushing_it_again_sends_no_blob(
    registry: RegistryControl, name: str, shape: str
) -> None:
    image = SHAPES[shape]()
    with opened(registry) as pusher:
        assert pusher.image(name, image) == image.root
        for stored in image.manifests:
            assert pusher.has_manifest(name, stored.descriptor.digest)
            assert stored.tag is None or pusher.has_manifest(name, stored.tag)
        registry.reset_requests()
        pusher.image(name, image)
    assert not registry.requests(kind="upload")


def test_a_large_blob_goes_chunk_by_chunk_and_says_how_far_it_is(registry: RegistryControl, name: str) -> None:
    layer = make_layer("chunks", 2 * CHUNK + 100)
    seen: list[tuple[Digest, int, int]] = []
    with opened(registry) as pusher:
        sent = pusher.blob(name, layer.content, progress=lambda *news: seen.append(news))
        assert pusher.has_blob(name, layer.digest)
    assert (sent.digest, sent.size) == (layer.digest, layer.content.size)
    assert [done for _, done, _ in seen] == [CHUNK, 2 * CHUNK, layer.content.size]
    assert [entry["method"] for entry in registry.requests(kind="upload")].count("PATCH") == 2


def test_a_small_blob_goes_in_one_body(registry: RegistryControl, name: str) -> None:
    with opened(registry) as pusher:
        sent = pusher.blob(name, b"small", media_type="text/plain")
    assert (sent.digest, sent.media_type) == (Digest.of(b"small"), "text/plain")
    assert "PATCH" not in [entry["method"] for entry in registry.requests(kind="upload")]


def test_a_blob_of_another_repository_is_mounted(registry: RegistryControl, name: str) -> None:
    layer = make_layer("mounted", CHUNK + 1)
    with opened(registry) as pusher:
        pusher.blob(name, layer.content)
        registry.reset_requests()
        pusher.blob(f"{name}/other", layer.content, digest=layer.digest, mount_from=name)
        assert pusher.has_blob(f"{name}/other", layer.digest)
    assert [entry["method"] for entry in registry.requests(kind="upload", status="201")] == ["POST"]


def test_what_cannot_be_mounted_is_sent(registry: RegistryControl, name: str) -> None:
    with opened(registry) as pusher:
        sent = pusher.blob(f"{name}/other", b"nowhere yet", mount_from=name)
        assert pusher.has_blob(f"{name}/other", sent.digest)


def test_a_tag_moves_and_is_deleted_and_its_manifest_stays(registry: RegistryControl, name: str) -> None:
    first, second = oci_image("first"), oci_image("second")
    with opened(registry) as pusher:
        pusher.image(name, first)
        pusher.image(name, second)
        pusher.delete_tag(name, "latest")
        assert not pusher.has_manifest(name, "latest")
        assert pusher.has_manifest(name, second.root.digest)
        pusher.delete_manifest(name, second.root.digest)
        assert not pusher.has_manifest(name, second.root.digest)
        assert pusher.has_manifest(name, first.root.digest)


def test_a_wrong_password_is_an_error_that_does_not_repeat_it(registry: RegistryControl, name: str) -> None:
    with opened(registry, password="not the password") as pusher:
        with pytest.raises(RequestFailed, match="answered 401") as failed:
            pusher.blob(name, b"refused")
    assert "not the password" not in str(failed.value)


def test_a_blob_that_is_not_its_digest_is_refused_by_name(registry: RegistryControl, name: str) -> None:
    with opened(registry) as pusher:
        with pytest.raises(RequestFailed, match="DIGEST_INVALID"):
            pusher.blob(name, b"these bytes", digest=Digest.of(b"other bytes"))


def test_a_manifest_before_its_blobs_is_refused_by_name(registry: RegistryControl, name: str) -> None:
    image = oci_image("too early")
    with opened(registry) as pusher:
        with pytest.raises(RequestFailed, match="MANIFEST_BLOB_UNKNOWN"):
            pusher.stored(name, image.manifests[0])


def test_a_sha512_manifest_takes_no_tag(registry: RegistryControl, name: str) -> None:
    image = oci_image("sha512", algorithm="sha512").tagged("latest")
    with opened(registry) as pusher:
        with pytest.raises(ValueError, match="by digest alone"):
            pusher.image(name, image)


def test_threads_share_connections_and_tokens(registry: RegistryControl, name: str) -> None:
    failed: list[Exception] = []
    with opened(registry) as pusher:
        pusher.blob(name, b"first")
        registry.reset_requests()

        def push(number: int) -> None:
            try:
                for turn in range(5):
                    pusher.blob(name, Content.of(f"{number}/{turn}".encode()))
            except RequestFailed as error:
                failed.append(error)

        threads = [threading.Thread(target=push, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
    assert not registry.requests(kind="token")
    assert len(registry.requests(kind="upload")) == 40
