"""kill -9 at every write to blobs, queue and table: whatever was begun is run to its end by the next delivery or the
next ask, nothing says `queued` without a message, and no half image is ever in the mirror.

A run has one thread here, so that what storage holds after one write is what it holds before the next: each process is
killed before one of its writes, and so after the one before, and nothing of it runs any more.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from azure.storage.queue import QueueClient, QueueMessage, TextBase64DecodePolicy

from acrmirror.app import App
from acrmirror.jobs import Holder, TableClaims
from acrmirror.moments import from_datetime
from acrmirror.work import BACKFILL_QUEUE, FINAL_STATES, JOB_QUEUE, Copy, Record, Sweep
from standins.stack import RESOURCE_ID
from testkit.images import Image, oci_image
from testkit.reader import verify_repository
from tests.integration.crashing import Crashing
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, asked_in, job_for

MOST = 60
QUICK = {"MIRROR_RECHECK_SECONDS": "1,2", "MIRROR_THREADS": "1"}


class Bed:
    """What a case of the matrix stands on. Each crash has a repository of its own."""

    def __init__(self, mirror: Mirroring, app: App, crashing: Crashing) -> None:
        self.mirror = mirror
        self.app = app
        self.crashing = crashing
        stack = mirror.stack
        self._queues = [
            QueueClient(
                stack.queue_endpoint,
                name,
                message_decode_policy=TextBase64DecodePolicy(),
                **stack.account.client_options,
            )
            for name in (JOB_QUEUE, BACKFILL_QUEUE)
        ]

    def push(self, repository: str) -> Image:
        return self.mirror.push(repository, oci_image(repository, layers=[5000]))

    def record(self, identity: str) -> Record:
        record = self.mirror.records.get(identity)
        assert record is not None
        return record

    def check(self, *repositories: str) -> None:
        """What has to hold at every moment."""
        for repository in repositories:
            problems = verify_repository(self.mirror.reader, repository).problems
            assert not problems, problems
        messages = [json.loads(it.content) for queue in self._queues for it in queue.peek_messages(32)]
        sent = set(asked_in(messages))
        for repository in repositories:
            assert {it.id for it in self.mirror.records.newest(state="queued", repository=repository)} <= sent

    def taken(self, queue: str) -> QueueMessage:
        """The one message of a queue, which the platform has delivered, and delivers again after a second."""
        (found,) = (it for it in self._queues if it.queue_name == queue)
        (message,) = found.receive_messages(visibility_timeout=1)
        return message

    def delete(self, queue: str, message: QueueMessage) -> None:
        (found,) = (it for it in self._queues if it.queue_name == queue)
        # It may have been seen since.
        for again in found.receive_messages(visibility_timeout=60):
            assert again.id == message.id
            found.delete_message(again)

    def drain(self) -> None:
        """The platform delivers all messages, those too that are sent meanwhile, with or without a delay."""
        until = time.monotonic() + 30
        while any(queue.get_queue_properties().approximate_message_count for queue in self._queues):
            assert time.monotonic() < until, self.mirror.tell()
            for queue in self._queues:
                for message in queue.receive_messages(visibility_timeout=60):
                    self.app.dispatch.run(message.content, message.dequeue_count or 1)
                    queue.delete_message(message)

    def check_whole(self, repository: str, image: Image) -> None:
        """What has to hold in the end."""
        self.drain()
        assert self.mirror.tagged(repository, image.tag or "") == image.root.digest
        report = verify_repository(self.mirror.reader, repository)
        assert report.is_whole, str(report)
        jobs = list(self.mirror.records.newest(repository=repository))
        assert all(it.fields["state"] in FINAL_STATES for it in jobs), self.mirror.tell()
        assert self.mirror.claims(*(it.id for it in jobs)) == []

    def close(self) -> None:
        for queue in self._queues:
            queue.close()


@pytest.fixture
def bed(bare_mirror: Mirroring) -> Iterator[Bed]:
    environment = {**bare_mirror.stack.app_environment(), **QUICK}
    with app_of(bare_mirror, **QUICK) as app, Crashing(environment) as crashing:
        made = Bed(bare_mirror, app, crashing)
        yield made
        made.close()


def at_every_write(crash: Callable[[str, int], int | None], least: int, step: int = 1) -> None:
    """Calls `crash(name, at)` for each write there is, or for each `step`th, and once when nothing is left to die at;
    `least`: how many."""
    at = 1
    while crash(f"n{at}", at) is None:
        at += step
        assert at < MOST
    assert at > least


def test_a_push(bed: Bed) -> None:
    def crash(name: str, at: int) -> int | None:
        repository = f"crash/push/{name}"
        image = bed.push(repository)
        job = job_for(repository, image)
        ended = bed.crashing.call("dispatch.run", job.to_json(), 1, at=at)
        bed.check(repository)
        if ended is None:
            bed.app.dispatch.run(job.to_json(), 2)
        bed.check_whole(repository, image)
        assert bed.record(job.id).state == "done"
        return ended

    at_every_write(crash, 11)


def test_an_event(bed: Bed) -> None:
    registry = bed.mirror.stack.registry

    def crash(name: str, at: int) -> int | None:
        repository = f"crash/event/{name}"
        image = bed.push(repository)
        event = {
            "id": f"event-{name}",
            "topic": RESOURCE_ID,
            "subject": f"{repository}:{image.tag}",
            "eventType": "Microsoft.ContainerRegistry.ImagePushed",
            "eventTime": from_datetime(datetime.now(UTC)),
            "data": {
                "id": f"event-{name}",
                "timestamp": from_datetime(datetime.now(UTC)),
                "action": "push",
                "target": {
                    "mediaType": image.root.media_type,
                    "size": image.root.size,
                    "digest": str(image.root.digest),
                    "repository": repository,
                    "tag": image.tag,
                },
                "request": {"host": registry.host},
            },
        }
        ended = bed.crashing.call("intake.receive", event, at=at)
        bed.check(repository)
        if ended is None:
            bed.app.intake.receive(event)
        bed.check_whole(repository, image)
        assert len(bed.mirror.jobs(repository)) == 1
        return ended

    at_every_write(crash, 2)


def test_a_run_that_is_to_be_tried_again(bed: Bed) -> None:
    registry = bed.mirror.stack.registry

    def crash(name: str, at: int) -> int | None:
        repository = f"crash/waiting/{name}"
        image = bed.push(repository)
        job = job_for(repository, image)
        registry.set_faults([{"match": {"kind": "manifest"}, "do": {"status": 503}}])
        ended = bed.crashing.call("dispatch.run", job.to_json(), 1, at=at)
        bed.check(repository)
        registry.clear_faults()
        if ended is None:
            bed.app.dispatch.run(job.to_json(), 2)
        bed.check_whole(repository, image)
        assert bed.record(job.id).state == "done"
        return ended

    at_every_write(crash, 3)


def test_an_ask(bed: Bed) -> None:
    def crash(name: str, at: int) -> int | None:
        repository = f"crash/ask/{name}"
        image = bed.push(repository)
        ended = bed.crashing.call("pulls.ask", repository, at=at)
        bed.check(repository)
        asked = bed.app.pulls.ask(repository)
        bed.check_whole(repository, image)
        assert bed.record(asked.id).state == "done"
        assert len(bed.mirror.jobs(repository)) == 1
        return ended

    at_every_write(crash, 3)


@pytest.mark.parametrize("before", ["failed", "cancelled"])
def test_a_retry(bed: Bed, before: str) -> None:
    def crash(name: str, at: int) -> int | None:
        repository = f"crash/retry/{before}/{name}"
        image = bed.push(repository)
        job = job_for(repository, image)
        if before == "failed":
            bed.app.dispatch.bury(job.to_json())
        else:
            bed.mirror.records.add(job)
            bed.app.pulls.cancel(job.id)
        ended = bed.crashing.call("pulls.retry", job.id, at=at)
        bed.check(repository)
        bed.drain()
        if bed.record(job.id).state == before:
            assert at == 1, "it was sent, and did not run"
            bed.app.pulls.retry(job.id)
        bed.check_whole(repository, image)
        assert bed.record(job.id).state == "done"
        return ended

    at_every_write(crash, 2)


def test_a_cancel(bed: Bed) -> None:
    def crash(name: str, at: int) -> int | None:
        repository = f"crash/cancel/{name}"
        bed.push(repository)
        asked = bed.app.pulls.ask(repository)
        ended = bed.crashing.call("pulls.cancel", asked.id, at=at)
        bed.app.pulls.cancel(asked.id)
        bed.drain()
        assert bed.record(asked.id).state == "cancelled"
        bed.check(repository)
        return ended

    at_every_write(crash, 1)


def test_a_sweep_that_is_asked_for(bed: Bed) -> None:
    def crash(name: str, at: int) -> int | None:
        repository = f"crash/sweep/{name}"
        image = bed.push(repository)
        ended = bed.crashing.call("sweeps.ask", [repository], dry_run=False, at=at)
        bed.check(repository)
        bed.drain()
        if not bed.mirror.jobs(repository):
            assert at == 1, "it was sent, and did not run"
            bed.app.sweeps.ask([repository], dry_run=False)
        bed.check_whole(repository, image)
        return ended

    at_every_write(crash, 2)


def test_a_sweep_that_runs(bed: Bed) -> None:
    def crash(name: str, at: int) -> int | None:
        repository = f"crash/swept/{name}"
        images = [bed.mirror.push(repository, oci_image(repository, layers=[5000], tag=tag)) for tag in ("v1", "v2")]
        sweep = Sweep.now((repository,), name, dry_run=False)
        ended = bed.crashing.call("dispatch.run", sweep.to_json(), 1, at=at)
        bed.check(repository)
        if ended is None:
            bed.app.dispatch.run(sweep.to_json(), 2)
        for image in images:
            bed.check_whole(repository, image)
        assert len(bed.mirror.jobs(repository)) == 2
        assert bed.record(sweep.id).state == "done"
        return ended

    at_every_write(crash, 4)


def test_a_batch(bed: Bed) -> None:
    """Two images, one after the other: what is done when it dies is not copied again."""
    registry = bed.mirror.stack.registry

    def crash(name: str, at: int) -> int | None:
        repository = f"crash/batch/{name}"
        images = [bed.mirror.push(repository, oci_image(repository, layers=[5000], tag=tag)) for tag in ("v1", "v2")]
        bed.app.dispatch.run(Sweep.now((repository,), name, dry_run=False).to_json(), 1)
        message = bed.taken(BACKFILL_QUEUE)
        ended = bed.crashing.call("dispatch.run", message.content, 1, at=at)
        problems = verify_repository(bed.mirror.reader, repository).problems
        assert not problems, problems
        if ended is not None:
            bed.delete(BACKFILL_QUEUE, message)
        done = [it for it in images if bed.mirror.tagged(repository, it.tag or "") is not None]
        registry.reset_requests()
        for image in images:
            bed.check_whole(repository, image)
        assert len(registry.requests(kind="data")) <= 2 * (len(images) - len(done))
        assert [it.state for it in bed.mirror.jobs(repository)] == ["done", "done"]
        return ended

    at_every_write(crash, 18, step=3)


def test_a_burial(bed: Bed) -> None:
    def crash(name: str, at: int) -> int | None:
        repository = f"crash/burial/{name}"
        image = bed.push(repository)
        job = job_for(repository, image)
        claims = TableClaims(bed.mirror.records.table).of(Holder.of(job, "dead", 1))
        assert all(claims.acquire(blob.descriptor.digest) for blob in image.blobs)
        ended = bed.crashing.call("dispatch.bury", job.to_json(), at=at)
        bed.app.dispatch.bury(job.to_json())
        assert bed.record(job.id).state == "failed"
        assert bed.mirror.claims(job.id) == []
        bed.app.pulls.retry(job.id)
        bed.check_whole(repository, image)
        return ended

    at_every_write(crash, 3)


def test_a_message_that_is_no_job(bed: Bed) -> None:
    def crash(name: str, at: int) -> int | None:
        ended = bed.crashing.call("dispatch.bury", f'{{"id": 7, "name": "{name}"}}', at=at)
        bed.app.dispatch.bury(f'{{"id": 7, "name": "{name}"}}')
        assert any(name in str(it.fields.get("notes")) for it in bed.mirror.jobs())
        return ended

    at_every_write(crash, 1)


def test_a_second_message_of_a_job_does_its_work_once(bed: Bed) -> None:
    image = bed.push("crash/twice")
    job = Copy.of_event(job_for("crash/twice", image).reference, "twice", from_datetime(datetime.now(UTC)))
    assert bed.crashing.call("dispatch.run", job.to_json(), 1)
    bed.mirror.stack.registry.reset_requests()
    bed.app.dispatch.run(job.to_json(), 1)
    assert not bed.mirror.stack.registry.requests(kind="blob")
