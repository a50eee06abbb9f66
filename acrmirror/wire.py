"""HTTP/1.1 over one TLS connection, for every request that is sent: those of the SDKs, and ranges of blobs.

The standard library's client would do, and so would urllib3 and requests over it, but a call by them takes twice the
processor time that the SDK itself takes for it, and a small push is a couple of dozen calls. What is needed is little:
a head, a body that is in memory, an answer whose length is known by one of HTTP's ways, reads straight into the
caller's memory.
"""

import re
import ssl
import time
from collections.abc import Iterator, Mapping

from requests.structures import CaseInsensitiveDict
from urllib3.util import wait_for_read

from acrmirror.deadlines import CONNECT_TIMEOUT, READ_TIMEOUT
from acrmirror.paced import PacedSocket
from acrmirror.sockets import connect, shut

HEAD_LIMIT = 64 * 1024
DRAIN_LIMIT = 64 * 1024
LINE_LIMIT = 4096
"""Bytes of the line before a chunk."""
INTERIM_LIMIT = 20
"""Interim answers (1xx) before one that counts."""
SENT_AT_ONCE = 1024 * 1024
"""Bytes of a body within one time-out: 50 kB/s will do."""
TOGETHER = 16 * 1024
"""A body of fewer bytes goes out in one record with its head."""

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([^\r\n]*))?", re.ASCII)
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)\r\n", re.ASCII)
_FOLD = re.compile(r"\r\n[ \t]+")
_LENGTH = re.compile(r"[0-9]{1,19}", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?", re.ASCII)


class BrokenAnswer(OSError):
    """An answer that ends early or is not HTTP."""


class Connection:
    """One connection to one host. Not for several threads at once, but `abort` may come from any."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float = CONNECT_TIMEOUT) -> None:
        self.address = (host, port)
        self.used = False
        """Whether an answer came over it before: then it may have been closed meanwhile."""
        self.since = time.monotonic()
        self.status = 0
        self.reason = ""
        self.headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
        self.remaining = 0
        """Bytes that have not been read, of the answer's body or of the chunk of it that is being read."""
        self._early = memoryview(b"")
        self._chunked = False
        self._in_chunks = False
        """Whether a chunk was begun, whose end is still to be read."""
        self._until_closed = False
        self._reusable = False
        raw = connect(host, port, timeout)
        try:
            self._socket = context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise

    @property
    def idle(self) -> bool:
        """Whether it can take another request: the last answer was read to its end."""
        return self._reusable and self.remaining == 0 and not self._chunked and not self._early

    @property
    def dropped(self) -> bool:
        """Whether the other side has closed it, or said something that nobody requested."""
        return wait_for_read(self._socket, timeout=0.0)

    def get(self, target: str, headers: Mapping[str, str]) -> None:
        """Sends a GET and reads the answer up to its body: `status`, `headers` and `remaining` are then set. Only a
        stated length is taken."""
        self.request("GET", target, {**headers, "User-Agent": "acrmirror"})
        if self._chunked or self._until_closed:
            if self.status < 400:
                raise BrokenAnswer("the answer does not say how long it is")
            # Of a refusal, the status is enough.
            self._reusable = False

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | memoryview | None = None,
        timeout: float = READ_TIMEOUT,
    ) -> None:
        """Sends a request, whose headers tell the length of its body, and reads the answer up to its body: `status`,
        `reason` and `headers` are then set. Its body may be read by `read` or `pieces`. `timeout` is for how many
        seconds nothing may move."""
        host, port = self.address
        lines = [f"{method} {target} HTTP/1.1", f"Host: {_named(host, port)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        text = "\r\n".join(lines)
        if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
            raise ValueError(f"a header of a {method} request has a line break")
        head = f"{text}\r\n\r\n".encode("latin-1")
        self._reusable = False
        self._socket.settimeout(timeout)
        try:
            if body is None or len(body) < TOGETHER:
                self._socket.sendall(head + (body or b""))
            else:
                self._socket.sendall(head)
                # TLS takes all that it is given within one `timeout`.
                with memoryview(body) as view:
                    for at in range(0, len(view), SENT_AT_ONCE):
                        self._socket.sendall(view[at : at + SENT_AT_ONCE])
        except BrokenPipeError:
            # It may have answered before it had read everything: a refusal is worth more than that it hung up.
            pass
        for _ in range(INTERIM_LIMIT):
            version = self._read_head()
            if self.status >= 200:
                break
        else:
            raise BrokenAnswer("there are only interim answers")
        self._frame(version, method)
        self.used = True

    def readinto(self, view: memoryview) -> int:
        """Some bytes of the body, or of the chunk of it, into `view`, at least one; BrokenAnswer if there are none left
        to come."""
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

    def read(self, limit: int) -> bytes | None:
        """The whole body, or None if it has more than `limit` bytes."""
        if self.remaining > limit:
            return None
        if not (self._chunked or self._until_closed):
            return self._piece(self.remaining)
        body = bytearray()
        for piece in self.pieces(64 * 1024):
            body += piece
            if len(body) > limit:
                return None
        return bytes(body)

    def pieces(self, size: int) -> Iterator[bytes]:
        """The body, in pieces of at most `size` bytes."""
        if self._until_closed:
            yield from self._pieces_until_closed(size)
            return
        while self.remaining or (self._chunked and self._next_chunk()):
            yield self._piece(min(size, self.remaining))

    def drain(self, limit: int = DRAIN_LIMIT) -> bytes:
        """The body, if it is short; else what there is of it up to `limit`, and the connection is of no more use."""
        return self._piece(min(self.remaining, limit))

    def skip(self, count: int) -> None:
        """Passes over bytes of the body."""
        scratch = memoryview(bytearray(min(count, 256 * 1024)))
        while count:
            count -= self.readinto(scratch[:count])

    def leave(self) -> None:
        """It is kept for whoever comes next: whoever it served last cuts it no more."""
        if isinstance(self._socket, PacedSocket):
            self._socket.leave()

    def abort(self) -> None:
        """Wakes whoever reads from it; they see it broken."""
        shut(self._socket)

    def close(self) -> None:
        self._socket.close()

    def _piece(self, length: int) -> bytes:
        piece = bytearray(length)
        view, filled = memoryview(piece), 0
        while filled < length:
            filled += self.readinto(view[filled:])
        return bytes(piece)

    def _pieces_until_closed(self, size: int) -> Iterator[bytes]:
        while piece := bytes(self._early[:size]) or self._socket.recv(size):
            self._early = self._early[len(piece) :]
            yield piece

    def _next_chunk(self) -> bool:
        """Whether there is one; after the last one, what trails it is read."""
        if self._in_chunks and self._line():
            raise BrokenAnswer("a chunk of the body is longer than it says")
        self._in_chunks = True
        match = _CHUNK.fullmatch(self._line())
        if match is None:
            raise BrokenAnswer("a chunk of the body does not say how long it is")
        self.remaining = int(match[1], 16)
        if self.remaining:
            return True
        total = 0
        while line := self._line():
            total += len(line)
            if total > HEAD_LIMIT:
                raise BrokenAnswer("the answer has no end of its trailers")
        self._chunked = False
        return False

    def _line(self) -> bytes:
        received = bytes(self._early)
        while (end := received.find(b"\r\n")) < 0:
            if len(received) > LINE_LIMIT:
                raise BrokenAnswer("a line of the answer has no end")
            received += self._more()
        self._early = memoryview(received)[end + 2 :]
        return received[:end]

    def _more(self) -> bytes:
        piece = self._socket.recv(16 * 1024)
        if not piece:
            raise BrokenAnswer("the connection ended before the answer")
        return piece

    def _read_head(self) -> int:
        received = bytearray(self._early)
        while (end := received.find(b"\r\n\r\n")) < 0:
            if len(received) > HEAD_LIMIT:
                raise BrokenAnswer("the answer has no end of its headers")
            received += self._more()
        first, _, rest = bytes(received[: end + 2]).partition(b"\r\n")
        match = _STATUS.fullmatch(first)
        if match is None:
            raise BrokenAnswer("the answer is not HTTP/1.1")
        self.status, self.reason = int(match[2]), (match[3] or b"").decode("latin-1")
        self.headers = _headers(rest.decode("latin-1"))
        self._early = memoryview(bytes(received[end + 4 :]))
        return int(match[1])

    def _frame(self, version: int, method: str) -> None:
        """How long the body is. Of what states no length, only closing the connection tells its end."""
        coding = self.headers.get("Transfer-Encoding")
        length = self.headers.get("Content-Length")
        self.remaining, self._chunked, self._in_chunks, self._until_closed = 0, False, False, False
        tokens = [token.strip().lower() for token in self.headers.get("Connection", "").split(",")]
        keeps = version == 1 and "close" not in tokens
        if method == "HEAD" or self.status in (204, 304):
            pass
        elif coding is not None:
            if coding.strip().lower() != "chunked" or length is not None or version == 0:
                raise BrokenAnswer("the answer says in no known way how long it is")
            self._chunked = True
        elif length is None:
            self._until_closed, keeps = True, False
        elif _LENGTH.fullmatch(length):
            self.remaining = int(length)
        else:
            raise BrokenAnswer("the answer does not say how long it is")
        self._reusable = keeps


def _named(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == 443 else f"{name}:{port}"


def _headers(text: str) -> CaseInsensitiveDict[str]:
    """Each line ends in CRLF. Of a name that is there several times the values are joined (RFC 9110, 5.3)."""
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    at = 0
    while at < len(text):
        match = _FIELD.match(text, at)
        if match is None:
            raise BrokenAnswer("the answer's headers are not HTTP")
        name, value = match[1], match[2].rstrip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
        at = match.end()
    return headers
