"""Kept TLS connections that read ranges straight into the caller's memory.

The standard library's client would do, but its file objects add a layer of Python to each 16 KiB record (a tenth of the
CPU), and lose count of what had arrived when a connection breaks. What is needed is little: a GET with headers, an
answer that says its length, and reads.
"""

import http.client
import io
import re
import ssl
import threading
import time
from collections.abc import Mapping
from email.message import Message

from acrmirror.deadlines import CONNECT_TIMEOUT, READ_TIMEOUT
from acrmirror.sockets import connect, shut

HEAD_LIMIT = 64 * 1024
DRAIN_LIMIT = 64 * 1024
INTERIM_LIMIT = 20
"""Interim answers (1xx) before one that counts."""
IDLE_LIMIT = 20.0
"""Seconds for which an unused connection is kept: less than storage keeps it."""
KEPT = 64
"""Unused connections kept at most for each host."""

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)


class BrokenAnswer(OSError):
    """An answer that ends early or is not HTTP."""


class Connection:
    """One connection to one host. Not for several threads at once, but `abort` may come from any."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        self.address = (host, port)
        self.used = False
        """Whether an answer came over it before: then it may have been closed meanwhile."""
        self.since = time.monotonic()
        self.status = 0
        self.headers: Message = Message()
        self.remaining = 0
        """Bytes of the answer's body that have not been read."""
        self._early = memoryview(b"")
        self._reusable = False
        raw = connect(host, port, CONNECT_TIMEOUT)
        try:
            raw.settimeout(READ_TIMEOUT)
            self._socket = context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise

    @property
    def idle(self) -> bool:
        """Whether it can take another request: the last answer was read to its end."""
        return self._reusable and self.remaining == 0

    def get(self, target: str, headers: Mapping[str, str]) -> None:
        """Sends a GET and reads the answer up to its body: `status`, `headers` and `remaining` are then set."""
        host, port = self.address
        lines = [f"GET {target} HTTP/1.1", f"Host: {host if port == 443 else f'{host}:{port}'}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._reusable = False
        self._socket.sendall("\r\n".join([*lines, "User-Agent: acrmirror", "", ""]).encode("ascii"))
        for _ in range(INTERIM_LIMIT):
            version = self._read_head()
            if self.status >= 200:
                break
        else:
            raise BrokenAnswer("there are only interim answers")
        self._frame(version)
        self.used = True

    def readinto(self, view: memoryview) -> int:
        """Some bytes of the body into `view`, at least one; BrokenAnswer if there are none left to come."""
        if len(view) > self.remaining:
            view = view[: self.remaining]
        if self._early:
            count = min(len(view), len(self._early))
            view[:count] = self._early[:count]
            self._early = self._early[count:]
        else:
            count = self._socket.recv_into(view)
        if count == 0:
            raise BrokenAnswer("the body ended early")
        self.remaining -= count
        return count

    def drain(self, limit: int = DRAIN_LIMIT) -> bytes:
        """The body, if it is short; else what there is of it up to `limit`, and the connection is of no more use."""
        body = bytearray(min(self.remaining, limit))
        filled = 0
        while filled < len(body):
            filled += self.readinto(memoryview(body)[filled:])
        return bytes(body)

    def skip(self, count: int) -> None:
        """Passes over bytes of the body."""
        scratch = memoryview(bytearray(min(count, 256 * 1024)))
        while count:
            count -= self.readinto(scratch[:count])

    def abort(self) -> None:
        """Wakes whoever reads from it; they see it broken."""
        shut(self._socket)

    def close(self) -> None:
        self._socket.close()

    def _read_head(self) -> int:
        received = bytearray(self._early)
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > HEAD_LIMIT:
                raise BrokenAnswer("the answer has no end of its headers")
            piece = self._socket.recv(16 * 1024)
            if not piece:
                raise BrokenAnswer("the connection ended before the answer")
            received += piece
        first, _, rest = bytes(received[: end + 4]).partition(b"\r\n")
        match = _STATUS.fullmatch(first)
        if match is None:
            raise BrokenAnswer("the answer is not HTTP/1.1")
        self.status = int(match[2])
        try:
            self.headers = http.client.parse_headers(io.BytesIO(rest))
        except http.client.HTTPException as error:
            raise BrokenAnswer("the answer's headers are not HTTP") from error
        self._early = memoryview(bytes(received[end + 4 :]))
        return int(match[1])

    def _frame(self, version: int) -> None:
        """How long the body is. Only a stated length is taken: without it, a cut body would pass for a whole one."""
        length = self.headers.get("Content-Length")
        if self.status in (204, 304):
            length = "0"
        if length is None or not _LENGTH.fullmatch(length) or "Transfer-Encoding" in self.headers:
            if self.status < 400:
                raise BrokenAnswer("the answer does not say how long it is")
            # Of a refusal, the status is enough.
            self.remaining = 0
            return
        self.remaining = int(length)
        tokens = [token.strip().lower() for token in (self.headers.get("Connection") or "").split(",")]
        self._reusable = version == 1 and "close" not in tokens


class Connections:
    """Keeps connections between requests, for all layers of all jobs. Thread-safe."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._guard = threading.Lock()
        self._kept: dict[tuple[str, int], list[Connection]] = {}
        self._closed = False

    def take(self, host: str, port: int) -> Connection:
        """A kept connection, the one used last first, or a new one."""
        horizon = time.monotonic() - IDLE_LIMIT
        stale: list[Connection] = []
        found: Connection | None = None
        with self._guard:
            kept = self._kept.get((host, port), [])
            if kept and kept[-1].since < horizon:
                stale, kept[:] = kept[:], []
            elif kept:
                found = kept.pop()
        for connection in stale:
            connection.close()
        return found or Connection(host, port, self._context)

    def give(self, connection: Connection) -> None:
        """Takes back a connection whose answer was read to its end."""
        connection.since = time.monotonic()
        with self._guard:
            kept = self._kept.setdefault(connection.address, [])
            keep = not self._closed and connection.idle and len(kept) < KEPT
            if keep:
                kept.append(connection)
        if not keep:
            connection.close()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            kept = [connection for connections in self._kept.values() for connection in connections]
            self._kept.clear()
        for connection in kept:
            connection.close()
