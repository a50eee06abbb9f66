"""Batches, in the test's own process: each of their copies comes to its own end, whatever becomes of the others."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from acrmirror.app import App
from acrmirror.oci import parse_manifest
from acrmirror.work import BACKFILL_QUEUE, Batch, Sweep, read_task
from standins.foundation import Foundation
from standins.relay import Answer
from testkit.images import Image, oci_image
from testkit.reader import verify_repository
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, asked_in, sent
from tests.integration.storage_proxy import StorageProxy


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Iterator[Mirroring]:
    for queue in bare_mirror.queues:
        queue.clear_messages()
    yield bare_mirror
    bare_mirror.stack.registry.clear_faults()
    for queue in bare_mirror.queues:
        queue.clear_messages()


def images_in(mirror: Mirroring, repository: str, count: int = 4) -> dict[str, Image]:
    """A repository's images, by their tags."""
    return {
        tag: mirror.push(repository, oci_image(f"{repository} {tag}", layers=[5000], tag=tag))
        for tag in (f"v{number}" for number in range(count))
    }


def batch_for(mirror: Mirroring, app: App, repository: str, seed: str = "seed") -> Batch:
    """What a sweep requests of the repository, taken from the queue."""
    app.dispatch.run(Sweep.now((repository,), f"{repository} {seed}", dry_run=False).to_json(), 1)
    (message,) = taken(mirror)
    task = read_task(json.dumps(message))
    assert isinstance(task, Batch)
    return task


def taken(mirror: Mirroring) -> list[dict[str, Any]]:
    """All messages that can be seen."""
    found = [it for it in sent(mirror) if it]
    for queue in mirror.queues:
        queue.clear_messages()
    return found


def states(mirror: Mirroring, repository: str) -> dict[str, str]:
    return {it.fields["tag"]: it.state for it in mirror.jobs(repository)}


def check_whole(mirror: Mirroring, repository: str, images: dict[str, Image]) -> None:
    assert {tag: mirror.tagged(repository, tag) for tag in images} == {
        tag: it.root.digest for tag, it in images.items()
    }
    report = verify_repository(mirror.reader, repository)
    assert report.is_whole, str(report)


def test_a_batch_costs_few_requests_for_each_image_and_each_has_its_record(mirror: Mirroring) -> None:
    repository, registry = "batch/few", mirror.stack.registry
    images = images_in(mirror, repository, 6)
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        assert states(mirror, repository) == dict.fromkeys(images, "queued")
        registry.reset_requests()
        app.dispatch.run(batch.to_json(), 1)
    answered = [it["kind"] for it in registry.requests() if it["status"] != 401]
    assert answered.count("token") == 1
    # Where the tag is, the manifest, a config and a layer: and nothing that the listing has told.
    each = ["manifest", "manifest", "blob", "blob"]
    assert sorted(it for it in answered if it in ("manifest", "blob", "referrers")) == sorted(each * len(images))
    check_whole(mirror, repository, images)
    records = mirror.jobs(repository)
    assert {it.fields["tag"]: it.fields["tagged_digest"] for it in records} == {
        tag: str(it.root.digest) for tag, it in images.items()
    }
    assert {(it.state, it.fields["requests"], it.fields["layers_total"]) for it in records} == {("done", 4, 2)}
    assert taken(mirror) == []


def test_what_one_image_fails_by_is_its_own_and_goes_on_by_itself(mirror: Mirroring, foundation: Foundation) -> None:
    repository, stack = "batch/apart", mirror.stack
    images = images_in(mirror, repository, 6)
    gone, broken, throttled, unwritten = (images[it] for it in ("v0", "v1", "v2", "v3"))

    def path_of(image: Image) -> dict[str, str]:
        return {"path": f".*{image.root.digest.encoded}"}

    def refuse(method: str, path: str) -> Answer | None:
        return Answer(400) if method == "PUT" and f"/revisions/sha256/{unwritten.root.digest.encoded}" in path else None

    with StorageProxy(stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream, proxy.refuses = stack.blob_endpoint, lambda method, path: refuse(method, unquote(path))
        with app_of(mirror, MIRROR_BLOB_ENDPOINT=proxy.endpoint) as app:
            batch = batch_for(mirror, app, repository)
            layer = broken.blobs[-1].descriptor.digest.encoded
            stack.registry.set_faults(
                [
                    {"match": path_of(gone), "do": {"status": 404}},
                    {"match": {"path": f".*{layer}"}, "do": {"corrupt": True}},
                    {"match": path_of(throttled), "do": {"status": 429, "headers": {"Retry-After": "60"}}},
                ]
            )
            app.dispatch.run(batch.to_json(), 1)
        stack.registry.clear_faults()
    by_tag = {it.fields["tag"]: (it.state, it.fields["error_code"]) for it in mirror.jobs(repository)}
    assert by_tag == {
        "v0": ("waiting", "not-found"),
        "v1": ("waiting", "digest-mismatch"),
        "v2": ("waiting", "throttled"),
        "v3": ("waiting", "unavailable"),
        "v4": ("done", ""),
        "v5": ("done", ""),
    }
    # Each has a message of its own, which a second delivery of the batch does not wait for.
    assert len(sent(mirror, BACKFILL_QUEUE)) == 4
    with app_of(mirror) as app:
        for job in batch:
            app.dispatch.run(job.later(()).to_json(), 1)
    assert states(mirror, repository) == dict.fromkeys(images, "done")
    check_whole(mirror, repository, images)


def test_a_batch_that_comes_again_goes_on_one_by_one_and_copies_nothing_twice(mirror: Mirroring) -> None:
    """As its worker left it that was killed: one image is done, one was being copied a moment ago."""
    repository = "batch/again"
    images = images_in(mirror, repository)
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        app.dispatch.run(replace(batch, wanted=batch.wanted[:1]).to_json(), 1)
        at_work = batch.wanted[1].job
        mirror.records.change(at_work, {"state": "running", "run": "dead", "deliveries": 1})
        app.dispatch.run(batch.to_json(), 2)
        messages = taken(mirror)
        assert sorted(asked_in(messages)) == sorted(it.job for it in batch.wanted[1:])
        assert {it["attempt"] for it in messages} == {1}
        mirror.stack.registry.reset_requests()
        for message in messages:
            app.dispatch.run(json.dumps(message), 1)
    assert states(mirror, repository) == dict.fromkeys(images, "done")
    check_whole(mirror, repository, images)
    blobs = [it for it in mirror.stack.registry.requests(kind="blob") if it["status"] != 401]
    assert len(blobs) == 2 * (len(images) - 1)


def test_a_batch_in_the_poison_queue_buries_none_of_its_images(mirror: Mirroring) -> None:
    """The one that kills its worker does so by itself, and is buried by itself."""
    repository = "batch/poison"
    images = images_in(mirror, repository)
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        app.dispatch.bury(batch.to_json())
        guilty, *others = taken(mirror)
        app.dispatch.bury(json.dumps(guilty))
        for message in others:
            app.dispatch.run(json.dumps(message), 1)
    found = states(mirror, repository)
    assert sorted(found.values()) == ["done", "done", "done", "failed"]
    assert found[guilty["tag"]] == "failed"
    assert len(images) == 4


def test_an_image_that_was_cancelled_is_left_and_the_others_come(mirror: Mirroring) -> None:
    repository = "batch/cancelled"
    images_in(mirror, repository)
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        app.pulls.cancel(batch.wanted[0].job)
        mirror.records.change(batch.wanted[1].job, {"cancel_requested": True})
        app.pulls.cancel(batch.wanted[2].job)
        app.pulls.retry(batch.wanted[2].job)
        mirror.stack.registry.reset_requests()
        app.dispatch.run(batch.to_json(), 1)
        by_job = {it.id: it.state for it in mirror.jobs(repository)}
        assert [by_job[it.job] for it in batch.wanted] == ["cancelled", "cancelled", "queued", "done"]
        (retried,) = taken(mirror)
        app.dispatch.run(json.dumps(retried), 1)
    assert retried["id"] == batch.wanted[2].job
    assert sorted(states(mirror, repository).values()) == ["cancelled", "cancelled", "done", "done"]


def test_an_image_that_is_cancelled_while_its_batch_is_copied_ends_soon_and_alone(mirror: Mirroring) -> None:
    repository = "batch/stalled"
    images = images_in(mirror, repository)
    layer = images["v1"].blobs[-1].descriptor.digest.encoded
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        (stalled,) = (it.job for it in batch.wanted if it.tag == "v1")
        fault = {"match": {"path": f".*{layer}"}, "do": {"latency_ms": 60_000}}
        mirror.stack.registry.set_faults([fault])
        run = threading.Thread(target=app.dispatch.run, args=(batch.to_json(), 1))
        run.start()
        wanted = dict.fromkeys(images, "done") | {"v1": "running"}
        mirror.wait(lambda: states(mirror, repository) == wanted, 30, "the others")
        app.pulls.cancel(stalled)
        run.join(30)
        assert not run.is_alive()
    assert states(mirror, repository) == wanted | {"v1": "cancelled"}
    assert taken(mirror) == []


def test_two_sweeps_that_find_the_same_lacking_at_once_copy_it_once(mirror: Mirroring) -> None:
    repository = "batch/twice"
    images = images_in(mirror, repository)
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        # The other one's, which had not seen this one's records yet.
        other = replace(batch, parent=Sweep.now((repository,), "the other", dry_run=False).id)
        app.dispatch.run(batch.to_json(), 1)
        mirror.stack.registry.reset_requests()
        app.dispatch.run(other.to_json(), 1)
        app.dispatch.run(Sweep.now((repository,), "a third", dry_run=False).to_json(), 1)
    assert mirror.stack.registry.requests(kind="blob") == []
    assert states(mirror, repository) == dict.fromkeys(images, "done")
    assert len(mirror.jobs(repository)) == len(images)
    assert taken(mirror) == []


def test_more_batches_than_run_at_once_come_one_after_the_other(mirror: Mirroring) -> None:
    """As a worker gets them that takes several messages."""
    repositories = [f"batch/many-{number}" for number in range(4)]
    images = {it: images_in(mirror, it, 2) for it in repositories}
    with app_of(mirror) as app, ThreadPoolExecutor(len(repositories)) as pool:
        batches = [batch_for(mirror, app, it) for it in repositories]
        list(pool.map(lambda it: app.dispatch.run(it.to_json(), 1), batches))
    for repository in repositories:
        assert states(mirror, repository) == {"v0": "done", "v1": "done"}
        check_whole(mirror, repository, images[repository])


def test_an_image_that_is_larger_than_the_listing_says_leaves_its_batch(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = "batch/large"
    images = images_in(mirror, repository, 3)
    images["large"] = mirror.push(repository, oci_image("large", layers=[200_000], tag="large"))
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        monkeypatch.setattr("acrmirror.jobs.batches.LARGEST", 100_000)
        app.dispatch.run(batch.to_json(), 1)
        found = states(mirror, repository)
        assert found.pop("large") in ("queued", "running")
        assert set(found.values()) == {"done"}
        (message,) = taken(mirror)
        assert message["tag"] == "large"
        app.dispatch.run(json.dumps(message), 1)
    check_whole(mirror, repository, images)


def test_what_nobody_expects_of_one_image_leaves_the_others_alone(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = "batch/unexpected"
    images = images_in(mirror, repository)
    odd = str(images["v2"].root.digest)
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
        with monkeypatch.context() as patch:

            def fail(raw: bytes, media_type: str, digest: Any) -> Any:
                if str(digest) == odd:
                    raise ZeroDivisionError("nobody expects it")
                return parse_manifest(raw, media_type, digest)

            patch.setattr("acrmirror.copying.reading.parse_manifest", fail)
            app.dispatch.run(batch.to_json(), 1)
        (message,) = taken(mirror)
        assert message["tag"] == "v2"
        app.dispatch.run(json.dumps(message), 1)
    check_whole(mirror, repository, images)


def test_a_batch_whose_table_is_away_copies_all_the_same(mirror: Mirroring, foundation: Foundation) -> None:
    """Its records come with the next attempts. The table is not waited for at every image: that takes long."""
    repository, stack = "batch/table", mirror.stack
    images = images_in(mirror, repository, 3)
    with app_of(mirror) as app:
        batch = batch_for(mirror, app, repository)
    with StorageProxy(stack.ca, foundation.certificates.server) as proxy:
        looked: list[str] = []

        def refuse(method: str, path: str) -> Answer:
            looked.append(f"{method} {path}")
            return Answer(400)

        proxy.upstream, proxy.refuses = stack.table_endpoint, refuse
        with app_of(mirror, MIRROR_TABLE_ENDPOINT=proxy.endpoint) as app:
            app.dispatch.run(batch.to_json(), 1)
    check_whole(mirror, repository, images)
    assert len([it for it in looked if it.startswith("GET")]) < 2 * len(images)
    assert len(sent(mirror, BACKFILL_QUEUE)) == len(images)
    with app_of(mirror) as app:
        for job in batch:
            app.dispatch.run(job.later(()).to_json(), 1)
    assert states(mirror, repository) == dict.fromkeys(images, "done")
