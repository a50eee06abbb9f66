"""A pull that is cancelled while it runs: what still moves, what it leaves, and what the same pull has left to do."""

import time

import pytest

from acrmirror.mirror import blocks
from testkit.images import oci_image
from testkit.reader import verify_all
from tests.scale.conftest import Watched, WatchedMaker

MIB = 1024 * 1024
SMALL, LARGE = 4 * MIB, 200 * MIB
STAGED = 24 * MIB

pytestmark = pytest.mark.scale


def figures_at_rest(bed: Watched) -> tuple[int, int]:
    """The bytes that were read of the registry, and those that were staged, once neither grows any more: for long
    enough that a range that goes on unseen, or a retry, would show itself."""

    def figures() -> tuple[int, int]:
        return bed.stack.registry.totals()["sent"]["data"], bed.blobs.staged

    for _ in range(10):
        before = figures()
        time.sleep(3)
        if before == figures():
            return before
    raise AssertionError("it still moves, half a minute after it was cancelled")


def test_a_cancelled_pull_stops_moving_and_the_same_one_sends_only_the_rest(watched: WatchedMaker) -> None:
    bed = watched()
    registry, mirror, call = bed.stack.registry, bed.mirror, bed.call
    image = mirror.push("large", oci_image("large", (SMALL, LARGE)))
    registry.reset_requests()
    registry.set_faults([{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 2}}])
    identity = call("POST", "pulls", {"image": "large"}).json["id"]
    mirror.wait(lambda: bed.blobs.staged >= STAGED, 60, "a part of the layer")
    got = call("DELETE", f"pulls/{identity}")
    assert (got.status, got.json["state"], got.json["cancel_requested"]) == (202, "running", True)
    seconds = mirror.wait(lambda: registry.totals()["under_way"] == 0, 30, "the end of all traffic")
    mirror.wait(lambda: call("GET", f"pulls/{identity}").json["state"] == "cancelled", 30, "the record")
    sent, staged = figures_at_rest(bed)
    print(f"{seconds:.2f} s until the registry sent nothing any more, {sent} bytes of {SMALL + LARGE} read")
    assert sent < SMALL + LARGE
    assert staged < LARGE
    assert mirror.tagged("large", "latest") is None
    assert verify_all(mirror.reader).is_whole
    assert mirror.claims(identity) == []

    registry.clear_faults()
    registry.reset_requests()
    again = call("POST", "pulls", {"image": "large", "wait": 60})
    assert (again.status, again.json["state"]) == (200, "done"), again.json
    assert again.json["id"] != identity
    assert bed.blobs.staged <= LARGE + 2 * blocks.BLOCK_SIZE
    assert staged >= STAGED
    small, large = (str(it.descriptor.digest) for it in image.blobs if it.descriptor.size >= SMALL)
    fetched = {it["digest"] for it in registry.requests(kind="data")}
    assert large in fetched
    assert small not in fetched
    assert verify_all(mirror.reader).is_whole
    assert mirror.tagged("large", "latest") == image.root.digest
