"""HTTP/1.1 for the host, as Kestrel speaks it: a thread for each connection, kept alive; responses as values."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from socketserver import StreamRequestHandler, ThreadingTCPServer

from standins.functions.kestrel import Head, Refused, read_head
from standins.functions.request import HostRequest
from standins.incoming import PIECE, BadFraming, Body, CutRequest, TooLong

# FunctionsHostingConfigOptions and Kestrel's own: a longer body ends the run of the host's pipeline, with 500.
MAX_BODY = 100 * 1024 * 1024
_NO_BODY = (204, 205, 304)


@dataclass(frozen=True, slots=True)
class Response:
    """`streamed`: written by a function, so that the server is told no length unless the headers say one."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    streamed: bool = False

    @classmethod
    def text(cls, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> Response:
        return cls(status, text.encode(), [("Content-Type", content_type)])

    def adding(self, headers: Iterable[tuple[str, str]]) -> Response:
        """With these as well; the function's own of a name stays."""
        missing = [(name, value) for name, value in headers if self.header(name.lower()) is None]
        return replace(self, headers=[*self.headers, *missing]) if missing else self

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class Server(ThreadingTCPServer):
    """Serves until `close`; every request goes to `answer`, on its connection's thread."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[HostRequest], Response]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer = answer

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is its own business
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(StreamRequestHandler):
    server: Server
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True
    timeout = 300

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def handle(self) -> None:
        while self._one():
            pass

    def _one(self) -> bool:
        """Whether the connection goes on."""
        try:
            head = read_head(self.rfile)
        except Refused as refused:
            self._send(Response(refused.status), None, keep=False)
            return False
        if head is None:
            return False
        try:
            body, chunked = self._body(head)
        except (BadFraming, CutRequest):
            self._send(Response(400), head, keep=False)
            return False
        except TooLong:
            self._send(Response(500), head, keep=False)
            return False
        request = HostRequest(head.method, head.path, head.query, head.headers, body, chunked)
        return self._send(self.server.answer(request), head, head.keeps_connection)

    def _body(self, head: Head) -> tuple[bytes, bool]:
        # What Kestrel asks for before it looks at lengths at all: one of them.
        if len(head.headers.get_all("Content-Length", [])) > 1:
            raise BadFraming("two lengths")
        body = Body(self.rfile, head.headers)
        if (body.length or 0) > MAX_BODY:
            raise TooLong(f"{body.length} bytes; at most {MAX_BODY} are taken")
        if (head.headers.get("Expect") or "").lower() == "100-continue" and not self._has_more():
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        whole = bytearray()
        for piece in body.pieces(memoryview(bytearray(min(PIECE, body.length or PIECE)))):
            whole += piece
            if len(whole) > MAX_BODY:
                raise TooLong(f"more than {MAX_BODY} bytes")
        return bytes(whole), body.length is None

    def _has_more(self) -> bool:
        """Whether the client has sent what comes after the head, without being asked to."""
        self.connection.settimeout(0)
        try:
            return bool(self.rfile.peek(1))  # type: ignore[attr-defined]  # a BufferedReader
        finally:
            self.connection.settimeout(self.timeout)

    def _send(self, response: Response, head: Head | None, keep: bool) -> bool:
        """Whether the connection can go on after it."""
        method = head.method.upper() if head is not None else "GET"
        bodiless = method == "HEAD" or response.status in _NO_BODY
        problem = _problem(response, bodiless)
        if problem:
            response, keep, bodiless = Response(500), keep and problem != "length", method == "HEAD"
        headers, body = list(response.headers), b"" if bodiless else response.body
        said = response.header("content-length")
        if response.header("transfer-encoding") is not None:
            keep = False  # a function's own: nothing frames the body any more
        elif said is not None:
            keep = keep and (bodiless or int(said) == len(body))  # of more than there is, the client sees the end
        elif bodiless:
            if method == "HEAD" and not response.streamed:
                headers.append(("Content-Length", str(len(response.body))))
        elif not response.streamed or not body:
            headers.append(("Content-Length", str(len(body))))
        elif head is not None and head.version == "HTTP/1.0":
            keep = False
        else:
            headers.append(("Transfer-Encoding", "chunked"))
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        self._write(response.status, headers, body, keep)
        return keep

    def _write(self, status: int, headers: list[tuple[str, str]], body: bytes, keep: bool) -> None:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {status} {phrase}", f"Date: {formatdate(usegmt=True)}", "Server: Kestrel"]
        lines += [f"{name}: {value}" for name, value in headers]
        if not keep:
            lines.append("Connection: close")
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        self.wfile.flush()


def _problem(response: Response, bodiless: bool) -> str:
    """What keeps Kestrel from sending that: a header that is not ASCII, or a length that is not the body's."""
    if not all(value.isascii() for _, value in response.headers):
        return "header"
    said = response.header("content-length")
    if said is None or bodiless:
        return ""
    if not said.isdigit() or int(said) < len(response.body) or (said != "0" and not response.body):
        return "length"
    return ""
