"""Blob Storage with versioning and soft delete, as its REST reference describes them; Azurite has neither.

A write makes a new current version. A deletion of a blob leaves its versions and no current one; a deletion of a
version hides that version until the blob is undeleted, and of the current version it is refused. Undeleting makes
nothing current. A copy takes metadata along, and obeys conditions on what it replaces. Sources: learn.microsoft.com,
"Blob versioning", "Soft delete for blobs", and the references of List Blobs, Copy Blob, Undelete Blob, Delete Blob.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


@dataclass(slots=True)
class Kept:
    id: str
    content: bytes
    metadata: dict[str, str]
    deleted: bool = False


@dataclass(slots=True)
class Blob:
    versions: list[Kept] = field(default_factory=list)
    current: Kept | None = None


class Storage:
    """One container. `page` is how many versions a listing has; `refuses` are names whose copy fails."""

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.clock = 0
        self.page = 5000
        self.refuses: set[str] = set()
        self.lock = threading.RLock()

    def write(self, name: str, content: bytes, metadata: dict[str, str] | None = None) -> Kept:
        with self.lock:
            self.clock += 1
            moment = f"2026-11-01T{self.clock // 3600:02}:{self.clock // 60 % 60:02}:{self.clock % 60:02}.0000000Z"
            made = Kept(moment, content, dict(metadata or {}))
            blob = self.blobs.setdefault(name, Blob())
            blob.versions.append(made)
            blob.current = made
            return made

    def delete(self, name: str) -> None:
        self.blobs[name].current = None

    def delete_version(self, name: str, kept: Kept) -> None:
        assert self.blobs[name].current is not kept, "OperationNotAllowedOnRootBlob"
        kept.deleted = True

    def purge(self, name: str) -> None:
        """As after the days of soft delete."""
        self.blobs[name].versions = [it for it in self.blobs[name].versions if not it.deleted]

    def read(self, name: str) -> bytes | None:
        current = self.blobs[name].current
        return current.content if current else None

    def listing(self, prefix: str, marker: str, include: set[str]) -> tuple[list[tuple[str, Kept, bool]], str]:
        rows = [
            (name, kept, blob.current is kept)
            for name, blob in sorted(self.blobs.items())
            for kept in blob.versions
            if name.startswith(prefix)
            and ("deleted" in include or not kept.deleted)
            and ("versions" in include or blob.current is kept)
        ]
        begin = int(marker or 0)
        more = begin + self.page < len(rows)
        return rows[begin : begin + self.page], str(begin + self.page) if more else ""


class _Handler(BaseHTTPRequestHandler):
    storage: Storage
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
        self.answer(status, text.encode(), x_ms_error_code=code, Content_Type="application/xml")

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        assert query["comp"] == "list"
        with self.storage.lock:
            include = set(query.get("include", "").split(","))
            rows, following = self.storage.listing(query.get("prefix", ""), query.get("marker", ""), include)
            blobs = "".join(_row(*row) for row in rows)
        text = f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
        self.answer(200, f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode(), Content_Type="application/xml")

    def do_PUT(self) -> None:
        parts = urlsplit(self.path)
        name = unquote(parts.path.split("/", 3)[3])
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.storage.lock:
            blob = self.storage.blobs[name]
            if "comp=undelete" in parts.query:
                for kept in blob.versions:
                    kept.deleted = False
                self.answer(200)
                return
            self.copy(name, blob)

    def copy(self, name: str, blob: Blob) -> None:
        source = urlsplit(self.headers["x-ms-copy-source"])
        assert unquote(source.path.split("/", 3)[3]) == name
        wanted = parse_qs(source.query)["versionid"][0]
        found = next((it for it in blob.versions if it.id == wanted), None)
        if name in self.storage.refuses:
            self.refuse(403, "AuthorizationPermissionMismatch")
        elif found is None or found.deleted:
            self.refuse(404, "BlobNotFound")
        elif blob.current is not None and self.headers.get("If-None-Match") == "*":
            self.refuse(409, "BlobAlreadyExists")
        elif self.headers.get("If-Match", _etag(blob.current)) != _etag(blob.current):
            self.refuse(412, "ConditionNotMet")
        else:
            made = self.storage.write(name, found.content, found.metadata)
            self.answer(202, ETag=_etag(made), x_ms_copy_status="success", x_ms_copy_id="1", x_ms_version_id=made.id)


def _etag(kept: Kept | None) -> str:
    return f'"{kept.id}"' if kept else ""


def _row(name: str, kept: Kept, current: bool) -> str:
    flags = "<IsCurrentVersion>true</IsCurrentVersion>" if current else ""
    flags += "<Deleted>true</Deleted>" if kept.deleted else ""
    properties = f"<Etag>{_etag(kept).strip(chr(34))}</Etag><Content-Length>{len(kept.content)}</Content-Length>"
    return (
        f"<Blob><Name>{escape(name)}</Name><VersionId>{kept.id}</VersionId>{flags}"
        f"<Properties>{properties}<BlobType>BlockBlob</BlobType></Properties></Blob>"
    )


@contextmanager
def serving(storage: Storage) -> Iterator[str]:
    """The URL of an account."""
    handler = type("Handler", (_Handler,), {"storage": storage})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/account"
        finally:
            server.shutdown()
            thread.join()
