"""Odd answers to ranges of a blob, and reading that is stopped."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from acrmirror.errors import Cancelled, Unavailable
from tests.integration.registry.conftest import Bed, content
from tests.integration.registry.oddities import Answer, odd_host, partial
from tests.integration.registry.reading import pull, read

DATA = content(300_000, seed=16)


def whole(connection: socket.socket, head: str, first: int, last: int) -> bool:
    """A server that knows no ranges."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DATA) + DATA)
    return True


def shorter(connection: socket.socket, head: str, first: int, last: int) -> bool:
    """Gives less than was requested, and says so."""
    last = min(last, first + 9_999)
    connection.sendall(partial(first, last, len(DATA)) + DATA[first : last + 1])
    return True


def early_hints(connection: socket.socket, head: str, first: int, last: int) -> bool:
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
    connection.sendall(partial(first, last, len(DATA)) + DATA[first : last + 1])
    return True


def old_protocol(connection: socket.socket, head: str, first: int, last: int) -> bool:
    answer = partial(first, last, len(DATA)).replace(b"HTTP/1.1", b"HTTP/1.0")
    connection.sendall(answer + DATA[first : last + 1])
    return False


def closing_unannounced(connection: socket.socket, head: str, first: int, last: int) -> bool:
    """Each connection answers once, and is then closed without a word."""
    connection.sendall(partial(first, last, len(DATA)) + DATA[first : last + 1])
    return False


def one_byte_at_a_time(connection: socket.socket, head: str, first: int, last: int) -> bool:
    for byte in partial(first, last, len(DATA)):
        connection.sendall(bytes([byte]))
    connection.sendall(DATA[first : last + 1])
    return True


@pytest.mark.parametrize("answer", [whole, shorter, early_hints, old_protocol, closing_unannounced, one_byte_at_a_time])
def test_odd_but_right_answers_are_read(bed: Bed, answer: Answer) -> None:
    blob = bed.push_blob("odd/a", DATA)
    with odd_host(bed.foundation.certificates.server, answer) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        bed.control.reset_requests()
        with bed.open() as registry:
            assert pull(registry, "odd/a", blob, block=100_000, threads=2) == DATA
            assert pull(registry, "odd/a", blob, block=30_000, threads=1) == DATA
    assert bed.calls("blob") == ["GET blob 307"] * 2


def chunked(connection: socket.socket, head: str, first: int, last: int) -> bool:
    connection.sendall(b"HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    return True


def encoded(connection: socket.socket, head: str, first: int, last: int) -> bool:
    connection.sendall(partial(first, last, len(DATA), "Content-Encoding: gzip") + DATA[first : last + 1])
    return True


def no_http(connection: socket.socket, head: str, first: int, last: int) -> bool:
    connection.sendall(b"220 mail.example.com ESMTP\r\n\r\n")
    return False


def endless_head(connection: socket.socket, head: str, first: int, last: int) -> bool:
    connection.sendall(b"HTTP/1.1 206 Partial Content\r\n")
    while True:
        connection.sendall(b"X: " + b"x" * 8000 + b"\r\n")


def too_much(connection: socket.socket, head: str, first: int, last: int) -> bool:
    """Says and sends more than was requested."""
    connection.sendall(partial(first, last + 1, len(DATA)) + DATA[first : last + 2])
    return True


@pytest.mark.parametrize("answer", [chunked, encoded, no_http, endless_head, too_much])
def test_wrong_answers_are_never_taken_for_the_bytes(bed: Bed, answer: Answer) -> None:
    blob = bed.push_blob("wrong/a", DATA)
    with odd_host(bed.foundation.certificates.server, answer) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        with bed.open(patience=0.3) as registry, registry.blob("wrong/a", blob) as reader:
            with pytest.raises(Unavailable):
                reader.read_into(0, memoryview(bytearray(1000)))


def test_no_credential_goes_to_the_redirects_host(bed: Bed) -> None:
    heads: list[str] = []

    def answer(connection: socket.socket, head: str, first: int, last: int) -> bool:
        heads.append(head)
        return shorter(connection, head, first, last)

    blob = bed.push_blob("credential/a", DATA)
    with odd_host(bed.foundation.certificates.server, answer) as port:
        bed.control.set_faults(
            [{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x?sig=s"}}]
        )
        with bed.open() as registry:
            assert pull(registry, "credential/a", blob, block=len(DATA)) == DATA
    assert heads
    for head in heads:
        assert head.startswith("GET /x?sig=s HTTP/1.1\r\n")
        assert "authorization" not in head.lower()
        assert "cookie" not in head.lower()


# --- being stopped


@pytest.mark.parametrize("wait", ["silent", "slow", "backoff"])
def test_close_ends_blocked_reads_at_once(bed: Bed, wait: str) -> None:
    def silent(connection: socket.socket, head: str, first: int, last: int) -> bool:
        if wait == "slow":
            connection.sendall(partial(first, last, len(DATA)) + DATA[first : first + 10])
        if wait != "backoff":
            # Until the client hangs up.
            return bool(connection.recv(1))
        connection.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n")
        return True

    blob = bed.push_blob("stopped/a", DATA)
    with odd_host(bed.foundation.certificates.server, silent) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        with bed.open() as registry, registry.blob("stopped/a", blob) as reader, ThreadPoolExecutor(4) as pool:
            reads = [pool.submit(reader.read_into, 0, memoryview(bytearray(1000))) for _ in range(4)]
            time.sleep(0.5)
            begin = time.monotonic()
            threading.Thread(target=reader.close).start()
            for reading in reads:
                with pytest.raises(Cancelled):
                    reading.result(timeout=15)
            assert time.monotonic() - begin < 10
            with pytest.raises(Cancelled):
                reader.read_into(0, memoryview(bytearray(1)))


def test_closing_one_reader_leaves_others_alone(bed: Bed) -> None:
    data = content(2_000_000, seed=17)
    blob = bed.push_blob("others/a", data)
    bed.control.set_faults([{"match": {"kind": "data"}, "do": {"latency_ms": 50}}])
    with bed.open() as registry, registry.blob("others/a", blob) as one, registry.blob("others/a", blob) as other:
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read, other, blob.size)
            one.close()
            assert reading.result() == data
