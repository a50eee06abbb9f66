"""Nor does the benchmark's own server take a request for whole that was cut, or a tunnel of the interop tests."""

import socket
from pathlib import Path

import pytest

from bench.wire import Connection, Request, Server
from standins.certificates import make_certificates
from standins.tests.cutting import CUT, MALFORMED, WHOLE, Place, send
from tests.interop.tunnels import Tunnels


@pytest.fixture
def place(tmp_path: Path) -> tuple[Place, Path]:
    certificates = make_certificates(tmp_path)
    place = Place()

    def handle(connection: Connection, request: Request) -> None:
        place.taken.append((request.method, connection.read()))
        connection.answer(201)

    server = Server(handle, certificates.server)
    server.start()
    place.port = server.port
    return place, certificates.ca


def test_the_benchmark_takes_a_whole_request(place: tuple[Place, Path]) -> None:
    running, ca = place
    for sent in WHOLE:
        assert b" 201 " in send(running.port, sent.encode(), ca)
    assert running.taken == [("PUT", b"12345678")] * 2


@pytest.mark.parametrize("sent", (CUT | MALFORMED).values(), ids=(CUT | MALFORMED).keys())
def test_the_benchmark_takes_none_that_was_cut_or_is_malformed(place: tuple[Place, Path], sent: str) -> None:
    running, ca = place
    assert b" 201 " not in send(running.port, sent.encode(), ca)
    assert running.taken == []


def test_a_tunnel_is_not_dug_for_half_a_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there, Tunnels() as tunnels:
        there.settimeout(0.5)
        port = there.getsockname()[1]
        for sent in (f"CONNECT a.localhost:{port}", f"CONNECT a.localhost:{port} HTTP/1.1\r\nHost: a"):
            assert send(tunnels.address[1], sent.encode(), None) == b""
            with pytest.raises(TimeoutError):
                there.accept()
