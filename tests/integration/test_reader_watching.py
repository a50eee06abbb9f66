"""Watching a mirror while it is written, and pulling an image back out of it."""

import hashlib
import threading
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from acrmirror.oci import parse_manifest
from standins.foundation import Account
from testkit.images import SHAPES, UNSERVABLE, load_image, multi_arch, oci_image
from testkit.reader import (
    Damaged,
    MirrorReader,
    Poller,
    pull_to_layout,
)
from tests.integration.written_mirror import current, data, link, put, put_blobs, put_tag, write


@pytest.fixture
def reader(container: ContainerClient) -> MirrorReader:
    return MirrorReader(container)


# -- watching ----------------------------------------------------------------------------------------------------


def _watched(reader: MirrorReader, poller: Poller) -> list[str]:
    poller.look()
    return [str(violation) for violation in poller.violations]


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - {"120-layers", "many-manifests"}))
def test_a_mirror_written_in_order_never_shows_half_an_image(
    container: ContainerClient, reader: MirrorReader, shape: str
) -> None:
    with Poller(reader, interval=0.01) as poller:
        write(container, "app", SHAPES[shape]())
    assert poller.snapshots > 1
    assert poller.violations == []


def test_a_tag_before_its_manifest_is_seen(container: ContainerClient, reader: MirrorReader) -> None:
    image, poller = oci_image("early-tag"), Poller(reader)
    put_blobs(container, "app", image)
    put_tag(container, "app", "latest", image.root.digest)
    violations = _watched(reader, poller)
    assert len(violations) == 1
    assert "tags/latest/current/link stood without" in violations[0]
    write(container, "app", image)
    assert _watched(reader, poller) == violations


@pytest.mark.parametrize("missing", ["layer", "layer link", "child", "manifest"])
def test_a_revision_link_before_its_closure_is_seen(
    container: ContainerClient, reader: MirrorReader, missing: str
) -> None:
    image, poller = multi_arch("early-link", 2), Poller(reader)
    child = image.manifests[0]
    layer = parse_manifest(child.raw, child.descriptor.media_type).layers[0].digest
    write(container, "app", image)
    name = {
        "layer": data(layer),
        "layer link": link("app", "_layers", layer),
        "child": link("app", "_manifests/revisions", child.descriptor.digest),
        "manifest": data(image.root.digest),
    }[missing]
    container.delete_blob(name)
    assert any(name in violation for violation in _watched(reader, poller))


def test_a_layer_of_another_length_counts_as_missing(container: ContainerClient, reader: MirrorReader) -> None:
    image = oci_image("short")
    write(container, "app", image)
    put(container, data(image.blobs[-1].descriptor.digest), b"short")
    assert _watched(reader, Poller(reader))


def test_what_vanishes_is_seen(container: ContainerClient, reader: MirrorReader) -> None:
    image, poller = oci_image("vanishing"), Poller(reader)
    write(container, "app", image)
    assert _watched(reader, poller) == []
    container.delete_blob(current("app", "latest"))
    assert "it was there before" in _watched(reader, poller)[0]


def test_an_instant_between_two_looks_is_caught_by_the_thread(container: ContainerClient, reader: MirrorReader) -> None:
    """A tag that stands for a third of a second before its image does."""
    image = oci_image("instant")
    with Poller(reader, interval=0.01) as poller:
        put_tag(container, "app", "latest", image.root.digest)
        threading.Event().wait(0.3)
        write(container, "app", image)
    assert len(poller.violations) == 1


def test_an_error_of_the_watching_is_not_swallowed(account: Account) -> None:
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as service:
        with pytest.raises(ResourceNotFoundError):
            with Poller(MirrorReader(service.get_container_client("nowhere")), interval=0.01):
                threading.Event().wait(0.1)


# -- pulling back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - UNSERVABLE))
def test_an_image_comes_back_as_an_oci_layout(
    container: ContainerClient, reader: MirrorReader, shape: str, tmp_path: Path
) -> None:
    image = SHAPES[shape]().tagged("v1")
    write(container, "app", image)
    seen: dict[str, int] = {}
    root = pull_to_layout(reader, "app", "v1", tmp_path, lambda digest, done: seen.update({digest: done}))
    assert root == str(image.root.digest)
    loaded = load_image(tmp_path)
    assert (loaded.root.digest, loaded.tag) == (image.root.digest, "v1")
    for file in (tmp_path / "blobs").glob("*/*"):
        assert hashlib.new(file.parent.name, file.read_bytes()).hexdigest() == file.name
    fetched = {str(b.descriptor.digest): b.descriptor.size for b in loaded.blobs if b.descriptor.size}
    assert seen == fetched


def test_a_damaged_layer_never_gets_its_digests_name(
    container: ContainerClient, reader: MirrorReader, tmp_path: Path
) -> None:
    image = oci_image("damaged")
    write(container, "app", image)
    put(container, data(image.blobs[-1].descriptor.digest), b"other bytes")
    with pytest.raises(Damaged):
        pull_to_layout(reader, "app", "latest", tmp_path)
    assert not (tmp_path / "blobs" / "sha256" / image.blobs[-1].descriptor.digest.encoded).exists()
