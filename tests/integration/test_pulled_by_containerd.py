"""The requests that containerd's resolver and fetcher send, one after the other, to the mirror as its host.

They are those of its releases 1.7 to 2.4 (core/remotes/docker): each is sent without a credential first; a tag is
resolved by HEAD; content is requested by digest, with its own media type first; a layer that broke off goes on by
`bytes=N-`, and newer releases request the parts of a large one so. `ns` names the registry that is mirrored. A redirect
is followed with all headers but the credential.
"""

import base64
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from urllib.parse import urlsplit

import pytest

from standins.stack import Stack
from testkit.images import Image, multi_arch
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

RESOLVED = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*"
)
ENCODINGS = "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5"
PARTS = 3

Got = tuple[int, HTTPMessage, bytes]


@dataclass(frozen=True, slots=True)
class Containerd:
    stack: Stack
    repository: str
    credential: str

    def __call__(self, method: str, path: str, accept: str, at: int | None = None) -> Got:
        headers = {"User-Agent": "containerd/2.4.1", "Accept": accept}
        if method == "GET":
            headers["Accept-Encoding"] = ENCODINGS
        if at is not None:
            headers["Range"] = f"bytes={at}-"
        line = f"/v2/{self.repository}/{path}?ns=demo.azurecr.io"
        status, answered, _ = self._send(method, self.stack.functions.url, line, headers)
        assert (status, answered["WWW-Authenticate"]) == (401, 'Basic realm="mirror"')
        basic = base64.b64encode(self.credential.encode()).decode()
        got = self._send(method, self.stack.functions.url, line, headers | {"Authorization": f"Basic {basic}"})
        if got[0] == 307:
            to = urlsplit(got[1]["Location"])
            return self._send(method, f"{to.scheme}://{to.netloc}", f"{to.path}?{to.query}", headers)
        return got

    def _send(self, method: str, origin: str, line: str, headers: dict[str, str]) -> Got:
        at = urlsplit(origin)
        connection = (
            HTTPSConnection(at.netloc, timeout=60, context=ssl.create_default_context(cafile=str(self.stack.ca)))
            if at.scheme == "https"
            else HTTPConnection(at.netloc, timeout=60)
        )
        try:
            connection.request(method, line, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@pytest.fixture
def image(mirror: Mirroring, call: Caller, repository: str) -> Image:
    image = mirror.push(repository, multi_arch(repository, tag="v1"))
    assert call("POST", "pulls", {"image": f"{repository}:v1", "wait": 60}).json["state"] == "done"
    return image


@pytest.fixture
def containerd(stack: Stack, call: Caller, repository: str) -> Iterator[Containerd]:
    name = repository.rpartition("/")[2]
    made = call("POST", "credentials", {"name": name, "repositories": [repository]})
    yield Containerd(stack, repository, f"{name}:{made.json['password']}")
    call("DELETE", f"credentials/{name}")


def test_an_image_is_resolved_and_fetched(containerd: Containerd, image: Image) -> None:
    for reference in ("v1", str(image.root.digest)):
        status, headers, body = containerd("HEAD", f"manifests/{reference}", RESOLVED)
        assert (status, body) == (200, b"")
        # What it makes the descriptor from, and would send a GET for if it lacked any of it.
        assert headers["Docker-Content-Digest"] == str(image.root.digest)
        assert headers["Content-Length"] == str(image.root.size)
        assert headers["Content-Type"] == image.root.media_type
    for stored in image.manifests:
        known = stored.descriptor
        status, headers, body = containerd("GET", f"manifests/{known.digest}", f"{known.media_type}, */*")
        assert (status, body, headers["Content-Encoding"]) == (200, stored.raw, None)
        assert headers["Content-Length"] == str(known.size)
    for blob in image.blobs:
        accept = f"{blob.descriptor.media_type}, */*"
        status, headers, body = containerd("GET", f"blobs/{blob.descriptor.digest}", accept)
        assert (status, headers["Content-Encoding"]) == (200, None)
        assert headers["Content-Length"] == str(blob.descriptor.size)
        assert body == blob.content.read()


def test_a_layer_goes_on_where_it_broke_off_and_comes_in_parts(containerd: Containerd, image: Image) -> None:
    layer = max(image.blobs, key=lambda it: it.descriptor.size)
    whole, size = layer.content.read(), layer.descriptor.size
    step = -(-size // PARTS)
    come = b""
    for at in range(0, size, step):
        status, headers, body = containerd("GET", f"blobs/{layer.descriptor.digest}", "*/*", at)
        assert (status, headers["Content-Range"]) == (206, f"bytes {at}-{size - 1}/{size}")
        assert headers["Content-Length"] == str(size - at)
        come += body[:step]
    assert come == whole


def test_what_is_missing_is_a_404_after_which_it_asks_the_next_host(containerd: Containerd, image: Image) -> None:
    blob = image.blobs[0].descriptor.digest
    # Given a digest alone, it looks for a manifest first, then for a blob; the fetcher the other way round.
    assert containerd("HEAD", f"manifests/{blob}", RESOLVED)[0] == 404
    status, headers, _ = containerd("HEAD", f"blobs/{blob}", RESOLVED)
    assert (status, headers["Content-Length"]) == (200, str(image.blobs[0].descriptor.size))
    for method in ("HEAD", "GET"):
        assert containerd(method, "manifests/none", RESOLVED)[0] == 404
