"""HTTP/1.1 for the host: a thread for each connection, kept alive; responses as values."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer

from standins.incoming import BadFraming, CutRequest, TooLong, WholeRequests
from standins.request import Request

# https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits
MAX_BODY = 210_000_000
_NO_BODY = (204, 304)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def text(cls, status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> Response:
        return cls(status, text.encode(), [("Content-Type", content_type)])


class Server(ThreadingHTTPServer):
    """Serves until `close`; every request goes to `answer`, on its connection's thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Request[bytes]], Response]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer = answer

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is its own business
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(WholeRequests):
    server: Server
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True
    timeout = 300

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def _serve(self) -> None:
        try:
            body = self.whole_body(MAX_BODY)
        except (BadFraming, CutRequest, TooLong) as error:
            self.close_connection = True
            self._send(Response(413 if isinstance(error, TooLong) else 400))
            return
        target = self.path.partition("#")[0]
        self._send(self.server.answer(Request(self.command, target, self.headers, body)))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = _serve

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        names = {name.lower() for name, _ in response.headers}
        for name, value in response.headers:
            self.send_header(name, value)
        if "content-length" not in names and response.status not in _NO_BODY:
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and response.status not in _NO_BODY:
            self.wfile.write(response.body)
        self.wfile.flush()

    def version_string(self) -> str:
        return "Kestrel"

    def log_message(self, *_: object) -> None:
        """The host logs what it dispatches; a line a request would only hide that."""
