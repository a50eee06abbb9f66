"""Blobs by ranges: one request to the registry for each, and whatever goes wrong on the way."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from acrmirror.errors import Denied, DigestMismatch, MirrorError, NotFound, Throttled, Unavailable
from tests.integration.registry.conftest import Bed, content, described
from tests.integration.registry.reading import BLOCK, pull

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
    assert time.monotonic() - begin < 15
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
