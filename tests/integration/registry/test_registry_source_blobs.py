"""Blobs by ranges: one request to the registry for each, and whatever goes wrong on the way."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from acrmirror.errors import (
    Cancelled,
    Denied,
    DigestMismatch,
    MirrorError,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
)
from acrmirror.oci import Descriptor
from acrmirror.registry import BlobReader, Registry
from tests.integration.registry.conftest import Bed, Trap, content, described
from tests.integration.registry.oddities import Answer, odd_host, partial

BLOCK = 256 * 1024


def read(reader: BlobReader, size: int, block: int = BLOCK, threads: int = 4) -> bytes:
    """The whole blob, in blocks, by several threads."""
    buffer = memoryview(bytearray(size))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda at: reader.read_into(at, buffer[at : at + block]), range(0, size, block)))
    return bytes(buffer)


def pull(registry: Registry, repository: str, blob: Descriptor, **options: int) -> bytes:
    with registry.blob(repository, blob) as reader:
        return read(reader, blob.size, **options)


# --- what it costs the registry


@pytest.mark.parametrize("size", [1, 255, BLOCK, 5_000_000])
def test_a_blob_costs_the_registry_one_request(bed: Bed, size: int) -> None:
    data = content(size, seed=size)
    blob = bed.push_blob("one/request", data)
    bed.control.reset_requests()
    seen: list[tuple[str, int]] = []
    with bed.open() as registry:
        counted = registry.counted(lambda kind, status: seen.append((kind, status)))
        assert pull(counted, "one/request", blob) == data
    assert bed.calls("blob") == ["GET blob 307"]
    assert seen == [("blob", 307)]
    data_requests = bed.control.requests(kind="data")
    assert len(data_requests) == -(-size // BLOCK)
    assert {entry["credential"] for entry in data_requests} == {None}


def test_an_empty_blob_costs_nothing(bed: Bed) -> None:
    with bed.open() as registry, registry.blob("empty/a", described(b"")) as reader:
        reader.read_into(0, memoryview(bytearray(0)))
    assert bed.control.requests() == []


def test_connections_are_kept_between_blobs(bed: Bed) -> None:
    blobs = [bed.push_blob("kept/a", content(3 * BLOCK, seed)) for seed in range(4)]
    bed.control.reset_requests()
    with bed.open() as registry:
        for blob in blobs:
            pull(registry, "kept/a", blob, threads=2)
    assert len({entry["peer"] for entry in bed.control.requests(kind="data")}) <= 2


def test_any_range_can_be_read_in_any_order(bed: Bed) -> None:
    data = content(1_000_003, seed=7)
    blob = bed.push_blob("ranges/a", data)
    with bed.open() as registry, registry.blob("ranges/a", blob) as reader:
        for first, last in [(999_999, 1_000_003), (0, 1), (500, 700_000), (0, 1_000_003)]:
            buffer = bytearray(last - first)
            reader.read_into(first, memoryview(buffer))
            assert buffer == data[first:last]
        with pytest.raises(ValueError, match="beyond"):
            reader.read_into(1_000_000, memoryview(bytearray(4)))


def test_a_registry_that_keeps_its_blobs_itself_is_read_with_its_token(bed: Bed) -> None:
    data = content(1_000_000, seed=8)
    blob = bed.push_blob("itself/a", data)
    bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"serve_itself": True}}])
    bed.control.reset_requests()
    with bed.open() as registry:
        assert pull(registry, "itself/a", blob) == data
    assert set(bed.calls()) == {"GET blob 206"}
    assert bed.control.requests(kind="data") == []


def test_anonymous_blobs_are_read(started: Callable[..., Bed]) -> None:
    bed = started("--anonymous")
    data = content(600_000)
    blob = bed.push_blob("public/a", data)
    with bed.open(anonymous=True) as registry:
        assert pull(registry, "public/a", blob) == data
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"serve_itself": True}}])
        assert pull(registry, "public/a", blob) == data


# --- what the registry refuses


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (403, Denied), (429, Throttled), (500, Unavailable), (503, Unavailable)]
)
def test_a_blob_that_the_registry_refuses_is_asked_for_once(bed: Bed, status: int, kind: type[MirrorError]) -> None:
    blob = bed.push_blob("refused/a", b"x")
    bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"status": status, "retry_after": 4}}])
    bed.control.reset_requests()
    with bed.open() as registry, pytest.raises(kind) as caught:
        registry.blob("refused/a", blob)
    assert bed.calls() == [f"GET blob {status}"]
    assert f"blobs/{blob.digest}" in caught.value.asked
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after == 4


def test_a_blob_that_is_not_there_is_not_found(bed: Bed) -> None:
    bed.push_blob("absent/a", b"x")
    with bed.open() as registry, pytest.raises(NotFound):
        registry.blob("absent/a", described(b"another"))


# --- what breaks on the way, and is waited out


@pytest.mark.parametrize(
    "effect",
    [
        {"status": 429, "retry_after": 0.1},
        {"status": 429},
        {"status": 500},
        {"status": 503, "retry_after": 0.1},
        {"reset_at": 0},
        {"reset_at": 100_000},
        {"truncate_at": 0},
        {"truncate_at": 100_000},
        {"stall_at": 1000, "stall_ms": 300},
        {"headers": {"Content-Range": None}},
        {"headers": {"Content-Range": "bytes 5-6/1000000"}},
        {"headers": {"Content-Length": None}},
        {"headers": {"Connection": "close"}},
    ],
    ids=str,
)
def test_what_passes_is_waited_out_and_the_bytes_are_right(bed: Bed, effect: dict[str, object]) -> None:
    data = content(1_000_000, seed=9)
    blob = bed.push_blob("passing/a", data)
    bed.control.set_faults([{"match": {"kind": "data", "count": 3}, "do": effect}])
    bed.control.reset_requests()
    with bed.open() as registry:
        assert pull(registry, "passing/a", blob) == data
    assert bed.calls() == ["GET blob 307"]


def test_a_broken_range_goes_on_from_the_byte_reached(bed: Bed) -> None:
    data = content(4_000_000, seed=10)
    blob = bed.push_blob("resume/a", data)
    bed.control.set_faults([{"match": {"kind": "data", "count": 1}, "do": {"truncate_at": 3_000_000}}])
    bed.control.reset_requests()
    arrived: list[int] = []
    buffer = memoryview(bytearray(blob.size))
    with bed.open() as registry, registry.blob("resume/a", blob) as reader:
        reader.read_into(0, buffer, arrived.append)
    assert bytes(buffer) == data
    assert sum(arrived) == blob.size
    assert max(arrived) <= 200_000
    asked = [entry["range"] for entry in bed.control.requests(kind="data")]
    assert asked == ["bytes=0-3999999", "bytes=3000000-3999999"]


@pytest.mark.parametrize(
    ("effect", "kind"),
    [
        ({"status": 500}, Unavailable),
        ({"status": 429}, Throttled),
        ({"status": 429, "retry_after": 60}, Throttled),
        ({"reset_at": 10}, Unavailable),
        ({"truncate_at": 10}, Unavailable),
        ({"status": 404}, NotFound),
        ({"headers": {"Content-Range": "bytes 0-9/10"}}, DigestMismatch),
        ({"status": 416, "headers": {"Content-Range": "bytes */10"}}, DigestMismatch),
    ],
    ids=str,
)
def test_what_does_not_pass_is_raised_once_patience_ends(
    bed: Bed, effect: dict[str, object], kind: type[MirrorError]
) -> None:
    blob = bed.push_blob("lasting/a", content(100_000, seed=11))
    bed.control.set_faults([{"match": {"kind": "data"}, "do": effect}])
    begin = time.monotonic()
    with bed.open(patience=0.8) as registry, registry.blob("lasting/a", blob) as reader:
        with pytest.raises(kind) as caught:
            reader.read_into(0, memoryview(bytearray(100_000)))
    assert time.monotonic() - begin < 5
    assert "sig=" not in str(caught.value)
    if effect.get("retry_after"):
        assert isinstance(caught.value, Throttled)
        assert caught.value.retry_after == 60


def test_a_descriptor_that_lies_about_the_size_is_found_out(bed: Bed) -> None:
    blob = bed.push_blob("lies/a", content(1000))
    with bed.open() as registry:
        for size in (999, 1001, 2000):
            with registry.blob("lies/a", replace(blob, size=size)) as reader:
                with pytest.raises(DigestMismatch, match="1000"):
                    reader.read_into(size - 1, memoryview(bytearray(1)))


# --- signatures


def test_a_signature_that_expires_is_renewed_once_for_all_threads(bed: Bed) -> None:
    data = content(4_000_000, seed=12)
    blob = bed.push_blob("expired/a", data)
    first = {"kind": "blob", "header": "authorization: bearer", "nth": 1}
    bed.control.set_faults([{"match": first, "do": {"signature_seconds": 1}}])
    bed.control.reset_requests()
    with bed.open() as registry, registry.blob("expired/a", blob) as reader:
        reader.read_into(0, memoryview(bytearray(BLOCK)))
        time.sleep(1.5)
        assert read(reader, blob.size, threads=8) == data
    assert bed.calls("blob") == ["GET blob 307"] * 2
    assert bed.control.requests(kind="data", status="403")


def test_a_long_blob_outlives_many_signatures(bed: Bed) -> None:
    data = content(3_000_000, seed=13)
    blob = bed.push_blob("long/a", data)
    bed.control.set_faults(
        [
            {"match": {"kind": "blob"}, "do": {"signature_seconds": 1}},
            {"match": {"kind": "data"}, "do": {"latency_ms": 250}},
        ]
    )
    bed.control.reset_requests()
    with bed.open() as registry:
        assert pull(registry, "long/a", blob, threads=1) == data
    assert 2 <= len(bed.calls("blob")) <= 6


def test_a_fresh_signature_that_is_refused_is_a_denial(bed: Bed) -> None:
    blob = bed.push_blob("firewall/a", content(100_000, seed=14))
    bed.control.set_faults([{"match": {"kind": "data"}, "do": {"status": 403}}])
    bed.control.reset_requests()
    with bed.open() as registry, registry.blob("firewall/a", blob) as reader:
        with pytest.raises(Denied, match="firewall"):
            reader.read_into(0, memoryview(bytearray(100_000)))
    assert bed.calls("blob") == ["GET blob 307"] * 2


def test_a_renewal_that_fails_is_waited_out_or_raised(bed: Bed) -> None:
    data = content(100_000, seed=15)
    blob = bed.push_blob("renewal/a", data)
    with bed.open(patience=10) as registry, registry.blob("renewal/a", blob) as reader:
        bed.control.set_faults(
            [
                {"match": {"kind": "data", "count": 1}, "do": {"expire": True}},
                {"match": {"kind": "blob", "count": 1}, "do": {"status": 503}},
            ]
        )
        # The registry can't sign another one, and the old one is taken again.
        buffer = memoryview(bytearray(100_000))
        reader.read_into(0, buffer)
        assert bytes(buffer) == data
        bed.control.set_faults(
            [
                {"match": {"kind": "data"}, "do": {"expire": True}},
                {"match": {"kind": "blob"}, "do": {"status": 404}},
            ]
        )
        with pytest.raises(NotFound):
            reader.read_into(0, buffer)


# --- redirects (S1)


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/x?sig=s",
        "https://localhost:{port}/x?sig=s",
        "https://127.0.0.1:{port}/x?sig=s",
        "https://127.1:{port}/x",
        "https://2130706433/x",
        "https://[::1]:{port}/x",
        "https://user:pw@account.blob.core.windows.net/x",
        "https://account.blob.core.windows.net:{port}/x",
        "https://account.blob.core.windows.net:/x",
        "https://account.blob.core.windows.net.evil.example/x",
        "https://evilblob.core.windows.net/x",
        "https://blob.core.windows.net@localhost:{port}/x",
        "https://localhost:{port}\\@account.blob.core.windows.net/x",
        "//localhost:{port}/x",
        "/x",
        "ftp://account.blob.core.windows.net/x",
        "https://",
        "",
        "https://account.blob.core.windows.net /x",
    ],
)
def test_a_redirect_elsewhere_is_refused_and_nothing_sent_there(bed: Bed, trap: Trap, location: str) -> None:
    blob = bed.push_blob("astray/a", b"x")
    target = location.format(port=trap.port)
    bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": target}}])
    with bed.open(redirect_local=False) as registry, pytest.raises(Refused, match="redirected") as caught:
        registry.blob("astray/a", blob)
    assert trap.visits == []
    assert "sig=" not in str(caught.value)


def test_without_the_local_setting_even_the_local_stacks_redirect_is_refused(bed: Bed) -> None:
    blob = bed.push_blob("strict/a", b"x")
    with bed.open(redirect_local=False) as registry, pytest.raises(Refused):
        registry.blob("strict/a", blob)


def test_plain_http_and_users_are_refused_even_locally(bed: Bed, trap: Trap) -> None:
    blob = bed.push_blob("plain/a", b"x")
    for target in (f"http://localhost:{trap.port}/x", f"https://u:p@localhost:{trap.port}/x"):
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": target}}])
        with bed.open() as registry, pytest.raises(Refused):
            registry.blob("plain/a", blob)
    assert trap.visits == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_second_redirect_is_never_followed(bed: Bed, trap: Trap, status: int) -> None:
    blob = bed.push_blob("second/a", b"x")
    headers = {"Location": f"https://localhost:{trap.port}/x"}
    bed.control.set_faults([{"match": {"kind": "data"}, "do": {"status": status, "headers": headers}}])
    with bed.open() as registry, registry.blob("second/a", blob) as reader:
        with pytest.raises(Refused, match="second redirect"):
            reader.read_into(0, memoryview(bytearray(1)))
    assert trap.visits == []


def test_a_storage_host_that_is_not_trusted_is_named_as_such(bed: Bed, trap: Trap) -> None:
    blob = bed.push_blob("tls/a", b"x")
    bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{trap.port}/x"}}])
    with bed.open(patience=0.3) as registry, registry.blob("tls/a", blob) as reader:
        with pytest.raises(Unavailable):
            reader.read_into(0, memoryview(bytearray(1)))


# --- odd answers


DATA = content(300_000, seed=16)


def whole(connection: socket.socket, head: str, first: int, last: int) -> bool:
    """A server that knows no ranges."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(DATA) + DATA)
    return True


def shorter(connection: socket.socket, head: str, first: int, last: int) -> bool:
    """Gives less than was asked for, and says so."""
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
    """Says and sends more than was asked for."""
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
                    reading.result(timeout=5)
            assert time.monotonic() - begin < 1
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
