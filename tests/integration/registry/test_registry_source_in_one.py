"""A host that ignores `Range` is read once, not once for each block."""

import socket
import threading

import pytest

from acrmirror.errors import Unavailable
from acrmirror.registry.without_ranges import BEGINNINGS
from tests.integration.registry.conftest import Bed, content
from tests.integration.registry.oddities import odd_host
from tests.integration.registry.reading import pull

MIB = 1024 * 1024
DATA = content(24 * MIB, seed=31)
PIECE = 64 * 1024


class Whole:
    """Sends all of it, whatever range is requested; cuts those of its answers that are in `cuts` at that byte."""

    def __init__(self, cuts: dict[int, int] | None = None) -> None:
        self.sent = 0
        self.answers = 0
        self.cuts = cuts or {}
        self.always: int | None = None
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket, head: str, first: int, last: int) -> bool:
        # What is not read at once is of no use to the count.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
        from_the_start = "bytes=0-" in head and f"-{len(DATA) - 1}" in head
        with self._lock:
            self.answers += from_the_start
            cut = self.cuts.get(self.answers, self.always) if from_the_start else None
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DATA))
        for at in range(0, len(DATA) if cut is None else cut, PIECE):
            connection.sendall(DATA[at : at + PIECE])
            with self._lock:
                self.sent += PIECE
        return cut is None


def test_all_blocks_come_over_one_connection(bed: Bed) -> None:
    blob = bed.push_blob("in-one/a", DATA)
    answer = Whole()
    with odd_host(bed.foundation.certificates.server, answer) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        with bed.open() as registry:
            assert pull(registry, "in-one/a", blob, block=MIB, threads=8) == DATA
    assert answer.answers == 1
    # Eight threads requested a range before they knew, and closed when they did.
    assert answer.sent < 2 * len(DATA)


def test_a_connection_that_breaks_is_begun_again(bed: Bed) -> None:
    blob = bed.push_blob("in-one/b", DATA)
    answer = Whole({1: 5 * MIB, 2: 11 * MIB})
    with odd_host(bed.foundation.certificates.server, answer) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        with bed.open() as registry:
            assert pull(registry, "in-one/b", blob, block=MIB, threads=4) == DATA
    assert answer.answers == 3


def test_one_that_breaks_again_and_again_is_given_up(bed: Bed) -> None:
    blob = bed.push_blob("in-one/c", DATA)
    answer = Whole()
    answer.always = 3 * MIB
    with odd_host(bed.foundation.certificates.server, answer) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        with bed.open(patience=30) as registry, pytest.raises(Unavailable, match="ignores ranges"):
            pull(registry, "in-one/c", blob, block=MIB, threads=1)
    assert answer.answers == BEGINNINGS


def test_interim_answers_without_end_are_no_answer(bed: Bed) -> None:
    def hints(connection: socket.socket, head: str, first: int, last: int) -> bool:
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100)

    blob = bed.push_blob("in-one/d", b"x" * 100)
    with odd_host(bed.foundation.certificates.server, hints) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        with bed.open(patience=0.5) as registry, registry.blob("in-one/d", blob) as reader:
            with pytest.raises(Unavailable):
                reader.read_into(0, memoryview(bytearray(100)))
