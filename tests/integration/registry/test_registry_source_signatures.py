"""Where a blob's bytes are: signatures that expire, and redirects that are followed or not."""

import time

import pytest

from acrmirror.errors import Denied, NotFound, Refused, Unavailable
from tests.integration.registry.conftest import Bed, Trap, content
from tests.integration.registry.reading import BLOCK, pull, read

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
