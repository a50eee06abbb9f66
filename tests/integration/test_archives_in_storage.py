"""Archives that storage puts together: the bytes of an export, a link, and what passes through the function app."""

import io
import json
import ssl
import tarfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from azure.storage.blob import ContainerClient

from testkit.images import SHAPES, Image, multi_arch, oci_image
from testkit.stack import ARCHIVES
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

MIB = 1024 * 1024


def bring(mirror: Mirroring, call: Caller, repository: str, image: Image) -> Image:
    mirror.push(repository, image)
    got = call("POST", "pulls", {"image": f"{repository}:{image.tag}", "wait": 60})
    assert (got.status, got.json["state"]) == (200, "done"), got.json
    return image


def ended(mirror: Mirroring, call: Caller, asked: Any) -> dict[str, Any]:
    assert asked.status == 202, asked.json
    path = asked.headers["Location"].removeprefix("/api/v1/")
    mirror.wait(lambda: call("GET", path).json["state"] in ("done", "failed", "incomplete", "cancelled"), what=path)
    found: dict[str, Any] = call("GET", path).json
    return found


def fetched(mirror: Mirroring, archive: dict[str, Any]) -> bytes:
    context = ssl.create_default_context(cafile=str(mirror.stack.ca))
    with urlopen(archive["link"]["url"], context=context) as response:
        assert response.headers["Content-Type"] == "application/x-tar"
        data: bytes = response.read()
    assert len(data) == archive["size"]
    return data


def test_the_archive_is_the_one_that_is_exported(
    mirror: Mirroring, call: Caller, run: Command, repository: str, tmp_path: Path
) -> None:
    bring(mirror, call, repository, multi_arch(repository, 2, tag="1.2"))
    asked = call("POST", "archives", {"images": [f"{repository}:1.2"], "platform": "linux/arm64"})
    archive = ended(mirror, call, asked)
    assert (archive["state"], archive["bytes_done"], archive["error"]) == ("done", archive["size"], None)
    assert archive["blobs"] == archive["blobs_done"] > 0
    run.inside("export", f"{repository}:1.2", "-o", str(tmp_path / "image.tar"), "--platform", "linux/arm64")
    assert fetched(mirror, archive) == (tmp_path / "image.tar").read_bytes()
    told = run.inside("archive", archive["id"], "--hours", "2")
    assert told.stdout.startswith("https://")
    (job,) = [it for it in call("GET", f"pulls?repository={repository}").json["pulls"] if it["kind"] == "archive"]
    assert (job["id"], job["state"]) == (archive["id"], "done")


def test_many_images_and_a_large_one_are_assembled_with_little_through_the_app(
    mirror: Mirroring, call: Caller, run: Command, repository: str
) -> None:
    base = oci_image("archive-base", (300_000,))
    names = []
    for number in range(4):
        image = oci_image(f"{repository}{number}", (60_000, 70_000), tag="v1")
        bring(mirror, call, f"{repository}/app-{number}", image)
        names.append(f"{repository}/app-{number}:v1")
    bring(mirror, call, f"{repository}/large", oci_image(f"{repository} large", (20 * MIB,), tag="v1"))
    bring(mirror, call, f"{repository}/base", base)
    names += [f"{repository}/large:v1", f"{repository}/base:latest"]
    done = run.inside("export", *names, "--in-storage", "--form", "oci", "--output", "json")
    archive = json.loads(done.stdout)
    assert archive["state"] == "done"
    assert archive["bytes_sent"] < MIB < 20 * MIB < archive["size"]
    with tarfile.open(fileobj=io.BytesIO(fetched(mirror, archive))) as tar:
        members = tar.getnames()
        index = json.load(tar.extractfile("index.json") or b"")  # type: ignore[arg-type]
    assert len(members) == len(set(members))
    assert "manifest.json" not in members
    host = mirror.stack.registry.host
    assert [it["annotations"]["io.containerd.image.name"] for it in index["manifests"]] == [
        f"{host}/{name}" for name in names
    ]


def test_an_archive_of_the_past_has_what_the_tag_named_then(mirror: Mirroring, call: Caller, repository: str) -> None:
    mirror.stack.registry.set_event_manner(hold=False)
    images = [oci_image(f"{repository}{number}", tag="v1") for number in range(2)]
    for image in images:
        mirror.push(repository, image)
        mirror.wait(lambda it=image: mirror.tagged(repository, "v1") == it.root.digest)  # type: ignore[misc]
    first = call("GET", f"history/{repository}:v1").json["moves"][-1]["at"]
    archive = ended(mirror, call, call("POST", "archives", {"images": [f"{repository}:v1"], "at": first}))
    assert archive["images"] == [f"{repository}:v1@{images[0].root.digest}"]
    assert archive["at"] == first
    assert archive["state"] == "done"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"images": ["never/mirrored:1"]}, 404, "not-found"),
        ({"images": []}, 400, "invalid-request"),
        ({"images": ["a:1"] * 101}, 400, "invalid-request"),
        ({"images": ["example.org/a:1"]}, 404, "not-found"),
        ({"images": ["A:1"]}, 400, "invalid-reference"),
        ({"images": ["a:1"], "form": "zip"}, 400, "invalid-request"),
        ({"images": ["a:1"], "platform": "a/b/c/d"}, 400, "malformed"),
        ({"images": ["a:1"], "at": "never"}, 400, "malformed"),
    ],
)
def test_what_can_not_be_put_together_is_told_at_once(call: Caller, body: object, status: int, code: str) -> None:
    got = call("POST", "archives", body)
    assert (got.status, got.json["code"]) == (status, code)


def test_what_docker_can_not_load_fails_by_name_and_an_archive_that_was_removed_has_no_link(
    mirror: Mirroring, call: Caller, run: Command, repository: str
) -> None:
    bring(mirror, call, repository, SHAPES["helm-chart"]().tagged("v1"))
    failed = ended(mirror, call, call("POST", "archives", {"images": [f"{repository}:v1"]}))
    assert (failed["state"], failed["error"]["code"]) == ("failed", "unsupported")
    assert repository in failed["error"]["asked"]
    assert failed["link"] is None
    assert "failed" in run.inside("archive", failed["id"]).stderr
    run.inside("archive", failed["id"], "--wait", code=1)
    body = {"images": [f"{repository}:v1"], "form": "oci"}
    archive = ended(mirror, call, call("POST", "archives", body))
    assert archive["link"]
    with ContainerClient(mirror.stack.blob_endpoint, ARCHIVES, **mirror.stack.account.client_options) as container:
        container.delete_blob(f"{archive['id']}.tar")
    assert call("GET", f"archives/{archive['id']}").json["link"] is None
    assert call("GET", "archives/8203933347065-9ea8540c26c1").status == 404
    assert call("GET", f"archives/{archive['id']}?hours=145").status == 400
    assert call("DELETE", f"archives/{archive['id']}").status == 409
    assert call("POST", f"pulls/{failed['id']}/retry").status == 202
