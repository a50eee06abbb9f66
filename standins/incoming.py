"""Requests as they come in: whole ones, or none.

Python's own server takes for whole what was cut: headers that end with the connection, and a body that is shorter than
its Content-Length. A client that was killed in the middle of a write would have written something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from typing import Any, cast

PIECE = 1 << 18
_CHUNK_LINE = 1024
_TRAILER_LINE = 8192
_LINE_ENDS = (b"\r\n", b"\n")


class BadFraming(ValueError):
    """A head from which it can't be told where the body ends."""


class CutRequest(ConnectionError):
    """The request ended early, or a chunk of it is malformed: what follows can't be found any more."""


class TooLong(ValueError):
    """A body of more bytes than are taken."""


class WholeRequests(BaseHTTPRequestHandler):
    """Of HTTP/1.1. A request whose head was cut is dropped, and its connection closed."""

    protocol_version = "HTTP/1.1"

    def parse_request(self) -> bool:
        stream = self.rfile
        watched = _LastLine(stream)
        self.rfile = cast(BufferedIOBase, watched)
        try:
            parsed = super().parse_request()
        finally:
            self.rfile = stream
        if parsed and watched.last not in _LINE_ENDS:
            self.close_connection = True
            return False
        return parsed

    def whole_body(self, limit: int) -> bytes:
        """Raises `BadFraming`, `CutRequest`, and `TooLong` for more than `limit` bytes."""
        body = Body(self.rfile, self.headers)
        if (body.length or 0) > limit:
            raise TooLong(f"{body.length} bytes; at most {limit} are taken")
        whole = bytearray()
        for piece in body.pieces(memoryview(bytearray(min(PIECE, body.length or PIECE)))):
            whole += piece
            if len(whole) > limit:
                raise TooLong(f"more than {limit} bytes")
        return bytes(whole)


class Body:
    """A request's body, by Content-Length or in chunks (RFC 9112, sections 6 and 7.1). Raises `BadFraming`."""

    def __init__(self, stream: BufferedIOBase, headers: Message) -> None:
        self._stream = stream
        self.length = _length(headers)
        self.received = 0
        self._left = self.length or 0
        self._ended = self.length == 0

    def pieces(self, buffer: memoryview) -> Iterator[memoryview]:
        """The rest, each piece in the buffer until the next is requested. Raises `CutRequest`."""
        while not self._ended:
            if self.length is None and self._left == 0 and not self._next_chunk():
                return
            count = self._stream.readinto(buffer[: min(len(buffer), self._left)])
            if not count:
                raise CutRequest("the request's body ended early")
            self._left -= count
            self.received += count
            if self._left == 0:
                if self.length is not None:
                    self._ended = True
                elif self._stream.readline(len(b"\r\n")) not in _LINE_ENDS:
                    raise CutRequest("a chunk does not end where its size says")
            yield buffer[:count]

    def _next_chunk(self) -> bool:
        line = self._stream.readline(_CHUNK_LINE)
        size = line.partition(b";")[0].strip()
        # A line that was cut may still be a number, and a smaller one.
        if not line.endswith(b"\n") or not size or size.strip(b"0123456789abcdefABCDEF"):
            raise CutRequest(f"a chunk's size was cut, or is no number: {line[:20]!r}")
        self._left = int(size, 16)
        if self._left == 0:
            while self._stream.readline(_TRAILER_LINE) not in (*_LINE_ENDS, b""):
                pass
            self._ended = True
        return not self._ended


def _length(headers: Message) -> int | None:
    """Of the body; None where it comes in chunks."""
    coding = headers.get("Transfer-Encoding")
    if coding is not None:
        if coding.strip().lower() != "chunked":
            raise BadFraming(f"the transfer coding is {coding}")
        return None
    lengths = {value.strip() for value in headers.get_all("Content-Length", ["0"])}
    (first, *others) = lengths
    if others or not (first.isascii() and first.isdigit()):
        raise BadFraming(f"the content length is {' and '.join(sorted(lengths))}")
    return int(first)


class _LastLine:
    """Hands on a stream's lines, and remembers the last one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = bytes(self._stream.readline(limit))
        return self.last
