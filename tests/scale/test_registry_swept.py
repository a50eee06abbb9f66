"""A whole registry brought into a mirror that has nothing of it, and requested again.

SWEEP_TAGS_EACH, 50 unless given, makes it shorter or longer.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from acrmirror.oci import OCI_MANIFEST
from standins.stack import Stack
from testkit.images import Draft, Image, make_layer, oci_image
from testkit.images.build import OCI_CONFIG, PLATFORMS, image_config
from testkit.images.layers import OCI_TYPES
from testkit.images.values import entries, entry
from testkit.reader import verify_tag
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring

REPOSITORIES, TAGS_EACH = 40, int(os.environ.get("SWEEP_TAGS_EACH", "50"))
TAGS = REPOSITORIES * TAGS_EACH
PART = TAGS // 4
ENDED = ("done", "incomplete", "failed", "gone", "cancelled")

pytestmark = pytest.mark.scale


def releases(repository: str) -> Image:
    """One repository's images as a build makes them day by day: the same base, and a manifest of its own each."""
    draft = Draft()
    layer = make_layer(f"{repository}/base", 4096)
    base = draft.content(layer.content, layer.digest, OCI_TYPES["gzip"])
    config = draft.blob(image_config(repository, PLATFORMS[0], [str(layer.diff_id)]), OCI_CONFIG)
    for number in range(TAGS_EACH):
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": entry(config),
            "layers": entries([base]),
            "annotations": {"org.opencontainers.image.version": f"1.{number}"},
        }
        last = draft.manifest(body, f"v1.{number}")
    return draft.image(last)


class Followed:
    """A pull of many from its begin to the end of its last job; when how many of these were done."""

    def __init__(self, call: Caller, seconds: float, *patterns: str) -> None:
        begun = time.monotonic()
        got = call("POST", "pulls", {"match": list(patterns)})
        assert got.status == 202, got.json
        self.times: list[tuple[float, int]] = []
        while True:
            self.pull: dict[str, Any] = call("GET", f"pulls/{got.json['id']}").json
            self.seconds = time.monotonic() - begun
            jobs = self.pull["match"]["jobs"]
            self.times.append((self.seconds, jobs.get("done", 0)))
            if self.pull["state"] in ENDED and set(jobs) <= set(ENDED):
                break
            assert self.seconds < seconds, self.pull
            time.sleep(1)

    def reached(self, count: int) -> float:
        """Seconds until so many were done, between the looks before and after."""
        after = next(at for at, (_, done) in enumerate(self.times) if done >= count)
        (early, fewer), (late, more) = self.times[max(0, after - 1)], self.times[after]
        return early + (late - early) * (count - fewer) / max(1, more - fewer)


def test_a_registry_comes_in_linear_time_and_asked_again_cost_next_to_nothing(make_stack: Any) -> None:
    stack: Stack = make_stack(workers=3, settings={"MIRROR_NOT_FOUND_SECONDS": "2"})
    registry, call = stack.registry, Caller.of(stack)
    registry.set_event_manner(hold=True)
    with mirroring(stack) as mirror:
        names = [f"sweep/r{number:02d}" for number in range(REPOSITORIES)]
        with ThreadPoolExecutor(4) as pool:
            images = dict(zip(names, pool.map(lambda name: mirror.push(name, releases(name)), names), strict=True))
        expected = unruly(mirror)

        first = Followed(call, 900, "*")
        print(
            f"{TAGS} tags in {first.seconds:.0f} s: the first {PART} after {first.reached(PART):.1f} s, "
            f"all after {first.reached(TAGS):.1f} s; {registry.totals()['calls']} calls"
        )
        match = first.pull["match"]
        assert first.pull["state"] == "incomplete"
        assert first.reached(TAGS) < 1.6 * TAGS / PART * first.reached(PART)
        # What came last has not come slower than what came first, by more than a machine's moods.
        assert first.reached(TAGS) - first.reached(TAGS - PART) < 2 * first.reached(PART)
        assert match["listed"] == TAGS + expected["listed"]
        assert match["jobs"] == {"done": TAGS + expected["done"], "failed": 1, "gone": 1}
        assert sorted(note.partition(": ")[0] for note in first.pull["notes"]) == ["odd/short", "odd/vanished"]
        for name, image in images.items():
            assert mirror.tagged(name, f"v1.{TAGS_EACH - 1}") == image.root.digest
        assert verify_tag(mirror.reader, names[7], "v1.3").is_whole
        by_state = {it["state"]: it for state in ("failed", "gone") for it in jobs_in(call, state)}
        assert (by_state["failed"]["image"], by_state["failed"]["error"]["code"]) == (
            "odd/broken:bad",
            "digest-mismatch",
        )
        assert by_state["gone"]["image"] == "odd/fleeting:v1"

        registry.clear_faults()
        registry.reset_requests()
        again = Followed(call, 120, "sweep/*")
        asked = [it for it in registry.requests() if it["status"] != 401 and it["kind"] not in ("token", "exchange")]
        print(f"asked again: {again.seconds:.1f} s, {len(asked)} calls")
        assert len(asked) <= TAGS / 100 + 2 * REPOSITORIES
        assert (again.pull["match"]["mirrored"], again.pull["match"]["requested"]) == (TAGS, 0)
        assert again.pull["match"]["jobs"] == {}
        assert again.pull["requests"] == len(asked)


def unruly(mirror: Mirroring) -> dict[str, int]:
    """Repositories that lists and pulls have trouble with: one whose listing stops short, one that is gone before it is
    listed, one that is gone right after, one with an image whose layer is damaged among two that are well."""
    for tag in ("v1", "v2", "v3"):
        mirror.push("odd/short", oci_image(f"short {tag}", tag=tag))
    mirror.push("odd/vanished", oci_image("vanished", tag="v1"))
    mirror.push("odd/fleeting", oci_image("fleeting", tag="v1"))
    for tag in ("fine", "good"):
        mirror.push("odd/broken", oci_image(f"broken {tag}", tag=tag))
    bad = mirror.push("odd/broken", oci_image("broken bad", tag="bad"))
    layer = bad.blobs[-1].descriptor.digest
    mirror.stack.registry.set_faults(
        [
            {"match": {"path": "/acr/v1/odd/short/_manifests"}, "do": {"page_size": 1, "drop_link": True}},
            {"match": {"path": "/acr/v1/odd/vanished/_manifests"}, "do": {"status": 404}},
            {"match": {"path": "/v2/odd/fleeting/"}, "do": {"status": 404}},
            {"match": {"path": f".*{layer.encoded}"}, "do": {"corrupt": True}},
        ]
    )
    return {"listed": 1 + 1 + 3, "done": 1 + 2}


def jobs_in(call: Caller, state: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call("GET", f"pulls?state={state}").json["pulls"]
    return found
