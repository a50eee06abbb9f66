"""A source that costs nearly nothing: a registry that answers as ACR does and serves one image of made-up bytes.

`python -m bench.source --cert server.pem --size BYTES [--latency S --rate BYTES_PER_S]` prints one JSON line when it is
ready: the registry's host, and the host that its blob redirects point to. Tokens are handed to whoever asks, and are
requested. `GET /_bench/counts` tells what it was asked.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import threading
import time
from pathlib import Path

from bench.counts import Counts
from bench.link import Link
from bench.synthetic import MANIFEST_TYPE, UNIT, Bytes, Image, make_image
from bench.wire import Connection, Request, Server
from standins.process import announce, die_with_parent, wait_until_told_to_stop

_ROUTE = re.compile(r"/v2/(?P<name>.+)/(?P<kind>blobs|manifests|referrers|tags)/(?P<rest>[^/]+)")
_TOKEN_LIFE = 1200
_EMPTY_INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}


class Source:
    """The registry and its data host: two ports of one process, over one link."""

    def __init__(self, image: Image, link: Link, certificate: Path) -> None:
        self._image = image
        self._link = link
        self._counts = Counts()
        self._bytes = threading.local()
        self._registry = Server(self._answer_registry, certificate)
        self._data = Server(self._answer_data, certificate)
        self.host = f"localhost:{self._registry.port}"
        self.data_host = f"localhost:{self._data.port}"

    def start(self) -> None:
        self._registry.start()
        self._data.start()

    def _answer_registry(self, connection: Connection, request: Request) -> None:
        if request.path.startswith("/_bench/"):
            self._counts.handle(connection, request)
            return
        self._link.wait()
        if request.path in ("/oauth2/exchange", "/oauth2/token"):
            self._counts.add(request.path.removeprefix("/oauth2/"))
            self._token(connection, request)
        elif not request.headers.get("authorization", "").startswith("Bearer "):
            self._counts.add("challenge")
            self._challenge(connection, request)
        else:
            route = _ROUTE.fullmatch(request.path)
            self._counts.add(f"{request.method} {route['kind'] if route else request.path}")
            self._serve(connection, request, route)

    def _token(self, connection: Connection, request: Request) -> None:
        connection.read()
        kind = "refresh_token" if request.path.endswith("exchange") else "access_token"
        now = int(time.time())
        claims = {"iss": "Azure Container Registry", "aud": self.host, "nbf": now, "exp": now + _TOKEN_LIFE}
        token = ".".join(
            _base64url(part)
            for part in (b'{"alg":"none"}', json.dumps(claims | {"grant_type": kind}).encode(), b"bench")
        )
        connection.answer(
            200, [("Content-Type", "application/json; charset=utf-8")], json.dumps({kind: token}).encode()
        )

    def _challenge(self, connection: Connection, request: Request) -> None:
        challenge = f'Bearer realm="https://{self.host}/oauth2/token",service="{self.host}"'
        if route := _ROUTE.fullmatch(request.path):
            challenge += f',scope="repository:{route["name"]}:pull"'
        self._error(connection, 401, "UNAUTHORIZED", [("WWW-Authenticate", challenge)])

    def _serve(self, connection: Connection, request: Request, route: re.Match[str] | None) -> None:
        image = self._image
        if request.path in ("/v2", "/v2/"):
            connection.answer(200, [("Docker-Distribution-Api-Version", "registry/2.0")], b"{}")
        elif route is None or route["name"] != image.repository:
            self._error(connection, 404, "NAME_UNKNOWN")
        elif route["kind"] == "manifests":
            if route["rest"] not in (image.tag, image.manifest_digest):
                self._error(connection, 404, "MANIFEST_UNKNOWN")
            else:
                self._send(connection, image.manifest, MANIFEST_TYPE, image.manifest_digest)
        elif route["kind"] == "referrers":
            raw = json.dumps(_EMPTY_INDEX).encode()
            self._send(connection, raw, "application/vnd.oci.image.index.v1+json", None)
        elif route["kind"] == "tags":
            self._send(
                connection,
                json.dumps({"name": image.repository, "tags": [image.tag]}).encode(),
                "application/json",
                None,
            )
        else:
            self._blob(connection, request, route["rest"])

    def _blob(self, connection: Connection, request: Request, digest: str) -> None:
        size = self._size(digest)
        if size is None:
            self._error(connection, 404, "BLOB_UNKNOWN")
        elif request.method == "HEAD":
            connection.answer_head(
                200, [("Docker-Content-Digest", digest), ("Content-Type", "application/octet-stream")], size
            )
        else:
            expiry = time.strftime("%Y-%m-%dT%H%%3A%M%%3A%SZ", time.gmtime(time.time() + _TOKEN_LIFE))
            location = f"https://{self.data_host}/{digest}?se={expiry}&sig=bench&sp=r&spr=https&sr=b&sv=2016-05-31"
            headers = [
                ("Location", location),
                ("Docker-Content-Digest", digest),
                ("Content-Type", "text/html; charset=utf-8"),
            ]
            connection.answer(307, headers, b"")

    def _answer_data(self, connection: Connection, request: Request) -> None:
        self._link.wait()
        digest = request.path.strip("/")
        size = self._size(digest)
        if size is None or request.method not in ("GET", "HEAD"):
            connection.answer(404)
            return
        self._counts.add(f"{request.method} data")
        start, end = 0, size - 1
        asked = request.headers.get("x-ms-range") or request.headers.get("range")
        if asked:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or end), end)
        if start > end:
            connection.answer(416, [("Content-Range", f"bytes */{size}")])
            return
        headers = [
            ("Accept-Ranges", "bytes"),
            ("Content-Type", "application/octet-stream"),
            ("x-ms-blob-type", "AppendBlob"),
        ]
        if asked:
            headers.append(("Content-Range", f"bytes {start}-{end}/{size}"))
        connection.answer_head(206 if asked else 200, headers, end + 1 - start)
        if request.method == "GET":
            self._send_data(connection, digest, start, end + 1)

    def _send_data(self, connection: Connection, digest: str, offset: int, end: int) -> None:
        pace = self._link.pace()
        while offset < end:
            piece = self._piece(digest, offset, min(end - offset, UNIT))
            pace.before(len(piece))
            connection.sock.sendall(piece)
            offset += len(piece)

    def _piece(self, digest: str, offset: int, limit: int) -> memoryview:
        if digest == self._image.config_digest:
            return memoryview(self._image.config)[offset : offset + limit]
        layer: Bytes | None = getattr(self._bytes, "layer", None)
        if layer is None:
            layer = self._bytes.layer = Bytes()
        return layer.piece(offset, limit)

    def _size(self, digest: str) -> int | None:
        return {
            self._image.layer_digest: self._image.layer_size,
            self._image.config_digest: len(self._image.config),
        }.get(digest)

    @staticmethod
    def _send(connection: Connection, raw: bytes, media_type: str, digest: str | None) -> None:
        headers = [("Content-Type", media_type), ("Docker-Distribution-Api-Version", "registry/2.0"), ("Date", _date())]
        digest = digest or "sha256:" + hashlib.sha256(raw).hexdigest()
        connection.answer(200, [*headers, ("Docker-Content-Digest", digest), ("ETag", f'"{digest}"')], raw)

    @staticmethod
    def _error(connection: Connection, status: int, code: str, headers: list[tuple[str, str]] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": code.lower(), "detail": None}]}).encode()
        connection.answer(
            status, [("Content-Type", "application/json; charset=utf-8"), ("Date", _date()), *(headers or [])], body
        )


def _date() -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="bench.source", description=__doc__)
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with key and chain")
    parser.add_argument("--size", type=int, required=True, help="the layer's size in bytes")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--rate", type=float, default=0.0, help="bytes a second on each connection")
    arguments = parser.parse_args()
    source = Source(make_image(arguments.size), Link(arguments.latency, arguments.rate), arguments.cert)
    source.start()
    announce({"registry": source.host, "data": source.data_host, "pid": os.getpid()})
    wait_until_told_to_stop()


if __name__ == "__main__":
    main()
