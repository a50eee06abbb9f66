"""As much of Blob Storage's protocol as a copy needs, with block lists and conditions that are kept to.

Put Blob, Put Block, Put Block List, Get Block List, Get Blob, Get Blob Properties, Set Blob Metadata, Delete Blob,
Create Container and List Blobs.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from bench.wire import Connection, Request

KEEP_BELOW = 64 * 1024
VERSION = "2025-05-05"
Answer = tuple[int, list[tuple[str, str]], bytes]


@dataclass(slots=True)
class _Blob:
    """What is there (length is None until the first commit), and the blocks staged beside it."""

    length: int | None = None
    content: bytes | None = None
    etag: str = ""
    modified: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)
    staged: dict[str, int] = field(default_factory=dict)


class _Refusal(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class BlobService:
    """One account, in memory, without its large contents."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[str, _Blob] = {}
        self._etags = count(0x8DC0000000000000)

    def handle(self, connection: Connection, request: Request) -> str:
        """Answers one request; returns what kind it was."""
        kind = self._kind(request)
        length, content = connection.swallow(4 * 1024 * 1024 if kind == "Put Block List" else KEEP_BELOW)
        try:
            with self._lock:
                status, headers, body = self._answer(kind, request, length, content)
        except _Refusal as refusal:
            status, headers, body = refusal.status, [("x-ms-error-code", refusal.code)], _error(refusal.code)
        if request.method == "HEAD":
            connection.answer_head(status, [*_common(), *headers], self._length(request.path) if status == 200 else 0)
        else:
            connection.answer(status, [*_common(), *headers], body)
        return kind

    @staticmethod
    def _kind(request: Request) -> str:
        comp = request.query.get("comp", "")
        if request.query.get("restype") == "container":
            return "List Blobs" if comp == "list" else "Create Container"
        return {
            ("PUT", "block"): "Put Block",
            ("PUT", "blocklist"): "Put Block List",
            ("GET", "blocklist"): "Get Block List",
            ("PUT", "metadata"): "Set Blob Metadata",
            ("PUT", ""): "Put Blob",
            ("GET", ""): "Get Blob",
            ("HEAD", ""): "Get Blob Properties",
            ("DELETE", ""): "Delete Blob",
        }.get((request.method, comp), "Unsupported")

    def _length(self, path: str) -> int:
        return self._blobs[path].length or 0

    def _answer(self, kind: str, request: Request, length: int, content: bytes | None) -> Answer:
        blob = self._blobs.get(request.path)
        match kind:
            case "Create Container":
                return 201, [("ETag", '"0x1"'), ("Last-Modified", _now())], b""
            case "List Blobs":
                return 200, [("Content-Type", "application/xml")], self._listing(request)
            case "Put Block":
                self._blobs.setdefault(request.path, _Blob()).staged[request.query["blockid"]] = length
                return 201, [("x-ms-request-server-encrypted", "true")], b""
            case "Put Block List" | "Put Blob":
                return self._put(request, blob, length, content, as_list=kind == "Put Block List")
            case "Get Block List":
                if blob is None:
                    raise _Refusal(404, "BlobNotFound")
                return 200, [("Content-Type", "application/xml")], _block_list(blob, request.query["blocklisttype"])
        if kind == "Unsupported":
            raise _Refusal(501, "NotImplemented")
        if blob is None or blob.length is None:
            raise _Refusal(404, "BlobNotFound")
        self._check(request, blob)
        match kind:
            case "Get Blob":
                return _get(request, blob)
            case "Set Blob Metadata":
                self._stamp(blob, request)
                return 200, [("ETag", blob.etag), ("Last-Modified", blob.modified)], b""
            case "Delete Blob":
                del self._blobs[request.path]
                return 202, [], b""
        return 200, _properties(blob), b""

    def _put(self, request: Request, blob: _Blob | None, length: int, content: bytes | None, as_list: bool) -> Answer:
        blob = blob or _Blob()
        self._check(request, blob)
        if as_list:
            blocks: dict[str, int] = {}
            for element in ElementTree.fromstring(content or b""):
                known = {"Latest": blob.blocks | blob.staged, "Uncommitted": blob.staged, "Committed": blob.blocks}
                if element.text not in known[element.tag]:
                    raise _Refusal(400, "InvalidBlockList")
                blocks[element.text] = known[element.tag][element.text]
            blob.blocks, blob.length, blob.content = blocks, sum(blocks.values()), None
        else:
            blob.blocks, blob.length, blob.content = {}, length, content
        blob.staged = {}
        self._stamp(blob, request)
        self._blobs[request.path] = blob
        return 201, [("ETag", blob.etag), ("Last-Modified", blob.modified)], b""

    @staticmethod
    def _check(request: Request, blob: _Blob) -> None:
        wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
        there = blob.length is not None
        if wanted is not None and not (there and wanted in ("*", blob.etag)):
            raise _Refusal(412, "ConditionNotMet")
        if unwanted is not None and there and unwanted in ("*", blob.etag):
            if request.method in ("GET", "HEAD"):
                raise _Refusal(304, "ConditionNotMet")
            raise _Refusal(
                409 if unwanted == "*" else 412, "BlobAlreadyExists" if unwanted == "*" else "ConditionNotMet"
            )

    def _stamp(self, blob: _Blob, request: Request) -> None:
        blob.etag = f'"0x{next(self._etags):X}"'
        blob.modified = _now()
        prefix = "x-ms-meta-"
        blob.metadata = {name: value for name, value in request.headers.items() if name.startswith(prefix)}

    def _listing(self, request: Request) -> bytes:
        prefix = f"{request.path.rstrip('/')}/{request.query.get('prefix', '')}"
        cut = len(request.path.rstrip("/")) + 1
        return "".join(
            [
                '<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>',
                *(
                    f"<Blob><Name>{escape(path[cut:])}</Name><Properties><Etag>{escape(blob.etag)}</Etag><Last-Modified>{blob.modified}"
                    f"</Last-Modified><Content-Length>{blob.length}</Content-Length><BlobType>BlockBlob</BlobType>"
                    "</Properties></Blob>"
                    for path, blob in sorted(self._blobs.items())
                    if path.startswith(prefix) and blob.length is not None
                ),
                "</Blobs><NextMarker/></EnumerationResults>",
            ]
        ).encode()


def _get(request: Request, blob: _Blob) -> Answer:
    if blob.content is None:
        raise _Refusal(410, "ContentNotKept")
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    if not asked:
        return 200, _properties(blob), blob.content
    first, _, last = asked.removeprefix("bytes=").partition("-")
    start, end = int(first), min(int(last or len(blob.content)), len(blob.content) - 1)
    if start > end:
        raise _Refusal(416, "InvalidRange")
    part = ("Content-Range", f"bytes {start}-{end}/{len(blob.content)}")
    return 206, [part, *_properties(blob)], blob.content[start : end + 1]


def _properties(blob: _Blob) -> list[tuple[str, str]]:
    return [
        ("ETag", blob.etag),
        ("Last-Modified", blob.modified),
        ("Accept-Ranges", "bytes"),
        ("Content-Type", "application/octet-stream"),
        ("x-ms-blob-type", "BlockBlob"),
        *blob.metadata.items(),
    ]


def _block_list(blob: _Blob, wanted: str) -> bytes:
    def blocks(tag: str, of: dict[str, int]) -> Iterator[str]:
        yield f"<{tag}>"
        for name, size in of.items():
            yield f"<Block><Name>{escape(name)}</Name><Size>{size}</Size></Block>"
        yield f"</{tag}>"

    parts = ['<?xml version="1.0" encoding="utf-8"?><BlockList>']
    if wanted in ("committed", "all"):
        parts.extend(blocks("CommittedBlocks", blob.blocks))
    if wanted in ("uncommitted", "all"):
        parts.extend(blocks("UncommittedBlocks", blob.staged))
    return "".join([*parts, "</BlockList>"]).encode()


def _error(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'.encode()


def _common() -> list[tuple[str, str]]:
    return [("x-ms-version", VERSION), ("x-ms-request-id", "00000000-0000-0000-0000-000000000000"), ("Date", _now())]


def _now() -> str:
    return format_datetime(datetime.now(UTC), usegmt=True)
