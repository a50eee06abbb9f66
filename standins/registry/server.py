"""Connections: TLS, keep-alive, and how an answer goes out, well or ill."""

from __future__ import annotations

import email.utils
import http.client
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from standins.incoming import BadFraming, WholeRequests

from .counters import Counters, Entry
from .errors import RegistryError
from .faults import NO_EFFECTS, Effects, Faults
from .wire import CHUNK, JSON_TYPE, Body, FilePart, RegistryRequest, Response

log = logging.getLogger("standins.registry")
IDLE_SECONDS = 300
# A body that nobody read is read away up to here, so that the connection can go on.
DRAINED = 32 << 20
# How much may go out at once on a connection with a limited bandwidth, as a part of a second.
PACE_SECONDS = 0.004

PEER_GONE = (ConnectionError, TimeoutError, ssl.SSLError)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that was recognized: how it is counted, and what will answer it. `open` is safe from faults."""

    entry: Entry
    answer: Callable[[RegistryRequest], Response]
    open: bool = False


class Site(Protocol):
    """What answers at one port."""

    counters: Counters
    faults: Faults

    def prepare(self, method: str, path: str) -> Prepared: ...

    def failure(self, status: int) -> Response:
        """What goes with a status that a fault asks for."""

    def common_headers(self) -> list[tuple[str, str]]: ...


class HangUp(Exception):
    """The connection ends here."""


class Handler(WholeRequests):
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    timeout = IDLE_SECONDS
    site: Site
    _clock = 0.0

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def handle_expect_100(self) -> bool:
        # A client that asks first is told to go on: the size of uploads is not limited.
        self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _serve(self) -> None:
        started = time.monotonic()
        prepared = self.site.prepare(self.command, unquote(self.path.partition("?")[0]))
        entry = self._describe(prepared.entry)
        try:
            body = Body(self.rfile, self.headers)
        except BadFraming as error:
            self.send_error(400, str(error))
            self.close_connection = True
            return
        effects = NO_EFFECTS if prepared.open else self._effects(entry.kind)
        request = RegistryRequest(self.command, self.path, self.headers, body, effects)
        if effects.latency_ms:
            time.sleep(effects.latency_ms / 1000)
        try:
            response = None if effects.reset_at == 0 else self._answer(prepared, request)
        except PEER_GONE:
            response = None
        entry.status = response.status if response else 0
        if not prepared.open:
            self.site.counters.answered(entry, body.received)
        try:
            if response is None or effects.lose_answer:
                self._reset()
            else:
                self._write(response, effects, None if prepared.open else entry)
                self._drain(body)
        except (HangUp, OSError):
            self.close_connection = True
        finally:
            if not prepared.open:
                self.site.counters.ended(entry, time.monotonic() - started)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _effects(self, kind: str) -> Effects:
        return self.site.faults.effects(self.command, kind, unquote(self.path), self.headers)

    def _describe(self, entry: Entry) -> Entry:
        entry.range = self.headers.get("x-ms-range") or self.headers.get("Range")
        entry.credential = (self.headers.get("Authorization") or "").partition(" ")[0] or None
        entry.user_agent = self.headers.get("User-Agent")
        entry.peer = f"{self.client_address[0]}:{self.client_address[1]}"
        return entry

    def _answer(self, prepared: Prepared, request: RegistryRequest) -> Response:
        if request.effects.status is not None:
            return self.site.failure(request.effects.status)
        try:
            return prepared.answer(request)
        except RegistryError as error:
            return Response(error.status, [("Content-Type", JSON_TYPE), *error.headers], error.body())
        except PEER_GONE:
            raise
        except Exception:
            log.exception("%s %s", request.method, request.path)
            return self.site.failure(500)

    def _drain(self, body: Body) -> None:
        for _ in body.all_pieces():
            if body.received > DRAINED:
                raise HangUp

    # The answer

    def _write(self, response: Response, effects: Effects, entry: Entry | None) -> None:
        with_body = self.command != "HEAD" and response.status not in (204, 304)
        content = response.body if with_body else b""
        try:
            head = self._head(response, effects)
            if isinstance(content, FilePart):
                self.connection.sendall(head)
                self._send(content.pieces(self._piece_size(effects)), content.length, effects, entry)
            elif effects is NO_EFFECTS:
                self._count(entry, len(content), True)
                self.connection.sendall(head + content)
            else:
                self.connection.sendall(head)
                size = self._piece_size(effects)
                pieces = (memoryview(content)[at : at + size] for at in range(0, len(content), size))
                self._send(pieces, len(content), effects, entry)
        finally:
            if isinstance(response.body, FilePart):
                response.body.file.close()

    def _head(self, response: Response, effects: Effects) -> bytes:
        headers = [("Date", email.utils.formatdate(usegmt=True)), *self.site.common_headers(), *response.headers]
        if effects.retry_after is not None:
            headers.append(("Retry-After", str(effects.retry_after)))
        if response.status != 204:
            headers.append(("Content-Length", str(response.content_length)))
        if self.close_connection:
            headers.append(("Connection", "close"))
        for name, value in effects.headers.items():
            headers = [one for one in headers if one[0].lower() != name.lower()]
            if value is not None:
                headers.append((name, value))
        reason = http.client.responses.get(response.status, "")
        lines = [f"HTTP/1.1 {response.status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _count(self, entry: Entry | None, count: int, last: bool) -> None:
        if entry is not None:
            entry.complete = last
            self.site.counters.moved(entry, count)

    @staticmethod
    def _piece_size(effects: Effects) -> int:
        if effects.drip_ms:
            return 1
        if effects.bandwidth_mbps is None:
            return CHUNK
        return max(1 << 14, min(CHUNK, int(effects.bandwidth_mbps * 1e6 * PACE_SECONDS)))

    def _send(self, pieces: Iterable[memoryview], length: int, effects: Effects, entry: Entry | None) -> None:
        at = 0
        for piece in pieces:
            ends = [one for one in (effects.truncate_at, effects.reset_at) if one is not None]
            room = min(ends) - at if ends else len(piece)
            sent = piece[: max(0, room)]
            self._pace(len(sent), effects)
            if effects.stall_at is not None and at <= effects.stall_at < at + len(piece):
                time.sleep(effects.stall_ms / 1000)
            if effects.drip_ms:
                time.sleep(effects.drip_ms / 1000)
            ends_here = at + len(sent) == length
            self._count(entry, len(sent), ends_here)
            try:
                self.connection.sendall(_corrupted(sent, at, length, effects))
            except OSError:
                if entry is not None:
                    entry.complete = False
                raise
            at += len(sent)
            if room < len(piece) or (ends and room == len(piece) and not ends_here):
                if effects.reset_at is not None and at >= effects.reset_at:
                    self._reset()
                raise HangUp

    def _pace(self, count: int, effects: Effects) -> None:
        if effects.bandwidth_mbps is None:
            return
        # Up to 50 ms of sleep that came out too long is caught up with, so that the average holds.
        now = time.monotonic()
        self._clock = max(self._clock, now - 0.05) + count / (effects.bandwidth_mbps * 1e6)
        if self._clock > now:
            time.sleep(self._clock - now)

    def _reset(self) -> None:
        # With no time to linger, closing throws away what was not sent yet and sends a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HangUp


def _corrupted(piece: memoryview, at: int, length: int, effects: Effects) -> memoryview | bytearray:
    if effects.corrupt is None or effects.corrupt is False:
        return piece
    where = 0 if effects.corrupt is True else min(int(effects.corrupt), length - 1)
    if not at <= where < at + len(piece):
        return piece
    damaged = bytearray(piece)
    damaged[where - at] ^= 0xFF
    return damaged


class Server(ThreadingHTTPServer):
    """One port. A thread a connection: TLS, files and sockets all let the other threads run."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, port: int, certificate: Path) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self, site: Site) -> None:
        self._handler: type[Handler] = type("SiteHandler", (Handler,), {"site": site})
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name=f"port-{self.port}")
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake is made here, in the connection's own thread, so that a slow client holds up no other.
        request.settimeout(IDLE_SECONDS)
        try:
            secure = self.context.wrap_socket(request, server_side=True)
        except (OSError, ValueError):
            return
        try:
            self._handler(secure, client_address, self)
        except (OSError, HangUp):
            log.debug("a connection broke off", exc_info=True)
        finally:
            secure.close()

    def shutdown_request(self, request: Any) -> None:
        request.close()
