"""What is in the mirror, over HTTP."""

import base64
import ssl
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from acrmirror.reference import Digest
from testkit.images import Image, multi_arch, oci_image, signature, together
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring


def bring(mirror: Mirroring, call: Caller, repository: str, image: Image, tag: str = "latest") -> Image:
    mirror.push(repository, image)
    got = call("POST", "pulls", {"image": f"{repository}:{tag}", "wait": 30})
    assert (got.status, got.json["state"]) == (200, "done"), got.json
    return image


def test_one_image_has_platforms_layers_referrers_and_history(mirror: Mirroring, call: Caller, repository: str) -> None:
    image = multi_arch(repository, 3)
    bring(mirror, call, repository, together(image, signature(repository, image.root)))
    got = call("GET", f"images/{repository}/latest").json
    assert (got["repository"], got["tag"], got["digest"]) == (repository, "latest", str(image.root.digest))
    assert [it["platform"] for it in got["images"]] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert all(len(it["layers"]) == 2 and it["config"] for it in got["images"])
    assert len(got["referrers"]) == 1
    assert [it["digest"] for it in got["history"]] == [str(image.root.digest)]
    assert call("GET", f"images/{repository}").json["tags"][0]["tag"] == "latest"
    assert repository in str(call("GET", "images?n=1000").json["repositories"])


def test_repositories_are_found_by_a_part_of_their_names(mirror: Mirroring, call: Caller, repository: str) -> None:
    image = oci_image(repository)
    for name in ("kitchen", "garden", "kitchen-sink", "bed", "kitchenette"):
        bring(mirror, call, f"{repository}/{name}", image)
    part = f"{repository.partition('/')[2]}/kitch"
    path: str | None = f"images?contains={part}&n=2"
    found = []
    while path is not None:
        got = call("GET", path)
        assert len(got.json["repositories"]) <= 2
        found += got.json["repositories"]
        link = got.headers.get("Link")
        path = link.split(">")[0].removeprefix("</api/v1/") if link else None
    assert found == [f"{repository}/{name}" for name in ("kitchen", "kitchen-sink", "kitchenette")]
    assert call("GET", f"images?contains={part}&last={repository}/kitchen").json["repositories"] == found[1:]


@pytest.mark.parametrize("form", ["{r}/1.2", "{r}:1.2", "{e}/1.2", "{r}@{d}", "{r}/{d}", "{e}/{d}", "{h}/{r}:1.2"])
def test_an_image_is_named_in_any_way(mirror: Mirroring, call: Caller, repository: str, form: str) -> None:
    image = bring(mirror, call, repository, oci_image(repository, tag="1.2"), "1.2")
    path = form.format(
        r=repository, e=repository.replace("/", "%2F"), d=image.root.digest, h=mirror.stack.registry.host
    )
    got = call("GET", f"images/{path}")
    assert (got.status, got.json["digest"]) == (200, str(image.root.digest))
    assert call("HEAD", f"images/{path}").status == 200
    assert call("GET", f"images/{path}/content").json["digest"] == str(image.root.digest)


def test_a_repository_that_exists_wins_over_a_tag_that_reads_the_same(
    mirror: Mirroring, call: Caller, repository: str
) -> None:
    bring(mirror, call, repository, oci_image(repository, tag="deep"), "deep")
    assert "layers" in str(call("GET", f"images/{repository}/deep").json)
    bring(mirror, call, f"{repository}/deep", oci_image("deep"))
    assert call("GET", f"images/{repository}/deep").json["repository"] == f"{repository}/deep"
    assert call("GET", f"images/{repository}:deep").json["tag"] == "deep"


def test_content_is_links_that_read_one_blob_each(mirror: Mirroring, call: Caller, repository: str) -> None:
    image = bring(mirror, call, repository, multi_arch(repository, 2))
    got = call("GET", f"images/{repository}/latest/content?platform=linux/arm64/v8")
    assert got.headers["Cache-Control"] == "no-store"
    content = got.json
    (manifest,) = content["manifests"]
    raw = base64.b64decode(manifest["raw"])
    assert Digest.parse(content["digest"]).matches(raw)
    assert content["digest"] in image.manifest(image.root.digest).raw.decode()
    context = ssl.create_default_context(cafile=str(mirror.stack.ca))
    for blob in content["blobs"]:
        assert blob["url"].startswith("https://")
        with urlopen(blob["url"], context=context) as response:
            data = response.read()
        assert len(data) == blob["size"]
        assert Digest.parse(blob["digest"]).matches(data)
    first, second = content["blobs"][:2]
    swapped = first["url"].replace(first["digest"].removeprefix("sha256:"), second["digest"].removeprefix("sha256:"))
    with pytest.raises(HTTPError, match="403"):
        urlopen(swapped, context=context)
    whole = call("GET", f"images/{repository}/latest/content").json
    assert len(whole["manifests"]) == 3
    assert whole["manifests"][0]["digest"] == str(image.root.digest)


def test_links_come_page_by_page_and_each_blob_once(mirror: Mirroring, call: Caller, repository: str) -> None:
    bring(mirror, call, repository, multi_arch(repository, 3))
    path = f"images/{repository}/latest/content"
    whole = call("GET", path).json
    assert (len(whole["blobs"]), whole["last"]) == (9, None)
    found: list[str] = []
    last = ""
    while last is not None:
        page = call("GET", f"{path}?n=4{last and f'&last={last}'}").json
        assert [it["digest"] for it in page["manifests"]] == [it["digest"] for it in whole["manifests"]]
        found += [it["digest"] for it in page["blobs"]]
        last = page["last"]
    assert found == [it["digest"] for it in whole["blobs"]]
    moved = call("GET", f"{path}?last=sha256:{'0' * 64}")
    assert (moved.status, moved.json["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("images/never/mirrored", 404, "not-found"),
        ("images/never/mirrored:1", 404, "not-found"),
        ("images/never/mirrored/1/content", 404, "not-found"),
        ("images/never%2Fmirrored/a/b", 400, "invalid-reference"),
        ("images/Never", 400, "invalid-reference"),
        ("images/a@sha256:beef", 400, "invalid-reference"),
        ("images/example.org:443/a:1", 400, "refused"),
        ("images/example.org/a:1", 404, "not-found"),
        ("images?last=%00", 200, None),
        ("images?n=0", 400, "invalid-request"),
        ("images?colour=red", 400, "invalid-request"),
        ("images/a:1/content?platform=a/b/c/d", 400, "malformed"),
    ],
)
def test_what_does_not_stand_or_makes_no_sense(call: Caller, path: str, status: int, code: str | None) -> None:
    got = call("GET", path)
    assert (got.status, got.json.get("code")) == (status, code)


def paged(call: Caller, path: str, name: str) -> list[str]:
    """What the pages of a listing have, one entry each, by following `Link` to its end."""
    found: list[str] = []
    following: str | None = path
    while following is not None:
        got = call("GET", following)
        assert (got.status, len(got.json[name]) <= 1) == (200, True)
        found += [it["tag"] if isinstance(it, dict) else it for it in got.json[name]]
        link = got.headers.get("Link")
        assert (link is None) == (got.json["last"] is None)
        following = link.split(">")[0].removeprefix("</api/v1/") if link else None
    return found


def test_repositories_and_tags_are_listed_page_by_page(mirror: Mirroring, call: Caller, repository: str) -> None:
    for name in ("a", "b"):
        for tag in ("v1", "v10", "v2"):
            bring(mirror, call, f"{repository}/{name}", oci_image(f"{repository}{name}{tag}", tag=tag), tag)
    assert paged(call, f"images?n=1&contains={repository}", "repositories") == [f"{repository}/a", f"{repository}/b"]
    assert paged(call, f"images/{repository}/a?n=1", "tags") == ["v1", "v10", "v2"]
    assert call("GET", f"images/{repository}/a?last=no-cursor").status == 400
