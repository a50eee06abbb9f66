"""Pulls that take a while, and many at once: what is seen of them, and what they cost everyone else."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from testkit.images import oci_image
from testkit.reader import verify_tag
from tests.integration.http_api import Caller, Got
from tests.scale.conftest import Watched, WatchedMaker

MIB = 1024 * 1024
SIZE = 300 * MIB
LINK_MBPS = 40
THREADS = 11
ENDED = ("done", "failed", "gone", "cancelled")

pytestmark = pytest.mark.scale


def timed(call: Caller, *request: Any) -> tuple[float, Got]:
    begun = time.monotonic()
    got = call(*request)
    return time.monotonic() - begun, got


def record_writes(watched: Watched, identity: str) -> list[float]:
    """When the record was written, but for its first time."""
    return [it.at for it in watched.table.asked if it.method in ("PUT", "PATCH") and identity in it.target]


def test_a_large_image_is_seen_to_move_and_costs_a_record_write_a_second(watched: WatchedMaker) -> None:
    """One layer over a link of 40 MB/s, so that all threads' blocks come to their ends at about the same time."""
    bed = watched(MIRROR_THREADS=str(THREADS))
    bed.mirror.push("large", oci_image("large", (SIZE,)))
    slowly = {"match": {"kind": "data"}, "do": {"bandwidth_mbps": LINK_MBPS / THREADS}}
    bed.stack.registry.set_faults([slowly])
    begun = time.monotonic()
    identity = bed.call("POST", "pulls", {"image": "large"}).json["id"]
    seen: list[tuple[float, dict[str, Any]]] = []
    while True:
        found = bed.call("GET", f"pulls/{identity}").json
        seen.append((time.monotonic() - begun, found))
        if found["state"] in ENDED:
            break
        assert seen[-1][0] < 90, found
        time.sleep(0.1)
    assert seen[-1][1]["state"] == "done"
    for figure in ("bytes_done", "bytes_read", "bytes_written", "layers_done", "requests"):
        values = [it.get("progress", {}).get(figure, it.get(figure)) for _, it in seen]
        assert values == sorted(values), figure
    started = next(at for at, it in seen if it["state"] == "running")
    moved = [started] + [at for (_, before), (at, after) in pairwise(seen) if _moved(after) > _moved(before)]
    pauses = [after - before for before, after in pairwise(moved)]
    assert max(pauses) <= 2.0, pauses
    progress = seen[-1][1]["progress"]
    assert progress["bytes_done"] == progress["bytes_written"] == progress["bytes_total"] > SIZE
    seconds = seen[-1][0]
    writes = record_writes(bed, identity)
    print(f"{seconds:.1f} s, {len(moved)} moves, longest pause {max(pauses):.2f} s, {len(writes)} record writes")
    # The first and the last are the run's begin and its end; those between tell of progress.
    assert len(writes) <= seconds + 2
    assert min(after - before for before, after in pairwise(writes[:-1])) > 0.9
    assert verify_tag(bed.mirror.reader, "large", "latest").is_whole


def _moved(pull: dict[str, Any]) -> int:
    """What has arrived; once all has, what of it is sent on, for the last blocks take a while."""
    figures = pull["progress"]
    whole = figures["bytes_done"] == figures["bytes_total"]
    return int(figures["bytes_done"]) + (int(figures["bytes_written"]) if whole else 0)


def test_a_hundred_pulls_asked_at_once_all_finish_and_their_callers_starve_nobody(watched: WatchedMaker) -> None:
    """Each asked by a caller of its own who waits; meanwhile others are answered as if there were no crowd."""
    bed = watched()
    images = [f"crowd/{number:03d}" for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: bed.mirror.push(name, oci_image(name)), images))
    identity = bed.call("POST", "pulls", {"image": images[0], "wait": 30}).json["id"]
    with ThreadPoolExecutor(len(images)) as pool:
        asking = [pool.submit(bed.call, "POST", "pulls", {"image": name, "wait": 60}) for name in images]
        others: list[float] = []
        while not all(it.done() for it in asking):
            for path in ("live", "pulls?n=5", f"pulls/{identity}", "images/crowd%2F000"):
                seconds, got = timed(bed.call, "GET", path)
                assert got.status == 200
                others.append(seconds)
        answers = [it.result() for it in asking]
    others.sort()
    print(f"{len(others)} other calls: median {others[len(others) // 2]:.3f} s, slowest {others[-1]:.3f} s")
    assert {it.status for it in answers} <= {200, 202}
    assert others[len(others) // 2] < 0.5
    assert others[-1] < 3
    ids = {it.json["id"] for it in answers}
    assert len(ids) == 100

    def states() -> set[str]:
        return {it["state"] for it in bed.call("GET", "pulls?n=200").json["pulls"] if it["id"] in ids}

    bed.mirror.wait(lambda: states() == {"done"}, 90, "the end of a hundred pulls")
    for name in images:
        assert verify_tag(bed.mirror.reader, name, "latest").is_whole
