"""A host that sends a byte now and then never runs into the time-out of a single read: it is held to a least pace."""

import socket
import time

import pytest

from acrmirror.errors import Unavailable
from testkit.images import oci_image
from tests.integration.registry.conftest import Bed, content
from tests.integration.registry.oddities import odd_host, partial

DRIP = {"drip_ms": 20}
SIZE = 1_000
LONG = 12.0
"""Seconds: far more than is waited for here, and less than the drops would take."""


def test_a_range_goes_on_over_a_new_connection_when_its_host_drips(bed: Bed) -> None:
    data = content(SIZE, seed=21)
    blob = bed.push_blob("drips/once", data)
    bed.control.set_faults([{"match": {"kind": "data", "count": 1}, "do": DRIP}])
    bed.control.reset_requests()
    buffer = memoryview(bytearray(SIZE))
    begun = time.monotonic()
    with bed.open(patience=1) as registry, registry.blob("drips/once", blob) as reader:
        reader.read_into(0, buffer)
    assert buffer == data
    assert time.monotonic() - begun < LONG
    first, second = bed.control.requests(kind="data")
    assert first["peer"] != second["peer"]
    # What had come by drops is not requested again.
    assert int(second["range"].removeprefix("bytes=").partition("-")[0]) > 10


def test_a_host_that_only_drips_is_given_up_once_patience_ends(bed: Bed) -> None:
    blob = bed.push_blob("drips/ever", content(SIZE, seed=22))
    bed.control.set_faults([{"match": {"kind": "data"}, "do": DRIP}])
    begun = time.monotonic()
    with bed.open(patience=1) as registry, registry.blob("drips/ever", blob) as reader:
        with pytest.raises(Unavailable, match="fewer than 65536 bytes"):
            reader.read_into(0, memoryview(bytearray(SIZE)))
    assert time.monotonic() - begun < LONG


def test_a_head_that_drips_is_given_up_as_well(bed: Bed) -> None:
    def answer(connection: socket.socket, head: str, first: int, last: int) -> bool:
        for byte in partial(first, last, SIZE) * 10:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)
        return False

    blob = bed.push_blob("drips/head", content(SIZE, seed=23))
    with odd_host(bed.foundation.certificates.server, answer) as port:
        bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"redirect_to": f"https://localhost:{port}/x"}}])
        begun = time.monotonic()
        with bed.open(patience=0.5) as registry, registry.blob("drips/head", blob) as reader:
            with pytest.raises(Unavailable):
                reader.read_into(0, memoryview(bytearray(SIZE)))
        assert time.monotonic() - begun < LONG


def test_a_manifest_that_drips_is_given_up_as_well(bed: Bed) -> None:
    """It comes by way of the SDK."""
    image = oci_image("drips")
    with bed.pusher() as pusher:
        pusher.image("drips/manifest", image)
    bed.control.set_faults([{"match": {"kind": "manifest", "method": "GET"}, "do": {"drip_ms": 100}}])
    begun = time.monotonic()
    with bed.open(patience=1) as registry, pytest.raises(Unavailable, match="in time"):
        registry.manifest("drips/manifest", image.root.digest)
    assert time.monotonic() - begun < LONG


def test_what_is_slow_and_comes_is_read(bed: Bed) -> None:
    """A quarter of a megabyte a second is slow, and no drip."""
    data = content(300_000, seed=24)
    blob = bed.push_blob("slow/a", data)
    bed.control.set_faults([{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 0.25}}])
    bed.control.reset_requests()
    buffer = memoryview(bytearray(len(data)))
    with bed.open(patience=1) as registry, registry.blob("slow/a", blob) as reader:
        reader.read_into(0, buffer)
    assert buffer == data
    assert len(bed.control.requests(kind="data")) == 1
