"""A proxy before Azurite's blob service: counts what is staged, and can cut the line at any write."""

import http.client
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class StorageProxy:
    """`with StorageProxy(ca, certificate) as proxy:` serves at `proxy.endpoint` what stands at `proxy.upstream`.

    That one is set once the storage account is known. `staged` sums the bytes of blocks that storage took; `writes`
    counts requests that change something. `allows` is asked about each write by its number (from 1): what it does not
    allow is answered 403 and does not happen, nor is it tried again. `alter` may make another path (with its query) and
    another body of each request (method, path, body), as a storage with manners of its own would.
    """

    def __init__(self, ca: Path, certificate: Path) -> None:
        self.upstream = ""
        self._trust = ssl.create_default_context(cafile=str(ca))
        self._lock = threading.Lock()
        self.staged = 0
        self.blocks = 0
        self.writes = 0
        self.allows: Callable[[int], bool] = lambda number: True
        self.alter: Callable[[str, str, bytes], tuple[str, bytes]] = lambda method, path, body: (path, body)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"https://127.0.0.1:{self._server.server_address[1]}/account"
        self._thread = threading.Thread(target=self._server.serve_forever, name="storage proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(proxy) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                there = urlsplit(proxy.upstream)
                self.root = there.path
                self.upstream = http.client.HTTPSConnection(
                    there.hostname or "", there.port, context=proxy._trust, timeout=60
                )

            def finish(self) -> None:
                self.upstream.close()
                super().finish()

            def log_message(self, *_: object) -> None:
                pass

            def relay(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command in ("PUT", "DELETE"):
                    with proxy._lock:
                        proxy.writes += 1
                        number = proxy.writes
                    if not proxy.allows(number):
                        self.send_response_only(403)
                        self.send_header("x-ms-error-code", "AuthorizationPermissionMismatch")
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                path, body = proxy.alter(self.command, self.path.removeprefix("/account"), body)
                path = self.root + path
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                headers["Content-Length"] = str(len(body))
                self.upstream.request(self.command, path, body or None, headers)
                answer = self.upstream.getresponse()
                data = answer.read()
                if parse_qs(urlsplit(self.path).query).get("comp") == ["block"] and answer.status == 201:
                    with proxy._lock:
                        proxy.staged += len(body)
                        proxy.blocks += 1
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = relay

        return Handler
