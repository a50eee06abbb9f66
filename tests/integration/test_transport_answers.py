"""What the SDKs' transport makes of answers that are odd, broken or late, over real TLS."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.rest import HttpRequest, HttpResponse

from acrmirror.cancel import Cancel
from acrmirror.errors import Malformed, TooLarge
from acrmirror.transport import make_transport
from standins.foundation import Foundation
from tests.integration.registry.oddities import Answer, odd_host

LIMIT = 100_000


class Client:
    def __init__(self, pipeline: PipelineClient[HttpRequest, HttpResponse], base: str) -> None:
        self._pipeline = pipeline
        self._base = base

    def send(self, method: str, target: str, *, stream: bool = False, **options: Any) -> HttpResponse:
        return self._pipeline.send_request(HttpRequest(method, self._base + target, **options), stream=stream)

    def get(self) -> HttpResponse:
        return self.send("GET", "/a")

    def streamed(self) -> bytes:
        return b"".join(self.send("GET", "/a", stream=True).iter_raw())


ClientOf = Callable[[Answer], AbstractContextManager[Client]]


@pytest.fixture
def client_of(foundation: Foundation) -> ClientOf:
    @contextmanager
    def opened(answer: Answer) -> Iterator[Client]:
        certificates = foundation.certificates
        with (
            odd_host(certificates.server, answer) as port,
            make_transport(certificates.ca, limit=LIMIT, within=5.0) as transport,
        ):
            pipeline: PipelineClient[HttpRequest, HttpResponse] = PipelineClient("", policies=[], transport=transport)
            yield Client(pipeline, f"https://localhost:{port}")

    return opened


def said(*parts: bytes, stays: bool = True) -> Answer:
    def answer(connection: socket.socket, head: str, first: int, last: int) -> bool:
        for part in parts:
            connection.sendall(part)
        return stays

    return answer


CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "length": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    "chunks": [CHUNKS + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"],
    "chunks-in-pieces": [CHUNKS, b"2\r", b"\nhe", b"\r\n3\r\nll", b"o\r\n0\r", b"\n\r\n"],
    "chunks-and-trailers": [CHUNKS + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"],
    "interim": [
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
    "no-reason": [b"HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello"],
    "folded": [b"HTTP/1.1 200 OK\r\nX-Long: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"],
}


@pytest.mark.parametrize("parts", WHOLE.values(), ids=WHOLE)
def test_bodies_come_whole_in_each_of_http_ways_and_the_connection_goes_on(
    client_of: ClientOf, parts: list[bytes]
) -> None:
    ports: list[int] = []

    def answer(connection: socket.socket, head: str, first: int, last: int) -> bool:
        ports.append(connection.getpeername()[1])
        return said(*parts)(connection, head, first, last)

    with client_of(answer) as client:
        assert client.get().read() == b"hello"
        assert client.streamed() == b"hello"
        assert client.get().read() == b"hello"
    assert len(ports) == 3
    assert len(set(ports)) == 1


def test_a_connection_that_served_a_job_to_the_end_is_kept_when_that_one_is_cancelled(client_of: ClientOf) -> None:
    ports: list[int] = []

    def answer(connection: socket.socket, head: str, first: int, last: int) -> bool:
        ports.append(connection.getpeername()[1])
        return said(*WHOLE["length"])(connection, head, first, last)

    with client_of(answer) as client:
        reads: list[Callable[[], bytes]] = [lambda: client.get().read(), client.streamed]
        for read in reads:
            over = Cancel("a job")
            with over.bound():
                assert read() == b"hello"
            over.set("it is over")
        assert client.get().read() == b"hello"
    assert len(ports) == 3
    assert len(set(ports)) == 1


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"])
def test_a_body_without_a_length_ends_with_its_connection(client_of: ClientOf, head: bytes) -> None:
    with client_of(said(head, b"hel", b"lo", stays=False)) as client:
        assert client.get().read() == b"hello"
        assert client.streamed() == b"hello"


def test_values_of_one_header_are_joined(client_of: ClientOf) -> None:
    with client_of(said(b"HTTP/1.1 204 No\r\nVary: a\r\nvary: b \r\n\r\n")) as client:
        assert client.get().headers["VARY"] == "a, b"


BROKEN = {
    "cut": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"],
    "cut-chunk": [CHUNKS + b"9\r\nhello"],
    "no-last-chunk": [CHUNKS + b"5\r\nhello\r\n"],
    "longer-chunk": [CHUNKS + b"2\r\nhello\r\n0\r\n\r\n"],
    "no-chunk-length": [CHUNKS + b"-5\r\nhello\r\n0\r\n\r\n"],
    "two-lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
    "length-and-chunks": [CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    "negative": [b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"],
    "other-coding": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    "no-colon": [b"HTTP/1.1 200 OK\r\nContent-Length 5\r\n\r\nhello"],
    "line-break": [b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\nhello"],
    "no-http": [b"220 mail.example.com ESMTP\r\n\r\n"],
    "nothing": [],
    "interim-only": [b"HTTP/1.1 100 Continue\r\n\r\n" * 30],
}


@pytest.mark.parametrize("parts", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_the_sdks_own_error_and_never_a_body(client_of: ClientOf, parts: list[bytes]) -> None:
    with client_of(said(*parts, stays=False)) as client, pytest.raises(ServiceResponseError):
        client.get()
    with client_of(said(*parts, stays=False)) as client, pytest.raises(AzureError):
        client.streamed()


def test_what_is_too_large_or_compressed_is_not_read(client_of: ClientOf) -> None:
    large = b"x" * (LIMIT + 1)
    sized = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(large)
    for parts in (
        [sized, large],
        [CHUNKS, b"%x\r\n" % len(large), large, b"\r\n0\r\n\r\n"],
        [CHUNKS[:17] + b"\r\n", large],
    ):
        with client_of(said(*parts, stays=False)) as client, pytest.raises(TooLarge):
            client.get()
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
    with client_of(said(packed)) as client, pytest.raises(Malformed):
        client.get()


def test_a_connection_that_was_closed_meanwhile_is_not_used_again(client_of: ClientOf) -> None:
    """No request is sent over it, so that none of them needs a second attempt."""
    with client_of(said(WHOLE["length"][0], stays=False)) as client:
        for _ in range(5):
            assert client.get().read() == b"hello"


def test_a_refusal_that_comes_before_the_body_was_read_is_told(client_of: ClientOf) -> None:
    with client_of(said(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")) as client:
        response = client.send("PUT", "/a", content=b"x" * 20_000)
    assert response.status_code == 413
    assert response.read() == b"big"


def test_a_body_goes_out_with_its_length_whatever_it_is(client_of: ClientOf) -> None:
    heads: list[str] = []

    def answer(connection: socket.socket, head: str, first: int, last: int) -> bool:
        heads.append(head)
        return said(WHOLE["length"][0])(connection, head, first, last)

    with client_of(answer) as client:
        client.send("PUT", "/a b?x=é&y=%2F")
        client.send("POST", "/a", data={"grant": "a b", "scope": "ü"})
        client.send("PUT", "/a", content="tühl")
        client.send("GET", "/a")
        with pytest.raises(ValueError, match="line break"):
            client.send("GET", "/a", headers={"X": "a\r\nY: b"})
    lines = [head.split("\r\n") for head in heads]
    assert lines[0][0] == "PUT /a%20b?x=%C3%A9&y=%2F HTTP/1.1"
    assert "Content-Length: 0" in lines[0]
    assert lines[1][-1] == "grant=a+b&scope=%C3%BC"
    assert "Content-Length: 22" in lines[1]
    assert "Content-Length: 5" in lines[2]
    assert not [it for it in lines[3] if it.startswith("Content-Length")]
    assert all("Accept-Encoding: identity" in it for it in lines)
    assert len(lines) == 4
