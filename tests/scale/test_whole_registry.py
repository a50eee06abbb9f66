"""No event was delivered: one sweep brings all that the registry has, and so does the timer alone; a push meanwhile
waits for neither."""

import time
from collections.abc import Callable

import pytest

from acrmirror.oci import OCI_MANIFEST
from acrmirror.reference import Digest
from standins.stack import Stack
from testkit.images import Draft, Image, make_layer, oci_image, sbom, signature
from testkit.images.build import OCI_CONFIG, PLATFORMS, image_config
from testkit.images.layers import OCI_TYPES
from testkit.images.values import entries, entry
from testkit.reader import verify_tag
from tests.integration.entities import put_entity
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring

REPOSITORIES, TAGS, UNTAGGED, REFERRERS = 10, 300, 20, 15
ENDED = {"done", "failed", "gone", "cancelled"}

pytestmark = pytest.mark.scale


def releases(repository: str) -> Image:
    """A repository's tags, manifests without one, and what refers to its first tags."""
    draft = Draft()
    layer = make_layer(f"{repository}/base", 4096)
    base = draft.content(layer.content, layer.digest, OCI_TYPES["gzip"])
    config = draft.blob(image_config(repository, PLATFORMS[0], [str(layer.diff_id)]), OCI_CONFIG)
    tags, untagged = TAGS // REPOSITORIES, UNTAGGED // REPOSITORIES
    for number in range(tags + untagged):
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": entry(config),
            "layers": entries([base]),
            "annotations": {"org.opencontainers.image.version": f"1.{number}"},
        }
        last = draft.manifest(body, f"v1.{number}" if number < tags else None)
    return draft.image(last)


def pushed(mirror: Mirroring) -> dict[str, set[Digest]]:
    """Every manifest by its repository."""
    there: dict[str, set[Digest]] = {}
    left = REFERRERS
    for number in range(REPOSITORIES):
        name = f"whole/r{number}"
        image = mirror.push(name, releases(name))
        there[name] = {it.descriptor.digest for it in image.manifests}
        for make in (signature, sbom):
            if left:
                subject = image.manifests[left % 10].descriptor
                there[name].add(mirror.push(name, make(f"{name} {left}", subject)).root.digest)
                left -= 1
    assert sum(map(len, there.values())) == TAGS + UNTAGGED + REFERRERS
    return there


def in_mirror(mirror: Mirroring, repository: str) -> set[Digest]:
    folder = f"docker/registry/v2/repositories/{repository}/_manifests/revisions/"
    parts = (name.removeprefix(folder).split("/") for name in mirror.reader.names(folder))
    return {Digest(algorithm, encoded) for algorithm, encoded, _ in parts}


def all_there(mirror: Mirroring, there: dict[str, set[Digest]]) -> bool:
    return all(digests <= in_mirror(mirror, name) for name, digests in there.items())


@pytest.mark.parametrize("by", ["a sweep", "the timer"])
def test_what_no_event_told_of_comes_and_a_push_meanwhile_waits_for_nothing(
    make_stack: Callable[..., Stack], by: str
) -> None:
    settings = {"MIRROR_COMPARE_HOURS": "24", "MIRROR_COMPARE_SCHEDULE": "*/5 * * * * *"} if by == "the timer" else {}
    stack = make_stack(workers=2, settings=settings)
    call = Caller.of(stack)
    with mirroring(stack) as mirror:
        if by == "the timer":
            # At its first tick there is nothing; from then on it waits for a day, which is made over below.
            mirror.wait(lambda: call("GET", "health").json["compared"] is not None, 90, "the first comparison")
        stack.registry.set_event_manner(hold=True)
        there = pushed(mirror)
        stack.registry.forget_events()
        stack.registry.set_event_manner()
        begun = time.monotonic()
        if by == "the timer":
            long_ago = dict.fromkeys(("asked", "whole"), "2026-01-01T00:00:00.000000000Z")
            put_entity(mirror.records.table, "comparison", "everything", long_ago)
        else:
            assert call("POST", "pulls", {"match": ["*"]}).status == 202
        mirror.wait(lambda: len(mirror.jobs()) > TAGS / 2, 120, "the jobs of the sweep")
        late = time.monotonic()
        mirror.push("whole/live", oci_image("live", tag="v1"))
        mirror.wait(lambda: mirror.tagged("whole/live", "v1") is not None, 60, "the push meanwhile")
        took = time.monotonic() - late
        assert not all_there(mirror, there), "the sweep was over too soon to be in the way"
        mirror.wait(lambda: all_there(mirror, there), 600, "all that the registry has")
        print(
            f"by {by}: {TAGS + UNTAGGED + REFERRERS} manifests in {time.monotonic() - begun:.0f} s, a push {took:.2f} s"
        )
        # Behind the jobs of the sweep it would take as long as they do.
        assert took < 15
        sweeps = (it for it in mirror.jobs() if it.fields["kind"] == "match")
        sweep = max(sweeps, key=lambda it: int(it.fields.get("match_requested") or 0))
        mirror.wait(lambda: set(call("GET", f"pulls/{sweep.id}").json["match"]["jobs"]) <= ENDED, 120, "its last job")
        found = call("GET", f"pulls/{sweep.id}").json
        assert (found["state"], found["notes"]) == ("done", [])
        assert set(found["match"]["jobs"]) == {"done"}
        for name in there:
            assert verify_tag(mirror.reader, name, "v1.7").is_whole
        again = call("POST", "pulls", {"match": ["*"], "dry_run": True}).json["id"]
        mirror.wait(lambda: call("GET", f"pulls/{again}").json["state"] in ENDED, 60, "a second comparison")
        assert call("GET", f"pulls/{again}").json["match"]["requested"] == 0
