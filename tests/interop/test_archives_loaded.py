"""Archives that storage puts together, taken by outside tools; what passes through the function app is counted."""

import hashlib
import json
import ssl
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from azure.storage.blob import BlobBlock, ContainerClient

from acrmirror.mirror import Layout, MirrorStore
from acrmirror.moments import end_of
from acrmirror.oci import parse_manifest
from acrmirror.reference import Digest
from standins.foundation import Foundation
from standins.process import wait_for
from standins.stack import Stack
from testkit.images import Image, oci_image
from testkit.stack import CONTAINER, mirror_stack
from tests.integration.http_api import Caller
from tests.interop.podman import Podman
from tests.interop.relay import Relay, RelayedFoundation
from tests.interop.tools import tool

pytestmark = pytest.mark.interop
MIB = 1024 * 1024
IMAGES = 40
PIECE, TIMES = 32 * MIB, 8
"""A layer of that many pieces, which are one block, listed again and again."""


@pytest.fixture(scope="module")
def blobs(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Relay]]:
    """A stack whose function app reaches storage through a relay."""
    account = foundation.account()
    with ExitStack() as running:
        relay = running.enter_context(Relay(account.blob_endpoint))
        relayed = RelayedFoundation(foundation, account, relay)
        folder = tmp_path_factory.mktemp("archives")
        yield running.enter_context(mirror_stack(foundation=relayed, folder=folder)), relay


def mirrored(stack: Stack, images: dict[str, Image]) -> None:
    """Puts images into the mirror, each under its repository and its tag."""
    credential = stack.identity.credential()
    with MirrorStore.open(stack.blob_endpoint, CONTAINER, credential, trust_bundle=stack.ca) as store:
        for repository, image in images.items():
            for blob in image.blobs:
                store.blobs.put(blob.content.read(), blob.descriptor.digest)
                store.blobs.link(repository, blob.descriptor)
            for stored in image.manifests:
                manifest = parse_manifest(stored.raw, stored.descriptor.media_type, stored.descriptor.digest)
                store.manifests.write(repository, manifest)
                if stored.tag is not None:
                    at = end_of("2026-04-25T12:00:00Z")
                    store.tags.set(repository, stored.tag, manifest.descriptor(), at, None)


def assembled(stack: Stack, images: Sequence[str], form: str) -> dict[str, Any]:
    call = Caller.of(stack)
    asked = call("POST", "archives", {"images": list(images), "form": form})
    assert asked.status == 202, asked.json
    path = asked.headers["Location"].removeprefix("/api/v1/")
    assert wait_for(lambda: call("GET", path).json["state"] in ("done", "failed"), 240, every=0.5)
    found: dict[str, Any] = call("GET", path).json
    assert found["state"] == "done", found
    return found


def fetch(stack: Stack, archive: dict[str, Any], path: Path) -> Path:
    context = ssl.create_default_context(cafile=str(stack.ca))
    with urlopen(archive["link"]["url"], context=context) as response, path.open("wb") as file:
        while data := response.read(MIB):
            file.write(data)
    assert path.stat().st_size == archive["size"]
    return path


def test_an_archive_of_forty_images_is_loaded_by_podman_and_skopeo(blobs: tuple[Stack, Relay], tmp_path: Path) -> None:
    stack, relay = blobs
    images = {f"many/app-{number}": oci_image(f"many-{number}", (90_000, 30_000), tag="v1") for number in range(IMAGES)}
    mirrored(stack, images)
    names = [f"{repository}:v1" for repository in images]
    before = relay.answered
    archive = assembled(stack, names, "docker")
    through = relay.answered - before + archive["bytes_sent"]
    print(f"{through} bytes through the app for {archive['size']}")
    assert through < MIB < archive["size"]
    fetch(stack, archive, tmp_path / "many.tar")
    host = stack.registry.host
    with Podman.started() as podman:
        podman("load", "--input", str(tmp_path / "many.tar"))
        loaded = {name for it in json.loads(podman("images", "--format", "json")) for name in it["Names"]}
    assert loaded == {f"{host}/{name}" for name in names}
    fetch(stack, assembled(stack, names[:3], "oci"), tmp_path / "layout.tar")
    for repository, image in list(images.items())[:3]:
        name = f"{host}/{repository}:v1"
        for source, folder in (
            (f"oci-archive:layout.tar:{name}", "oci"),
            (f"docker-archive:many.tar:{name}", "docker"),
        ):
            command = [str(tool("skopeo")), "copy", "--insecure-policy", source, f"dir:{folder}"]
            done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
            assert done.returncode == 0, done.stderr
        manifest = (tmp_path / "oci" / "manifest.json").read_bytes()
        assert Digest.of(manifest) == image.root.digest


def test_a_large_layer_is_moved_by_storage(blobs: tuple[Stack, Relay], tmp_path: Path) -> None:
    stack, relay = blobs
    piece = hashlib.sha256(b"piece").digest() * (PIECE // 32)
    hasher = hashlib.sha256()
    for _ in range(TIMES):
        hasher.update(piece)
    digest, size = Digest("sha256", hasher.hexdigest()), PIECE * TIMES
    image = oci_image("large", (5_000,), tag="v1")
    mirrored(stack, {"large/app": image})
    manifest = json.loads(image.manifest(image.root.digest).raw)
    manifest["layers"].append({**manifest["layers"][0], "digest": str(digest), "size": size})
    raw = json.dumps(manifest).encode()
    credential = stack.identity.credential()
    with (
        ContainerClient(stack.blob_endpoint, CONTAINER, **stack.account.client_options) as container,
        MirrorStore.open(stack.blob_endpoint, CONTAINER, credential, trust_bundle=stack.ca) as store,
    ):
        with container.get_blob_client(Layout().blob_data(digest)) as blob:
            blob.stage_block("0" * 64, piece)
            blob.commit_block_list([BlobBlock("0" * 64)] * TIMES)
        parsed = parse_manifest(raw, image.root.media_type, Digest.of(raw))
        for layer in parsed.layers:
            store.blobs.link("large/app", layer)
        store.manifests.write("large/app", parsed)
    before = relay.answered
    archive = assembled(stack, [f"large/app@{parsed.digest}"], "oci")
    through = relay.answered - before + archive["bytes_sent"]
    print(f"{through} bytes through the app for {archive['size']}")
    assert through < MIB < size < archive["size"]
    fetch(stack, archive, tmp_path / "large.tar")
    with tarfile.open(tmp_path / "large.tar") as tar:
        stored = tar.extractfile(f"blobs/sha256/{digest.encoded}")
        assert stored is not None
        assert hashlib.file_digest(stored, "sha256").hexdigest() == digest.encoded  # type: ignore[arg-type]
