"""An HTTPS proxy that leads every host to this machine, and counts: `devstoreaccount3.blob.localhost` needs no entry in
any hosts file that way, and it is known whose bytes went where."""

import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

PIECE = 1 << 16


class Tunnels:
    """`with Tunnels() as tunnels:` answers CONNECT (RFC 9110, 9.3.6) at `tunnels.url`, whatever the host, with the same
    port of 127.0.0.1. `received` has the bytes that came from there, by the host's name."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self._lock = threading.Lock()
        tunnels = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                head = [self.rfile.readline()]
                while head[-1] not in (b"\r\n", b""):
                    head.append(self.rfile.readline())
                if head[-1] == b"":
                    return  # the client went away in the middle of it
                method, target, _ = head[0].decode("ascii").split(" ")
                if method != "CONNECT":
                    self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                    return
                tunnels._carry(self.connection, target)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = ("127.0.0.1", int(self._server.server_address[1]))
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="tunnels")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _carry(self, client: socket.socket, target: str) -> None:
        host, _, port = target.rpartition(":")
        with socket.create_connection(("127.0.0.1", int(port))) as there:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            carry(client, there, lambda count: self._count(host, count))

    def _count(self, host: str, count: int) -> None:
        with self._lock:
            self.received[host] += count


def carry(client: socket.socket, there: socket.socket, came: Callable[[int], None]) -> None:
    """Both ways until both have ended; `came` is told how many bytes came back each time."""
    forth = threading.Thread(target=_pump, args=(client, there))
    forth.start()
    for count in _pieces(there, client):
        came(count)
    _end(client)
    forth.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    for _ in _pieces(source, sink):
        pass
    _end(sink)


def _pieces(source: socket.socket, sink: socket.socket) -> Iterator[int]:
    """Carries until either side ends; yields how many bytes went over each time."""
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
            yield len(piece)
    except OSError:
        return


def _end(sink: socket.socket) -> None:
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
