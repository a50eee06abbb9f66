"""What skopeo, crane, oras, regctl and podman pull from the function app itself, with the registry never asked."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devtools.pulling import MirrorRegistry
from standins.foundation import Foundation
from standins.stack import Stack
from testkit.images import SHAPES, Image, cosign, oci_image, sbom, signature, together
from testkit.stack import mirror_stack
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring
from tests.interop.clients import CLIENTS, Clients
from tests.interop.contents import contents, digests
from tests.interop.podman import Podman

pytestmark = pytest.mark.interop

# What is no container image is only pulled by those two.
ARTIFACTS = {"helm-chart"}
AWAY = "away.azurecr.invalid"
"""The host in the names of images; nobody answers there."""


@pytest.fixture(scope="module")
def stack(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One that nobody else uses: what is asked of its registry is asked by what is pulled here."""
    with mirror_stack(foundation=foundation, folder=tmp_path_factory.mktemp("pulled")) as started:
        yield started


@pytest.fixture(scope="module")
def mirror_registry(stack: Stack) -> MirrorRegistry:
    return MirrorRegistry.of(stack)


@pytest.fixture
def pullers(
    mirror_registry: MirrorRegistry, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clients]:
    """All four, signed in with a pull credential; whatever they do, the registry is not asked."""
    known = mirror_registry
    folder = tmp_path_factory.mktemp("pullers")
    made = Clients.logged_in(folder, stack.ca, known.host, known.username, known.password)
    yield replace(made, plain=known.host)
    assert stack.registry.requests() == []


def mirrored(mirror: Mirroring, image: Image) -> str:
    """The repository in which the image is in the mirror; what the registry was asked until then is forgotten."""
    repository = f"pulled/{secrets.token_hex(4)}"
    mirror.push(repository, image)
    call = Caller.of(mirror.stack)
    for stored in image.manifests:
        reference = f"{repository}:{stored.tag}" if stored.tag else f"{repository}@{stored.descriptor.digest}"
        assert call("POST", "pulls", {"image": reference, "wait": 60}).json["state"] == "done"
    mirror.wait_for(len(image.manifests), repository)
    mirror.stack.registry.events(settle=30)
    mirror.wait(lambda: mirror.waiting_messages() == 0)
    mirror.stack.registry.reset_requests()
    return repository


@pytest.mark.parametrize("shape", ["oci-index", "docker-list", "oci-zstd", "helm-chart"])
def test_an_image_of_any_shape_is_pulled_by_all(
    mirror: Mirroring, mirror_registry: MirrorRegistry, pullers: Clients, shape: str, tmp_path: Path
) -> None:
    image = SHAPES[shape]().tagged("v1")
    name = f"{mirror_registry.host}/{mirrored(mirror, image)}"
    for program in CLIENTS:
        assert pullers.manifest(program, f"{name}:v1") == image.manifest(image.root.digest).raw
        if program in ("oras", "regctl") or shape not in ARTIFACTS:
            pullers.pull(program, f"{name}:v1", tmp_path / program)
            assert contents(tmp_path / program) >= digests(image), program
    layer = image.blobs[-1]
    for program in ("crane", "oras", "regctl"):
        assert pullers.blob(program, name, str(layer.descriptor.digest)) == layer.content.read()
    assert pullers.run("crane", "ls", name).split() == ["v1"]
    assert pullers.run("regctl", "tag", "ls", name).split() == ["v1"]


def test_what_refers_to_an_image_is_found_and_pulled(
    mirror: Mirroring, mirror_registry: MirrorRegistry, pullers: Clients
) -> None:
    image = oci_image("pulled and signed", tag="v1")
    referrers = (signature("pulled", image.root), sbom("pulled", image.root))
    tag = cosign("pulled", image.root)
    name = f"{mirror_registry.host}/{mirrored(mirror, together(image, *referrers, tag))}"
    for program in ("oras", "regctl"):
        assert set(pullers.referrers(program, f"{name}:v1")) == {str(it.root.digest) for it in referrers}
    for program in CLIENTS:
        for it in referrers:
            assert pullers.manifest(program, f"{name}@{it.root.digest}") == it.manifest(it.root.digest).raw
        assert pullers.manifest(program, f"{name}:{tag.tag}") == tag.manifest(tag.root.digest).raw


def test_the_past_is_pulled_by_all(
    mirror: Mirroring, mirror_registry: MirrorRegistry, pullers: Clients, tmp_path: Path
) -> None:
    image = oci_image("pulled from the past", tag="v1")
    repository = mirrored(mirror, image)
    today, yesterday = datetime.now(UTC).strftime("%Y-%m-%d"), "2001-01-01"
    for program in CLIENTS:
        name = f"{mirror_registry.host}/at/{today}/{repository}:v1"
        pullers.pull(program, name, tmp_path / program)
        assert contents(tmp_path / program) >= digests(image)
        with pytest.raises(AssertionError, match=r"404|MANIFEST_UNKNOWN|manifest unknown|not found"):
            pullers.manifest(program, f"{mirror_registry.host}/at/{yesterday}/{repository}:v1")


def test_podman_pulls_it(mirror: Mirroring, mirror_registry: MirrorRegistry, pullers: Clients) -> None:
    image = oci_image("pulled by podman", tag="v1")
    name = f"{mirror_registry.host}/{mirrored(mirror, image)}:v1"
    auth = pullers.folder / ".docker" / "config.json"
    with Podman.started() as podman:
        pulled = podman("pull", "--quiet", "--tls-verify=false", "--authfile", str(auth), name).strip()
        # By the name that it has at the registry, which is away: as `acrmirror mirror-config podman` points it here.
        run = Command.of(mirror.stack, pullers.folder)
        registries = pullers.folder / "registries.conf"
        registries.write_text(run.inside("mirror-config", "podman", "--registry", AWAY).stdout)
        podman("rmi", "--force", name)
        there = f"{AWAY}/{name.partition('/')[2]}"
        options = ("--quiet", "--tls-verify=false", "--authfile", str(auth))
        again = podman("pull", *options, there, registries=registries).strip()
    config = image.blobs[0].descriptor.digest
    assert pulled == again == config.encoded


def test_a_wrong_password_is_told_as_such(mirror_registry: MirrorRegistry, pullers: Clients, tmp_path: Path) -> None:
    wrong = Clients.logged_in(tmp_path, pullers.ca, mirror_registry.host, mirror_registry.username, "wrong")
    for program in CLIENTS:
        with pytest.raises(AssertionError, match=r"(?i)unauthorized|401|authentication required"):
            replace(wrong, plain=mirror_registry.host).manifest(program, f"{mirror_registry.host}/team/app:v1")
