"""As much of the registry's push protocol as crane and skopeo need (OCI distribution-spec 1.1); no credentials."""

import hashlib
import re
import threading
import uuid

from bench.wire import Connection, Request

_ROUTE = re.compile(r"/v2/(?P<name>.+)/(?P<kind>blobs|manifests)/(?P<rest>.+)|/v2/?")


class PushService:
    """Takes uploads of any shape; keeps blobs' lengths and manifests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lengths: dict[tuple[str, str], int] = {}
        self._uploads: dict[str, int] = {}
        self._manifests: dict[tuple[str, str], tuple[str, bytes]] = {}

    def handle(self, connection: Connection, request: Request) -> str:
        """Answers one request; returns what kind it was."""
        route = _ROUTE.fullmatch(request.path)
        if route is None:
            connection.answer(404)
            return "unknown"
        if route["kind"] is None:
            connection.answer(200, body=b"{}")
            return "ping"
        if route["kind"] == "manifests":
            return self._manifest(connection, request, route["name"], route["rest"])
        if route["rest"].startswith("uploads"):
            return self._upload(connection, request, route["name"], route["rest"].removeprefix("uploads").strip("/"))
        with self._lock:
            length = self._lengths.get((route["name"], route["rest"]))
        if length is None or request.method != "HEAD":
            connection.answer(404)
        else:
            connection.answer_head(200, [("Docker-Content-Digest", route["rest"])], length)
        return f"{request.method} blob"

    def _upload(self, connection: Connection, request: Request, name: str, upload: str) -> str:
        length, _ = connection.swallow()
        upload = upload or str(uuid.uuid4())
        location = ("Location", f"/v2/{name}/blobs/uploads/{upload}")
        digest = request.query.get("digest")
        with self._lock:
            total = self._uploads.get(upload, 0) + length
            if digest is None:
                self._uploads[upload] = total
            else:
                self._uploads.pop(upload, None)
                self._lengths[name, digest] = total
        if digest is None:
            connection.answer(202, [location, ("Range", f"0-{max(total - 1, 0)}"), ("Docker-Upload-UUID", upload)])
        else:
            connection.answer(201, [("Location", f"/v2/{name}/blobs/{digest}"), ("Docker-Content-Digest", digest)])
        return f"{request.method} upload"

    def _manifest(self, connection: Connection, request: Request, name: str, reference: str) -> str:
        if request.method == "PUT":
            raw = connection.read()
            digest = "sha256:" + hashlib.sha256(raw).hexdigest()
            kept = (request.headers.get("content-type", ""), raw)
            with self._lock:
                self._manifests[name, reference] = self._manifests[name, digest] = kept
            connection.answer(201, [("Docker-Content-Digest", digest), ("Location", f"/v2/{name}/manifests/{digest}")])
            return "PUT manifest"
        with self._lock:
            found = self._manifests.get((name, reference))
        if found is None:
            connection.answer(404)
        else:
            digest = "sha256:" + hashlib.sha256(found[1]).hexdigest()
            connection.answer(200, [("Content-Type", found[0]), ("Docker-Content-Digest", digest)], found[1])
        return f"{request.method} manifest"
