"""Events twice, late, reversed; tags that move under many workers; what the registry is asked."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from acrmirror.mirror import MirrorStore
from acrmirror.mirror.blobs import ASKED_OVER
from acrmirror.mirror.blocks import BLOCK_SIZE
from acrmirror.mirror.rebuilding import last_in_mirror
from acrmirror.reference import Digest
from standins.stack import Stack
from testkit.images import Image, multi_arch, oci_image
from testkit.reader import Poller, verify_all
from testkit.stack import CONTAINER, mirror_stack
from tests.integration.mirroring import Mirroring, mirroring

WORKERS = 8


@pytest.fixture(scope="module")
def crowd(foundation: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with mirror_stack(
        foundation=foundation,
        folder=tmp_path_factory.mktemp("crowd"),
        workers=WORKERS,
        settings={"MIRROR_THREADS": "4"},
    ) as stack:
        yield stack


@pytest.fixture
def mirror(crowd: Stack) -> Iterator[Mirroring]:
    crowd.registry.reset_requests()
    with mirroring(crowd) as opened:
        yield opened
    crowd.registry.clear_faults()
    crowd.registry.set_event_manner()


def rebuilt(mirror: Mirroring, repository: str, tag: str) -> Digest | None:
    """Where history alone says that the tag is."""
    stack = mirror.stack
    with MirrorStore.open(stack.blob_endpoint, CONTAINER, stack.identity.credential(), trust_bundle=stack.ca) as store:
        last = last_in_mirror(store, repository, tag)
        return last.seen.digest if last is not None else None


def large(image: Image) -> set[str]:
    """Layers of several blocks: only these are claimed (rule W2)."""
    return {str(it.descriptor.digest) for it in image.blobs if it.descriptor.size > BLOCK_SIZE}


def test_five_platforms_on_eight_workers_read_each_large_layer_once(mirror: Mirroring) -> None:
    image = mirror.push("once", multi_arch("once", 5, shared_layers=(9_000_000, 8_500_000)))
    assert len(image.manifests) == 6
    jobs = mirror.wait_for(6, "once")
    assert {job.state for job in jobs} == {"done"}, mirror.tell()
    opened = [it["digest"] for it in mirror.stack.registry.requests(kind="blob", method="GET") if it["status"] != 401]
    assert set(opened) == {str(blob.descriptor.digest) for blob in image.blobs}
    assert [count for digest, count in Counter(opened).items() if digest in large(image)] == [1, 1]


def test_a_known_image_costs_at_most_three_calls(mirror: Mirroring) -> None:
    image = mirror.push("known", oci_image("known"))
    mirror.wait_for(1, "known")
    (event,) = [it for it in mirror.stack.registry.events() if "known" in json.dumps(it)]
    mirror.stack.registry.reset_requests()
    again = dict(event["event"]) | {"id": "pushed-again"}
    mirror.stack.registry.deliver_body([again])
    jobs = mirror.wait_for(2, "known")
    assert {job.state for job in jobs} == {"done"}
    assert mirror.stack.registry.totals()["calls"] <= 3
    assert mirror.tagged("known", "latest") == image.root.digest


def test_a_known_layer_is_not_read_again_for_another_repository(mirror: Mirroring) -> None:
    """One so small that reading it is as fast as asking for it, such as a config, may be."""
    image = mirror.push("first", oci_image("shared", layers=[300_000, ASKED_OVER + 1]))
    mirror.wait_for(1, "first")
    mirror.stack.registry.reset_requests()
    mirror.push("second/place", image)
    mirror.wait_for(1, "second/place")
    read = {it["digest"] for it in mirror.stack.registry.requests(kind="blob", method="GET") if it["status"] != 401}
    assert read <= {str(it.descriptor.digest) for it in image.blobs if it.descriptor.size <= ASKED_OVER}
    assert mirror.tagged("second/place", "latest") == image.root.digest


@pytest.mark.parametrize(("order", "count"), [("", 10), ("reverse", 10), ("shuffle", 50)])
def test_tags_that_move_under_many_workers_end_where_the_registry_has_them(
    mirror: Mirroring, order: str, count: int
) -> None:
    """Tags, each moved along A→B→A or A→B→C; every event twice, in whatever order."""
    repository = f"moving/{order or 'straight'}"
    mirror.stack.registry.set_event_manner(hold=True, copies=2)
    images = [oci_image(f"{order}-{number}", layers=[5000]) for number in range(6)]
    chance = random.Random(order)
    moves: dict[str, list[Image]] = {}
    for number in range(count):
        first, second, third = chance.sample(images, 3)
        moves[f"t{number}"] = [first, second, first if number % 2 else third]
    pushed: set[Digest] = set()
    for step in range(3):
        for tag, line in moves.items():
            mirror.push(repository, line[step].tagged(tag))
            pushed.add(line[step].root.digest)
    with Poller(mirror.reader) as poller:
        mirror.stack.registry.release_events(order=order, seed=1)
        mirror.wait(lambda: len(mirror.jobs(repository)) >= 3 * count, 120, "every event's job")
        mirror.wait_for(3 * count, repository, seconds=150)
    assert poller.violations == []
    wanted = {tag: line[-1].root.digest for tag, line in moves.items()}
    assert {tag: mirror.tagged(repository, tag) for tag in moves} == wanted
    assert mirror.reader.revisions(repository) == set(map(str, pushed))
    assert {tag: rebuilt(mirror, repository, tag) for tag in moves} == wanted


def test_an_older_answer_does_not_move_a_tag_from_where_an_event_put_it(make_stack: Any) -> None:
    """A replica that lags answers with the digest before; a tag that moved without an event is put right later."""
    stack: Stack = make_stack(settings={"MIRROR_RECHECK_SECONDS": "3,6"})
    with mirroring(stack) as mirror:
        one, two = (oci_image(name, layers=[5000]) for name in ("one", "two"))
        mirror.push("lagging", one)
        mirror.wait_for(1, "lagging")
        stack.registry.set_faults(
            [{"match": {"method": "HEAD", "kind": "manifest", "path": "latest"}, "do": {"stale_tag_for_s": 4}}]
        )
        mirror.push("lagging", two)
        mirror.wait_for(2, "lagging")
        assert mirror.tagged("lagging", "latest") == two.root.digest
        stack.registry.set_event_manner(hold=True)
        mirror.push("lagging", one)
        mirror.wait(lambda: mirror.tagged("lagging", "latest") == one.root.digest, 30, "what no event told of")


def test_jobs_that_share_layers_in_opposite_orders_end(mirror: Mirroring) -> None:
    sizes = [8_500_000 + 1000 * number for number in range(6)]
    forward = oci_image("opposite", layers=sizes)
    blobs = [blob for blob in forward.blobs]
    backward = reordered(forward)
    mirror.stack.registry.set_event_manner(hold=True)
    mirror.push("opposite", forward.tagged("forward"))
    mirror.push("opposite", backward.tagged("backward"))
    mirror.stack.registry.reset_requests()
    mirror.stack.registry.release_events()
    jobs = mirror.wait_for(2, "opposite")
    assert {job.state for job in jobs} == {"done"}
    opened = [it["digest"] for it in mirror.stack.registry.requests(kind="blob", method="GET") if it["status"] != 401]
    assert len(set(opened)) == len(blobs)
    assert [count for digest, count in Counter(opened).items() if digest in large(forward)] == [1] * 6


def reordered(image: Image) -> Image:
    """The same image with its layers the other way round."""
    from dataclasses import replace

    (stored,) = image.manifests
    body = json.loads(stored.raw)
    body["layers"].reverse()
    raw = json.dumps(body).encode()
    descriptor = replace(stored.descriptor, digest=Digest.of(raw), size=len(raw))
    return replace(image, root=descriptor, manifests=(replace(stored, descriptor=descriptor, raw=raw),))


def test_pushing_from_many_sides_at_once(mirror: Mirroring) -> None:
    """Whatever is pushed beside each other stands in the end, with nothing half on the way."""
    images = {f"beside/n{number}": multi_arch(f"beside-{number}", 2, shared_layers=(50_000,)) for number in range(10)}
    with Poller(mirror.reader) as poller, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: mirror.push(*item), images.items()))
        mirror.wait(lambda: len(mirror.jobs()) >= 30, 60, "every event's job")
        mirror.wait_for(30, seconds=90)
    assert poller.violations == []
    for repository, image in images.items():
        assert mirror.tagged(repository, "latest") == image.root.digest
    report = verify_all(mirror.reader)
    assert report.is_whole, str(report)
