"""What real registries hold besides plain images: pushed by outside clients, mirrored, inspected, exported, and read
again by outside clients."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from testkit.images import Image, oci_image, write_layout
from tests.integration.command import Command
from tests.integration.mirroring import Mirroring
from tests.interop import odd_images
from tests.interop.clients import Clients
from tests.interop.contents import closure, contents
from tests.interop.podman import Podman

pytestmark = pytest.mark.interop

LINUX = {"os": "linux", "architecture": "amd64"}
BIG = {"Labels": {"notes": "x" * 5_000_000}}


@dataclass(frozen=True, slots=True)
class Odd:
    """An image, who pushes it, and whether it is an index; what `docker load` says of it, as a part of the reason."""

    make: Callable[[], Image]
    pusher: str
    index: bool = False
    unloadable: str | None = None


ODD = {
    "windows": Odd(odd_images.windows, "crane", True),
    "hostile": Odd(odd_images.hostile, "regctl", True, "has no image for this platform"),
    "nydus": Odd(odd_images.nydus, "skopeo", True),
    "build-cache": Odd(odd_images.build_cache, "regctl", True, "has no image for this platform"),
    "artifacts": Odd(odd_images.artifacts, "oras", True, "has no image for this platform"),
    "manifest-as-layer": Odd(odd_images.manifest_as_layer, "oras", True),
    "no-os": Odd(partial(odd_images.one, {"architecture": "amd64"}), "crane"),
    "octet-stream": Odd(partial(odd_images.one, LINUX, "application/octet-stream"), "oras"),
    "html": Odd(partial(odd_images.one, LINUX, "text/html"), "regctl"),
    "large-config": Odd(partial(odd_images.one, LINUX, config=BIG), "crane"),
}


@pytest.fixture
def run(mirror: Mirroring, tmp_path: Path) -> Command:
    return Command.of(mirror.stack, tmp_path)


def pushed(mirror: Mirroring, clients: Clients, odd: Odd, repository: str, folder: Path) -> Image:
    image = odd.make()
    write_layout(folder / "pushed", image)
    name = f"{mirror.stack.registry.host}/{repository}:v1"
    clients.push(odd.pusher, folder / "pushed", "v1", name, many=odd.index)
    mirror.wait(lambda: mirror.tagged(repository, "v1") == image.root.digest, what=repository)
    return image


def loaded(done: Any) -> Any:
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ODD)
def test_it_is_mirrored_shown_and_exported_whole(
    mirror: Mirroring, clients: Clients, run: Command, tmp_path: Path, name: str
) -> None:
    odd, repository = ODD[name], f"odd/{name}-{secrets.token_hex(3)}"
    image = pushed(mirror, clients, odd, repository, tmp_path)
    shown = loaded(run.inside("inspect", f"{repository}:v1", "--output", "json"))
    within = {it["digest"] for variant in shown["images"] for it in (*variant["layers"], variant["config"] or {}) if it}
    blobs = {str(it.descriptor.digest) for it in image.blobs}
    assert within >= blobs, "inspect does not show all that is in it"
    everything = ("--platform", "all") if odd.index else ()
    written = loaded(
        run.inside("export", f"{repository}:v1", "-o", f"{tmp_path}/layout/", *everything, "--output", "json")
    )
    assert contents(tmp_path / "layout") >= closure(image)
    if odd.unloadable is not None:
        assert odd.unloadable in written["docker_load_problem"]
    clients.run("oras", "cp", "--from-oci-layout", f"{tmp_path}/layout:v1", "--to-oci-layout", f"{tmp_path}/again:v1")
    assert contents(tmp_path / "again") >= closure(image)
    if name != "manifest-as-layer":  # of which regctl may copy the one before the other has its blobs
        clients.run("regctl", "image", "copy", f"ocidir://{tmp_path}/layout:v1", f"ocidir://{tmp_path}/third:v1")
        assert contents(tmp_path / "third") >= closure(image)
    if name not in ("build-cache", "artifacts", "manifest-as-layer", "hostile", "large-config"):
        clients.run("skopeo", "copy", "--all", f"oci:{tmp_path}/layout:v1", f"dir:{tmp_path}/fourth")


@pytest.mark.parametrize("name", ["no-os", "octet-stream", "html", "nydus", "manifest-as-layer"])
def test_podman_loads_what_the_verdict_says_that_docker_loads(
    mirror: Mirroring, clients: Clients, run: Command, tmp_path: Path, name: str
) -> None:
    odd, repository = ODD[name], f"odd/{name}-{secrets.token_hex(3)}"
    pushed(mirror, clients, odd, repository, tmp_path)
    archive = str(tmp_path / "image.tar")
    arguments = ("--platform", "linux/amd64") if odd.index else ()
    written = loaded(run.inside("export", f"{repository}:v1", "-o", archive, *arguments, "--output", "json"))
    assert (written["docker_load"], written["docker_load_problem"]) == (True, None)
    clients.run("skopeo", "copy", "--insecure-policy", f"docker-archive:{archive}", f"dir:{tmp_path}/docker")
    with Podman.started() as podman:
        podman("load", "--input", archive)
        assert repository in podman("images", "--format", "{{.Repository}}")


def test_a_build_of_windows_is_shown_and_chosen(
    mirror: Mirroring, clients: Clients, run: Command, tmp_path: Path
) -> None:
    repository = f"odd/windows-{secrets.token_hex(3)}"
    mirror.stack.registry.set_event_manner(hold=True)
    image = mirror.push(repository, ODD["windows"].make())
    older, newer = json.loads(image.manifest(image.root.digest).raw)["manifests"]
    pull = ("pull", f"{repository}:v1", "--wait", "--output", "json")
    (pulled,) = loaded(run.inside(*pull, "--platform", "windows/amd64:10.0.20348"))
    assert newer["digest"] in pulled["notes"][0]
    run.inside(*pull)
    assert "windows(10.0.20348.2)/amd64" in run.inside("inspect", f"{repository}:v1").stdout
    for platform, chosen in (
        ("windows", older),
        ("windows(10.0.20348)/amd64", newer),
        ("windows/amd64:10.0.20348", newer),
        ("windows(10.0.20348.2)", newer),
    ):
        named = ("-o", f"{tmp_path}/x.tar", "--platform", platform, "--output", "json")
        assert loaded(run.inside("export", f"{repository}:v1", *named))["digest"] == chosen["digest"]
    missing = ("export", f"{repository}:v1", "-o", f"{tmp_path}/x.tar", "--platform", "windows(10.0.26100)")
    assert "it has windows(10.0.17763.1)/amd64, windows(10.0.20348.2)/amd64" in run.inside(*missing, code=3).stderr


def test_the_image_of_one_platform_is_not_given_for_another(
    mirror: Mirroring, clients: Clients, run: Command, tmp_path: Path
) -> None:
    repository = f"odd/one-{secrets.token_hex(3)}"
    odd = Odd(partial(odd_images.one, {"os": "linux", "architecture": "s390x"}), "skopeo")
    image = pushed(mirror, clients, odd, repository, tmp_path)
    arguments = ("export", f"{repository}:v1", "-o", f"{tmp_path}/x.tar")
    assert "it has linux/s390x" in run.inside(*arguments, "--platform", "linux/amd64", code=3).stderr
    assert (
        "it has linux/s390x" in run.inside("pull", f"{repository}:v1", "--platform", "windows", "--wait", code=1).stdout
    )
    for named in ((), ("--platform", "linux/s390x"), ("--platform", "all")):
        assert loaded(run.inside(*arguments, *named, "--output", "json"))["digest"] == str(image.root.digest)


@pytest.mark.parametrize("pusher", ["skopeo", "crane"])
def test_a_repository_that_begins_like_a_host_is_one(
    mirror: Mirroring, clients: Clients, run: Command, tmp_path: Path, pusher: str
) -> None:
    repository = f"docker.io/library/{pusher}-{secrets.token_hex(3)}"
    image = pushed(mirror, clients, Odd(lambda: oci_image(repository, tag="v1"), pusher), repository, tmp_path)
    host = mirror.stack.registry.host
    for name in (f"{repository}:v1", f"{repository}@{image.root.digest}", f"{host}/{repository}:v1"):
        assert str(image.root.digest) in run.inside("inspect", name).stdout
        run.inside("pull", name, "--wait")
        run.inside("export", name, "-o", f"{tmp_path}/{hashlib.sha256(name.encode()).hexdigest()}.tar")
    assert "v1" in run.inside("ls", repository).stdout
    assert str(image.root.digest) in run.inside("history", repository).stdout
    assert "docker.io" in run.inside("inspect", "docker.io/library/none:1", code=3).stderr
