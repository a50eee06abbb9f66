"""Requests and answers as values, and their bodies as streams."""

from __future__ import annotations

import json
import mmap
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs

from standins import incoming
from standins.request import Request

from .errors import RegistryError
from .faults import Effects

CHUNK = 1 << 20
JSON_TYPE = "application/json; charset=utf-8"
_local = threading.local()


def shared_buffer() -> memoryview:
    """This thread's one reused megabyte: a body read into it is gone at the next read."""
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(CHUNK))
    return buffer


class Body(incoming.Body):
    """What a request carries."""

    def all_pieces(self) -> Iterator[memoryview]:
        """The rest, in pieces of this thread's shared buffer. A peer that hangs up raises ConnectionError."""
        return self.pieces(shared_buffer())

    def read(self, limit: int) -> bytes:
        """The whole body; SIZE_INVALID if it is longer than `limit` bytes."""
        whole = bytearray()
        for piece in self.all_pieces():
            whole += piece
            if len(whole) > limit:
                raise RegistryError("SIZE_INVALID", f"the body is longer than {limit} bytes")
        return bytes(whole)


@dataclass(frozen=True)
class RegistryRequest(Request[Body]):
    """A request whose body is still on its way, and the faults that apply to it."""

    effects: Effects

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.read(1 << 20).decode("utf-8", "replace"), keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class FilePart:
    """`length` bytes of an open file from `offset` on; whoever sends it closes it."""

    file: BinaryIO
    offset: int
    length: int

    def pieces(self, size: int = CHUNK) -> Iterator[memoryview]:
        """Straight out of the page cache: mapped, so that nothing is copied before it is encrypted."""
        if self.length == 0:
            return
        base = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        start, end = self.offset - base, self.offset - base + self.length
        # Unmapped when the last piece is let go of, wherever the sending of it ended.
        view = memoryview(mmap.mmap(self.file.fileno(), end, offset=base, access=mmap.ACCESS_READ))
        for at in range(start, end, size):
            yield view[at : min(at + size, end)]


@dataclass(slots=True)
class Response:
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | FilePart = b""
    # A HEAD's Content-Length is that of the GET; a redirect or an accepted upload says 0 by itself.
    length: int | None = None

    @property
    def content_length(self) -> int:
        if self.length is not None:
            return self.length
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)


def json_response(value: object, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    return Response(status, [("Content-Type", JSON_TYPE), *(headers or [])], json.dumps(value).encode())


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The one range of bytes that a Range header asks for, as (start, length).

    None if there is no range, or more than one, or it is not in bytes: then the whole is answered (RFC 9110, 14.2).
    ValueError if no byte of it exists, or it ends before it starts (416).
    """
    unit, _, spec = (header or "").partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not dash or "," in spec:
        return None
    if not (first.isdigit() or (not first and last.isdigit())) or not (last.isdigit() or not last):
        return None
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start >= size or end < start:
        raise ValueError(f"bytes */{size}")
    return start, end - start + 1
