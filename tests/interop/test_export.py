"""Exported archives and folders are taken by outside tools, which get the original's digests back."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from acrmirror.cli.exporting import here
from testkit.images import SHAPES, Image
from testkit.reader import verify_tag
from testkit.stack import ROOT
from tests.integration.mirroring import Mirroring
from tests.interop.podman import Podman
from tests.interop.tools import tool

SHAPES_EXPORTED = (
    "docker",
    "docker-list",
    "oci",
    "oci-zstd",
    "oci-index",
    "same-layer-twice",
    "no-layers",
    "120-layers",
)

pytestmark = pytest.mark.interop
Export = Callable[..., None]


@pytest.fixture
def export(mirror: Mirroring, tmp_path: Path) -> Export:
    functions = mirror.stack.functions
    environment = {
        **os.environ,
        "ACRMIRROR_URL": functions.url,
        "ACRMIRROR_KEY": functions.function_key,
        "ACRMIRROR_CA": str(mirror.stack.ca),
        "PYTHONPATH": str(ROOT),
    }

    def run(*arguments: str, stdout: Any = None) -> None:
        command = [sys.executable, "-m", "acrmirror.cli", "export", *arguments]
        subprocess.run(command, env=environment, cwd=tmp_path, check=True, timeout=120, stdout=stdout)

    return run


@pytest.fixture
def podman() -> Iterator[Podman]:
    with Podman.started() as one:
        yield one


def pushed(mirror: Mirroring, shape: str) -> tuple[str, Image]:
    repository = f"export/{shape}-{uuid.uuid4().hex[:8]}"
    image = mirror.push(repository, SHAPES[shape]())
    mirror.wait(lambda: mirror.tagged(repository, "latest") is not None)
    assert verify_tag(mirror.reader, repository, "latest").is_whole
    return repository, image


def skopeo(*arguments: str, folder: Path) -> None:
    command = [str(tool("skopeo")), "copy", "--insecure-policy", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shape", SHAPES_EXPORTED)
def test_skopeo_takes_an_archive_either_way(mirror: Mirroring, export: Export, tmp_path: Path, shape: str) -> None:
    repository, image = pushed(mirror, shape)
    export(repository, "-o", "image.tar", "--platform", "linux/amd64")
    skopeo("oci-archive:image.tar", "dir:oci", folder=tmp_path)
    skopeo("docker-archive:image.tar", "dir:docker", folder=tmp_path)
    manifest = json.loads((tmp_path / "oci" / "manifest.json").read_bytes())
    originals = {json.dumps(json.loads(stored.raw), sort_keys=True) for stored in image.manifests}
    assert json.dumps(manifest, sort_keys=True) in originals
    loaded = json.loads((tmp_path / "docker" / "manifest.json").read_bytes())
    assert loaded["config"]["digest"] == manifest["config"]["digest"]
    config = json.loads((tmp_path / "docker" / loaded["config"]["digest"].partition(":")[2]).read_bytes())
    assert [layer["digest"] for layer in loaded["layers"]] == config["rootfs"]["diff_ids"]


@pytest.mark.parametrize("shape", ["docker", "oci-index", "same-layer-twice", "no-layers"])
def test_podman_loads_an_archive(mirror: Mirroring, export: Export, podman: Podman, tmp_path: Path, shape: str) -> None:
    repository, image = pushed(mirror, shape)
    export(repository, "-o", "image.tar")
    podman("load", "--input", str(tmp_path / "image.tar"))
    (loaded,) = json.loads(podman("image", "inspect", f"{mirror.stack.registry.host}/{repository}:latest"))
    configs = {str(it.descriptor.digest): it.content for it in image.blobs}
    config = json.loads(configs[f"sha256:{loaded['Id']}"].read())
    assert config["architecture"] == here().architecture
    assert loaded["RootFS"].get("Layers", []) == config["rootfs"]["diff_ids"]


def test_an_archive_is_piped_into_podman(mirror: Mirroring, export: Export, podman: Podman) -> None:
    repository, image = pushed(mirror, "oci")
    with subprocess.Popen([*podman.line, "load"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as load:
        export(repository, "-o", "-", stdout=load.stdin)
        load.communicate(timeout=60)
    assert load.returncode == 0
    (loaded,) = json.loads(podman("image", "inspect", f"{mirror.stack.registry.host}/{repository}:latest"))
    assert f"sha256:{loaded['Id']}" in image.manifest(image.root.digest).raw.decode()


def test_skopeo_takes_a_folder_with_all_platforms(mirror: Mirroring, export: Export, tmp_path: Path) -> None:
    repository, image = pushed(mirror, "oci-index")
    export(repository, "-o", "layout/", "--platform", "all")
    skopeo("--all", "oci:layout", "dir:all", folder=tmp_path)
    assert (tmp_path / "all" / "manifest.json").read_bytes() == image.manifest(image.root.digest).raw


def test_crane_pushes_an_archive(mirror: Mirroring, export: Export, tmp_path: Path) -> None:
    repository, image = pushed(mirror, "oci")
    export(repository, "-o", "image.tar")
    registry = mirror.stack.registry
    environment = {**os.environ, "SSL_CERT_FILE": str(mirror.stack.ca), "DOCKER_CONFIG": str(tmp_path)}

    def crane(*arguments: str) -> str:
        command = [str(tool("crane")), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    crane("auth", "login", registry.host, "-u", registry.username, "-p", registry.password)
    crane("push", "image.tar", f"{registry.host}/{repository}-back:1")
    back = json.loads(crane("manifest", f"{registry.host}/{repository}-back:1"))
    original = json.loads(image.manifest(image.root.digest).raw)
    assert back["config"]["digest"] == original["config"]["digest"]
    assert [it["digest"] for it in back["layers"]] == [it["digest"] for it in original["layers"]]
