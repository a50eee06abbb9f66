"""Two replicas of the registry, one of them behind: where tags are in the mirror once everything is at rest."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acrmirror.jobs import JobQueue
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.rebuilding import last_in_mirror
from acrmirror.reference import Digest, Reference
from acrmirror.work import FINAL_STATES, Copy
from standins.stack import Stack
from testkit.images import Image, StoredManifest, oci_image
from testkit.stack import CONTAINER
from tests.integration.mirroring import Mirroring, mirroring

TAGS = 40
BEHIND = 6.0
"""Seconds: every other HEAD of a manifest is answered by the replica that is behind."""
RECHECKS = "2,5,9"
"""One, ten and thirty minutes, scaled: the last is longer than the replica is behind, as 30 minutes are."""
PUSHES = {"moved/once": "AB", "moved/back": "ABA", "moved/pulled": "AB"}


@pytest.fixture
def mirror(make_stack: Callable[..., Stack]) -> Iterator[Mirroring]:
    stack = make_stack(workers=4, settings={"MIRROR_RECHECK_SECONDS": RECHECKS, "MIRROR_THREADS": "2"})
    with mirroring(stack) as opened:
        yield opened


def wait_until_ended(mirror: Mirroring, jobs: int, seconds: float = 90) -> None:
    begun = time.monotonic()
    while len(mirror.jobs()) < jobs or any(it.fields["state"] not in FINAL_STATES for it in mirror.jobs()):
        assert time.monotonic() - begun < seconds, f"{jobs} jobs did not end: {mirror.tell()}"
        time.sleep(0.3)


def test_no_tag_rests_on_an_older_image_when_a_replica_is_behind(mirror: Mirroring) -> None:
    registry = mirror.stack.registry
    tags = [f"t{number}" for number in range(TAGS)]
    lines: dict[str, list[Image]] = {}
    for repository, moves in PUSHES.items():
        images = {name: oci_image(f"{repository} {name}", layers=[5000]) for name in set(moves)}
        lines[repository] = [images[name] for name in moves]
        for image in images.values():
            mirror.push(repository, image.tagged("base"))
    expected = 2 * len(PUSHES)
    wait_until_ended(mirror, expected)
    registry.set_faults([{"match": {"method": "HEAD", "kind": "manifest", "every": 2}, "do": {"behind_s": BEHIND}}])
    registry.set_event_manner(hold=True)
    for step in (-3, -2):
        for repository, line in lines.items():
            if len(line) >= -step:
                move_all(mirror, repository, line[step], tags)
        # What is pushed next is what the replica does not know yet: it has what was pushed before.
        time.sleep(BEHIND)
    for seed, (repository, line) in enumerate(lines.items()):
        registry.set_event_manner(hold=True)
        move_all(mirror, repository, line[-1], tags)
        registry.release_events(order="shuffle", seed=seed, ids=events_of(mirror, repository))
        expected += len(line) * TAGS
        if repository == "moved/pulled":
            expected += pull_all(mirror, repository, tags)
        wait_until_ended(mirror, expected)
    mirror.wait(lambda: mirror.waiting_messages() == 0, 90, "the end of all rechecks")
    wait_until_ended(mirror, expected)
    assert {it.state for it in mirror.jobs()} == {"done"}, mirror.tell()
    wanted = {(repository, tag): line[-1].root.digest for repository, line in lines.items() for tag in tags}
    wrong = {place for place, digest in wanted.items() if mirror.tagged(*place) != digest}
    assert wrong == set(), f"{len(wrong)} of {len(wanted)} tags are wrong"
    assert from_history(mirror, tags) == wanted


def events_of(mirror: Mirroring, repository: str) -> list[str]:
    held = [it for it in mirror.stack.registry.events() if it["state"] == "held"]
    return [it["id"] for it in held if it["event"]["data"]["target"]["repository"] == repository]


def move_all(mirror: Mirroring, repository: str, image: Image, tags: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda it: mirror.pusher.stored(repository, it), [tagged(image, tag) for tag in tags]))


def pull_all(mirror: Mirroring, repository: str, tags: list[str]) -> int:
    stack = mirror.stack
    queue = JobQueue.open(stack.queue_endpoint, stack.identity.credential(), stack.ca)
    for tag in tags:
        queue.send(Copy.of_pull(Reference(repository, tag), "meanwhile"))
    queue.close()
    return len(tags)


def tagged(image: Image, tag: str) -> StoredManifest:
    (stored,) = image.tagged(tag).manifests
    return stored


def from_history(mirror: Mirroring, tags: list[str]) -> dict[tuple[str, str], Digest | None]:
    """Where history alone says that the tags are."""
    stack = mirror.stack
    with MirrorStore.open(stack.blob_endpoint, CONTAINER, stack.identity.credential(), trust_bundle=stack.ca) as store:
        found = {(repository, tag): last_in_mirror(store, repository, tag) for repository in PUSHES for tag in tags}
    return {place: last.seen.digest if last is not None else None for place, last in found.items()}
