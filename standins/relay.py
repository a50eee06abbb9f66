"""An HTTPS server before another one, which sees every request and may refuse it, change it, or only count it."""

from __future__ import annotations

import http.client
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from standins.incoming import BadFraming, TooLong, WholeRequests
from standins.request import Request

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_PATIENCE = 60.0
_LONGEST = 512 << 20  # bytes of a body, which is held in memory


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def _pass(request: Request[bytes]) -> Request[bytes]:
    return request


def _forget(request: Request[bytes], status: int) -> None:
    pass


class Relay:
    """`with Relay(ca, certificate) as relay:` serves at `relay.endpoint` what is at `relay.upstream`.

    The latter may be set later. `root` is the path that takes the place of the upstream's own. `ask` is given each
    request, whose target is the path below the root, and returns the one to send on, or the answer to it; `heard` is
    told what was sent on and how that ended.
    """

    def __init__(self, ca: Path, certificate: Path, upstream: str = "", root: str = "/account", port: int = 0) -> None:
        self.upstream = upstream
        self.root = root
        self.ask: Callable[[Request[bytes]], Request[bytes] | Answer] = _pass
        self.heard: Callable[[Request[bytes], int], None] = _forget
        self._trust = ssl.create_default_context(cafile=str(ca))
        self._server = _Server(("127.0.0.1", port), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"https://127.0.0.1:{self._server.server_address[1]}{root}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="relay")

    def connect(self) -> tuple[http.client.HTTPSConnection, str]:
        """A connection to the upstream, not yet made, and the path there that the root stands for."""
        there = urlsplit(self.upstream)
        host, port = there.hostname or "", there.port
        return http.client.HTTPSConnection(host, port, context=self._trust, timeout=_PATIENCE), there.path

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is its own business
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(WholeRequests):
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body leave together

        def setup(self) -> None:
            super().setup()
            self.upstream, self.path_there = relay.connect()

        def finish(self) -> None:
            self.upstream.close()
            super().finish()

        def log_message(self, *_: object) -> None:
            pass

        def relay(self) -> None:
            try:
                body = self.whole_body(_LONGEST)
            except (BadFraming, TooLong) as error:
                self.close_connection = True
                self.answer(Answer(413 if isinstance(error, TooLong) else 400, body=str(error).encode()))
                return
            asked = relay.ask(Request(self.command, self.path.removeprefix(relay.root), self.headers, body))
            self.answer(asked if isinstance(asked, Answer) else self.forward(asked))

        def forward(self, request: Request[bytes]) -> Answer:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            headers["Content-Length"] = str(len(request.body))
            for name, value in headers.items():
                # What storage is to copy by itself is told to it by its own address.
                if name.lower() == "x-ms-copy-source" and value.startswith(f"{relay.endpoint}/"):
                    headers[name] = relay.upstream.rstrip("/") + value.removeprefix(relay.endpoint)
            self.upstream.request(request.method, self.path_there + request.target, request.body or None, headers)
            answer = self.upstream.getresponse()
            data = answer.read()
            relay.heard(request, answer.status)
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
            if request.method == "HEAD":
                kept.append(("Content-Length", answer.getheader("Content-Length") or "0"))
            return Answer(answer.status, kept, data)

        def answer(self, answer: Answer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name, _ in answer.headers}:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.wfile.flush()

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = do_PATCH = do_MERGE = relay

    return Handler
