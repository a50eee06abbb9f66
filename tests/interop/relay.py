"""A relay in front of a server that counts what passes; TLS goes through it untouched."""

import socket
import socketserver
import threading
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from standins.foundation import Account, Foundation
from tests.interop.tunnels import carry


class Relay:
    """`with Relay(url) as relay:` serves at `relay.url` what is at `url`; `relay.answered` counts the bytes that
    come back from there, headers and the like included."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        self._there = (there.hostname or "", there.port or 443)
        self._lock = threading.Lock()
        self.answered = 0
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = there._replace(netloc=f"127.0.0.1:{self._server.server_address[1]}").geturl()
        self._thread = threading.Thread(target=self._server.serve_forever, name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(relay) -> type[socketserver.BaseRequestHandler]:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(relay._there) as there:
                    carry(self.request, there, relay._count)

        return Handler

    def _count(self, count: int) -> None:
        with self._lock:
            self.answered += count


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class RelayedFoundation:
    """A foundation whose next account has its blob service behind a relay; what else it has is the foundation's."""

    def __init__(self, foundation: Foundation, account: Account, blobs: Relay) -> None:
        self._account = replace(account, blob_endpoint=blobs.url)
        self.certificates = foundation.certificates
        self.key = foundation.key
        self.services = foundation.services

    def account(self) -> Account:
        return self._account
