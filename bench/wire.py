"""The least HTTP/1.1 server that real clients work with: a thread a connection, blocking TLS, one reused buffer.

Both ends of a benchmark stand on it, so that what they cost stays far below what is measured: bodies are received into
the connection's one buffer and forgotten, and sent from memory that is made once.
"""

import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

BUFFER = 256 * 1024
HEAD_LIMIT = 64 * 1024


class Closed(Exception):
    """The other side went away, or spoke something else than HTTP/1.1."""


class Request(NamedTuple):
    """A request's head. `path` is decoded, header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Connection:
    """One client's connection: reads heads and bodies in turn, writes answers."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._unread: Iterator[memoryview] = iter(())
        self._head_only = False

    def next_request(self) -> Request | None:
        """The next request's head, or None at the end of the connection. What is left of the last body is dropped."""
        for _ in self._unread:
            pass
        head = self._read_until(b"\r\n\r\n")
        if not head:
            return None
        lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, _ = lines[0].split(" ")
            headers = _headers(lines[1:])
            path, _, query = target.partition("?")
            if headers.get("transfer-encoding", "").lower() == "chunked":
                self._unread = self._chunks()
            else:
                self._unread = self._sized(_natural(headers.get("content-length", "0")))
        except ValueError:
            raise Closed(f"not HTTP/1.1: {lines[0][:80]!r}") from None
        if headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._head_only = method == "HEAD"
        pairs = parse_qs(query, keep_blank_values=True)
        return Request(method, unquote(path), {name: values[0] for name, values in pairs.items()}, headers)

    def body(self) -> Iterator[memoryview]:
        """The request's body in pieces, each valid until the next one is requested."""
        return self._unread

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(bytes(piece) for piece in self._unread)

    def swallow(self, keep_below: int = 0) -> tuple[int, bytes | None]:
        """The body's length, and the body itself if it is shorter than `keep_below`."""
        kept: bytearray | None = bytearray()
        length = 0
        for piece in self._unread:
            length += len(piece)
            if length >= keep_below:
                kept = None
            elif kept is not None:
                kept += piece
        return length, None if kept is None or length >= keep_below else bytes(kept)

    def answer(self, status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        """Sends a whole answer; HEAD's carries the headers alone."""
        self.answer_head(status, headers, len(body), b"" if self._head_only else body)

    def answer_head(
        self, status: int, headers: Iterable[tuple[str, str]], content_length: int, body: bytes = b""
    ) -> None:
        """Sends an answer's head (and a first part of its body); the caller sends the rest by `sock.sendall`."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
        if status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {content_length}")
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def _fill(self) -> bool:
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == BUFFER:
            self._buffer[: self._end - self._start] = self._buffer[self._start : self._end]
            self._start, self._end = 0, self._end - self._start
        count = self.sock.recv_into(self._view[self._end :])
        self._end += count
        return count > 0

    def _read_until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark, self._start, self._end)) < 0:
            if self._end - self._start >= HEAD_LIMIT:
                raise Closed("an endless head")
            if not self._fill():
                return b""
        found = bytes(self._view[self._start : at])
        self._start = at + len(mark)
        return found

    def _sized(self, length: int) -> Iterator[memoryview]:
        while length:
            if self._start == self._end and not self._fill():
                raise Closed("the body ended early")
            piece = self._view[self._start : min(self._end, self._start + length)]
            self._start += len(piece)
            length -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[memoryview]:
        while size := self._chunk_size():
            yield from self._sized(size)
            if self._read_until(b"\r\n"):
                raise Closed("a chunk does not end where its size says")
        while self._read_until(b"\r\n"):
            pass

    def _chunk_size(self) -> int:
        line = self._read_until(b"\r\n")
        try:
            return _natural(line.partition(b";")[0].decode("ascii"), 16)
        except ValueError:
            raise Closed(f"a chunk's size was cut, or is no number: {line[:20]!r}") from None


def _headers(lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        key = name.lower()
        if key == "content-length" and found.get(key, value.strip()) != value.strip():
            raise ValueError("two lengths")
        found[key] = value.strip()
    return found


def _natural(text: str, base: int = 10) -> int:
    """Python's own `int` takes signs, spaces and underscores as well."""
    if not text.isalnum():
        raise ValueError(f"{text!r} is no number")
    return int(text, base)


Handler = Callable[[Connection, Request], None]


class Server:
    """Listens on a loopback port; every request goes to `handler`, in its connection's thread."""

    def __init__(self, handler: Handler, certificate: Path, port: int = 0) -> None:
        self._handler = handler
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]

    def start(self) -> None:
        threading.Thread(target=self._accept, name=f"accept:{self.port}", daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._context.wrap_socket(plain, server_side=True) as sock:
                connection = Connection(sock)
                while request := connection.next_request():
                    self._handler(connection, request)
        except Closed as error:
            print(f"bench: closed a connection: {error}", file=sys.stderr)
        except OSError:
            plain.close()  # clients close with answers unread, and some cut TLS short: the end of a connection
