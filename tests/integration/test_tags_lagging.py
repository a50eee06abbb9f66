"""Two replicas of the registry, one of them behind: where tags are in the mirror once everything is at rest."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from acrmirror.jobs import FINAL_STATES, Job, JobQueue
from acrmirror.reference import Reference
from local.images import Image, StoredManifest, oci_image
from local.stack import Stack
from tests.integration.mirroring import Mirroring, mirroring

TAGS = 40
BEHIND = 10.0
"""Seconds: every other HEAD of a manifest is answered by the replica that is behind."""
RECHECKS = "3,7,13"
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
    wait_until_ended(mirror, 2 * len(PUSHES))
    registry.set_faults([{"match": {"method": "HEAD", "kind": "manifest", "every": 2}, "do": {"behind_s": BEHIND}}])
    expected = 2 * len(PUSHES)
    for seed, (repository, line) in enumerate(lines.items()):
        registry.set_event_manner(hold=True)
        move_all(mirror, repository, line, tags)
        expected += len(line) * TAGS
        registry.release_events(order="shuffle", seed=seed)
        if repository == "moved/pulled":
            expected += pull_all(mirror, repository, tags)
        wait_until_ended(mirror, expected)
    mirror.wait(lambda: mirror.waiting_messages() == 0, 90, "the end of all rechecks")
    wait_until_ended(mirror, expected)
    assert {it.state for it in mirror.jobs()} == {"done"}, mirror.tell()
    wanted = {(repository, tag): line[-1].root.digest for repository, line in lines.items() for tag in tags}
    print(f"{len(mirror.jobs())} jobs, {mirror.stack.registry.totals()['calls']} calls")
    wrong = {place for place, digest in wanted.items() if mirror.tagged(*place) != digest}
    assert wrong == set(), f"{len(wrong)} of {len(wanted)} tags are wrong"


def move_all(mirror: Mirroring, repository: str, line: list[Image], tags: list[str]) -> None:
    """Every tag along its line, eight tags beside each other: all of it within less than the replica is behind."""
    with ThreadPoolExecutor(8) as pool:
        for image in line:
            list(pool.map(lambda it: mirror.pusher.stored(repository, it), [tagged(image, tag) for tag in tags]))


def pull_all(mirror: Mirroring, repository: str, tags: list[str]) -> int:
    stack = mirror.stack
    queue = JobQueue.open(stack.queue_endpoint, stack.identity.credential(), stack.ca)
    for tag in tags:
        queue.send(Job.of_pull(Reference(repository, tag), "meanwhile"))
    queue.close()
    return len(tags)


def tagged(image: Image, tag: str) -> StoredManifest:
    (stored,) = image.tagged(tag).manifests
    return stored
