"""The mirror pulled over the function app's own HTTP side, with credentials that its API makes."""

import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage
from urllib.parse import urlsplit

import pytest

from standins.stack import Stack
from testkit.images import Image, multi_arch
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

Got = tuple[int, HTTPMessage, bytes]


def pull(stack: Stack, path: str, method: str = "GET", sender: str | None = None, body: bytes | None = None) -> Got:
    """As a client that follows nothing by itself; `sender` is a name and a password."""
    headers = {"Authorization": f"Basic {base64.b64encode(sender.encode()).decode()}"} if sender is not None else {}
    connection = HTTPConnection(urlsplit(stack.functions.url).netloc, timeout=60)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def code(got: Got) -> tuple[int, str]:
    return got[0], json.loads(got[2])["errors"][0]["code"]


@pytest.fixture
def image(mirror: Mirroring, call: Caller, repository: str) -> Image:
    image = mirror.push(repository, multi_arch(repository, tag="v1"))
    assert call("POST", "pulls", {"image": f"{repository}:v1", "wait": 60}).json["state"] == "done"
    return image


@pytest.fixture
def credential(call: Caller, repository: str) -> Iterator[str]:
    """Name and password of one that may pull the test's repository."""
    name = repository.rpartition("/")[2]
    made = call("POST", "credentials", {"name": name, "repositories": [repository]})
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    yield f"{name}:{made.json['password']}"
    call("DELETE", f"credentials/{name}")


def test_an_image_is_pulled_with_the_registry_never_asked(
    stack: Stack, image: Image, credential: str, repository: str
) -> None:
    stack.registry.reset_requests()
    base = f"/v2/{repository}"
    status, headers, raw = pull(stack, f"{base}/manifests/v1", sender=credential)
    assert (status, raw) == (200, image.manifest(image.root.digest).raw)
    assert headers["Content-Type"] == image.root.media_type
    assert headers["Docker-Content-Digest"] == str(image.root.digest)
    assert headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    blob = image.blobs[0].descriptor
    for method, expected, size in (("HEAD", 200, blob.size), ("GET", 307, 0)):
        status, headers, raw = pull(stack, f"{base}/blobs/{blob.digest}", method, credential)
        assert (status, raw, headers["Content-Length"]) == (expected, b"", str(size))
    assert headers["Location"].startswith(f"{stack.blob_endpoint}/")
    for method in ("HEAD", "GET"):
        _, headers, _ = pull(stack, f"{base}/manifests/{image.root.digest}", method, credential)
        assert headers["Content-Length"] == str(image.root.size)
    assert json.loads(pull(stack, f"{base}/tags/list?n=5", sender=credential)[2])["tags"] == ["v1"]
    assert json.loads(pull(stack, "/v2/_catalog", sender=credential)[2])["repositories"] == [repository]
    assert pull(stack, "/v2/", sender=credential)[0] == pull(stack, "/v2", sender=credential)[0] == 200
    encoded = repository.replace("/", "%2F")
    assert pull(stack, f"/v2/{encoded}/manifests/v1/?ns=x", sender=credential)[0] == 200
    assert stack.registry.requests() == []


def test_who_does_not_sign_in_is_asked_to(stack: Stack, image: Image, credential: str, repository: str) -> None:
    assert image.tag == "v1"
    for sender in (None, f"{credential}x", "nobody:nothing"):
        for path in ("/v2/", f"/v2/{repository}/manifests/v1", f"/v2/{repository}/blobs/uploads/", "/v2/_catalog"):
            for method in ("GET", "PUT"):
                got = pull(stack, path, method, sender)
                assert code(got) == (401, "UNAUTHORIZED")
                assert got[1].get_all("WWW-Authenticate") == ['Basic realm="mirror"']


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_writes_are_refused_and_miss_nothing(stack: Stack, credential: str, repository: str, method: str) -> None:
    got = pull(stack, f"/v2/{repository}/manifests/v2", method, credential, b"{}")
    assert (*code(got), got[1]["Allow"]) == (405, "UNSUPPORTED", "GET, HEAD")


def test_credentials_are_made_listed_and_revoked(call: Caller, run: Command) -> None:
    made = run.inside("credentials", "create", "by-hand", "--repository", "team/*", "--expires", "2999-01-01")
    assert "by-hand may pull team/* until 2999-01-01" in " ".join(made.stderr.split())
    assert len(made.stdout.strip()) == 43
    assert "by-hand" in run.inside("credentials", "list").stdout
    (listed,) = (it for it in call("GET", "credentials").json["credentials"] if it["name"] == "by-hand")
    assert listed["repositories"] == ["team/*"]
    assert listed["expires"] == "2999-01-01T23:59:59.999999000Z"
    assert call("POST", "credentials", {"name": "by-hand"}).json["code"] == "wrong-state"
    run.inside("credentials", "revoke", "by-hand")
    run.inside("credentials", "revoke", "by-hand", code=3)
    for wrong in ({"name": "A"}, {"name": "a", "expires": "2001-01-01"}, {"name": "a", "repositories": ["a:v1"]}):
        assert call("POST", "credentials", wrong).status == 400
    run.inside("credentials", "create", "a", "--expires", "tomorrow", code=2)
