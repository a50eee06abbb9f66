"""Requests that were cut on their way, and who sends them; what a server took for whole."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseServer

LINE = "PUT /x HTTP/1.1\r\nHost: localhost\r\n"
SIZED = f"{LINE}Content-Length: 8\r\n\r\n"
CHUNKED = f"{LINE}Transfer-Encoding: chunked\r\n\r\n"
CUT = {
    "in the request's line": "PUT /x HTTP/1.1",
    "in a header": "PUT /x HTTP/1.1\r\nHost: local",
    "between headers": LINE,
    "before the body": SIZED,
    "in the body": f"{SIZED}1234",
    "before the first chunk": CHUNKED,
    "in a chunk's size": f"{CHUNKED}0",
    "in a chunk": f"{CHUNKED}8\r\n1234",
    "after a chunk": f"{CHUNKED}4\r\n1234\r\n",
}
MALFORMED = {
    "a length that is no number": f"{LINE}Content-Length: eight\r\n\r\n12345678",
    "a length below zero": f"{LINE}Content-Length: -8\r\n\r\n12345678",
    "two lengths": f"{LINE}Content-Length: 8\r\nContent-Length: 4\r\n\r\n12345678",
    "a chunk's size that is no number": f"{CHUNKED}eight\r\n12345678\r\n0\r\n\r\n",
    "a chunk's size below zero": f"{CHUNKED}-8\r\n12345678\r\n0\r\n\r\n",
    "a chunk that is longer than its size": f"{CHUNKED}4\r\n12345678\r\n0\r\n\r\n",
}
WHOLE = (f"{SIZED}12345678", f"{CHUNKED}4\r\n1234\r\n4;name=value\r\n5678\r\n0\r\nTrailer: 1\r\n\r\n")


@dataclass(slots=True)
class Place:
    """A server's port, and the requests that it took for whole so far: method and body."""

    port: int = 0
    taken: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def send(port: int, sent: bytes, ca: Path | None) -> bytes:
    """Sends that and goes away; what is answered until the server goes away as well."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        connection = plain
        if ca is not None:
            connection = ssl.create_default_context(cafile=str(ca)).wrap_socket(plain, server_hostname="localhost")
        with connection:
            connection.sendall(sent)
            answered = b""
            try:
                socket.socket.shutdown(connection, socket.SHUT_WR)  # an SSLSocket's own would end its TLS both ways
                while piece := connection.recv(1 << 16):
                    answered += piece
            except TimeoutError:
                raise
            except OSError:
                pass  # it went away without a farewell
            return answered
