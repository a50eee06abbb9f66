"""A TLS server that answers ranges as it is told to, well or badly: what a redirect may lead to."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Answer = Callable[[socket.socket, str, int, int], bool]
"""Given the connection, the request's head, and the range requested; whether the connection goes on."""


@contextmanager
def odd_host(certificate: Path, answer: Answer) -> Iterator[int]:
    """Its port, while it runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def serve(raw: socket.socket) -> None:
        try:
            with context.wrap_socket(raw, server_side=True) as connection:
                connections.append(connection)
                head = b""
                while piece := connection.recv(65536):
                    head += piece
                    if b"\r\n\r\n" in head:
                        match = re.search(rb"bytes=(\d+)-(\d+)", head)
                        first, last = (int(match[1]), int(match[2])) if match else (0, 0)
                        if not answer(connection, head.decode(), first, last):
                            return
                        head = b""
        except OSError:
            return

    def accept(server: socket.socket) -> None:
        while True:
            try:
                raw, _ = server.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve, args=(raw,))
            threads.append(thread)
            thread.start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        acceptor = threading.Thread(target=accept, args=(server,))
        acceptor.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    acceptor.join()
    for connection in connections:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
    for thread in threads:
        thread.join(10)


def partial(first: int, last: int, total: int, *more: str) -> bytes:
    lines = [
        "HTTP/1.1 206 Partial Content",
        f"Content-Range: bytes {first}-{last}/{total}",
        f"Content-Length: {last - first + 1}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()
