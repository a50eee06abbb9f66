"""Blobs under /v2/: reading by redirect, and the ways of uploading (OCI distribution-spec 1.1, "Pushing blobs")."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .auth import Auth
from .content import Content
from .errors import RegistryError, too_large
from .names import check_digest, is_digest
from .storage import BlobHost
from .tokens import Access
from .uploads import Upload, Uploads
from .wire import FilePart, RegistryRequest, Response, parse_range

BODY_LIMIT = 20_000_000
"""Bytes that one body may have: Azure Container Registry was seen to refuse "about 20 MB" (goharbor/harbor#23015)."""

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d+)-(\d+)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Blobs:
    """Each method answers one route; `name` is a checked repository. `host` is where the bytes are read from."""

    content: Content
    uploads: Uploads
    auth: Auth
    host: BlobHost

    def head(self, _request: RegistryRequest, name: str, digest: str) -> Response:
        size = self.content.blob_size(name, check_digest(digest))
        headers = [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)]
        return Response(200, headers, length=size)

    def get(self, request: RegistryRequest, name: str, digest: str) -> Response:
        size = self.content.blob_size(name, check_digest(digest))
        effects = request.effects
        if effects.serve_itself:
            return self._serve(request, digest, size)
        location = effects.redirect_to
        if location is None:
            seconds = -1.0 if effects.expire else effects.signature_seconds
            location = self.host.sign(digest, seconds)
        headers = [("Location", location), ("Docker-Content-Digest", digest)]
        text = f'<a href="{location.replace("&", "&amp;")}">Temporary Redirect</a>.\n\n'
        return Response(307, [*headers, ("Content-Type", "text/html; charset=utf-8")], text.encode())

    def _serve(self, request: RegistryRequest, digest: str, size: int) -> Response:
        headers = [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)]
        headers.append(("Accept-Ranges", "bytes"))
        try:
            part = parse_range(request.headers.get("Range"), size)
        except ValueError as whole:
            raise RegistryError("RANGE_INVALID", "no such range", headers=[("Content-Range", str(whole))]) from None
        file = self.content.open_blob(digest)
        if part is None:
            return Response(200, headers, FilePart(file, 0, size))
        start, length = part
        headers.append(("Content-Range", f"bytes {start}-{start + length - 1}/{size}"))
        return Response(206, headers, FilePart(file, start, length))

    def delete(self, _request: RegistryRequest, name: str, digest: str) -> Response:
        self.content.delete_blob(name, check_digest(digest))
        return Response(202, [("Docker-Content-Digest", digest)])

    # Uploads

    def begin(self, request: RegistryRequest, name: str) -> Response:
        if mount := request.parameter("mount"):
            source = request.parameter("from") or None
            allowed = source is None or self.auth.allows(request, Access("repository", source, ("pull",)))
            if allowed and is_digest(mount) and self.content.has_data(mount, source):
                self.content.add_blob(name, mount, None)
                return self._created(name, mount)
        digest = request.parameter("digest")
        algorithm = (
            check_digest(digest).partition(":")[0] if digest else request.parameter("digest-algorithm", "sha256")
        )
        upload = self.uploads.begin(name, algorithm)
        if digest:
            with upload.lock:
                return self._commit(request, upload, digest)
        return self._accepted(upload, 202)

    def append(self, request: RegistryRequest, name: str, upload_id: str) -> Response:
        upload = self.uploads.find(request, name, upload_id)
        with upload.lock:
            self._check_content_range(request, upload)
            upload.append(request.body)
            return self._accepted(upload, 202)

    def end(self, request: RegistryRequest, name: str, upload_id: str) -> Response:
        upload = self.uploads.find(request, name, upload_id)
        with upload.lock:
            self._check_content_range(request, upload)
            if (request.body.length or 0) > BODY_LIMIT:
                raise too_large(f"{request.body.length} bytes in one body")
            return self._commit(request, upload, check_digest(request.parameter("digest")))

    def status(self, request: RegistryRequest, name: str, upload_id: str) -> Response:
        return self._accepted(self.uploads.find(request, name, upload_id, stale=True), 204)

    def cancel(self, request: RegistryRequest, name: str, upload_id: str) -> Response:
        upload = self.uploads.find(request, name, upload_id, stale=True)
        with upload.lock:
            self.uploads.end(upload)
        return Response(204)

    def _check_content_range(self, request: RegistryRequest, upload: Upload) -> None:
        value = request.headers.get("Content-Range")
        if value is None:
            return
        found = _CONTENT_RANGE.fullmatch(value.strip())
        length = request.body.length
        if length is None:
            # Seen by goharbor/harbor#23016: what says its range has to say its length. A body of which neither is said
            # is a stream, as docker sends it, and is taken.
            raise RegistryError("CONTENT_LENGTH_INVALID", "the chunk's Content-Length is missing")
        start, end = (int(found[1]), int(found[2])) if found else (-1, -1)
        if start != upload.offset or (length is not None and end - start + 1 != length):
            state = self._accepted(upload, 416)
            raise RegistryError("RANGE_INVALID", "invalid content range", headers=state.headers)

    def _commit(self, request: RegistryRequest, upload: Upload, digest: str) -> Response:
        upload.append(request.body)
        if upload.digest(digest.partition(":")[0]) != digest:
            self.uploads.end(upload)
            raise RegistryError("DIGEST_INVALID", "provided digest did not match uploaded content")
        self.content.add_blob(upload.repository, digest, upload.path)
        self.uploads.end(upload)
        return self._created(upload.repository, digest)

    def _accepted(self, upload: Upload, status: int) -> Response:
        # "0-0" before the first byte, as seen on the wire: it can't be told from one byte.
        headers = [
            ("Location", self.uploads.location(upload)),
            ("Docker-Upload-Uuid", upload.id),
            ("Range", f"0-{max(0, upload.offset - 1)}"),
        ]
        return Response(status, headers)

    @staticmethod
    def _created(name: str, digest: str) -> Response:
        return Response(201, [("Location", f"/v2/{name}/blobs/{digest}"), ("Docker-Content-Digest", digest)])
