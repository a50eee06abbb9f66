"""What people ask for ends in a job that runs, whoever dies in between and whatever storage refuses (rule W6)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acrmirror.app import App
from acrmirror.errors import MirrorError
from acrmirror.jobs import JobQueue, JobRecords, Recorder
from acrmirror.moments import from_datetime
from acrmirror.reference import Reference
from acrmirror.work import Copy, Record, Sweep
from standins.foundation import Foundation
from standins.policy.refusals import refuse
from testkit.images import Image, oci_image
from testkit.reader import verify_repository
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, job_for, sent
from tests.integration.storage_proxy import StorageProxy


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Mirroring:
    return bare_mirror


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, kind: type, method: str) -> Iterator[None]:
    """Whoever is about to call it dies."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(kind, method, die)
        with pytest.raises(Killed):
            yield


def record_of(mirror: Mirroring, identity: str) -> Record:
    record = mirror.records.get(identity)
    assert record is not None
    return record


def failed_pull(mirror: Mirroring, app: App, repository: str) -> tuple[Image, str]:
    """An image, and a pull of it that has failed."""
    image = mirror.push(repository, oci_image(repository))
    job = job_for(repository, image)
    app.dispatch.bury(job.to_json())
    assert record_of(mirror, job.id).state == "failed"
    return image, job.id


def run_all(mirror: Mirroring, app: App) -> list[dict[str, Any]]:
    """Every message there is is run once, and is gone."""
    messages = sent(mirror)
    for queue in mirror.queues:
        queue.clear_messages()
    for message in messages:
        app.dispatch.run(json.dumps(message), 1)
    return messages


def test_what_was_asked_for_by_one_who_died_is_sent_by_the_next(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.push("asked/died", oci_image("asked died"))
    with app_of(mirror) as app:
        with dying(monkeypatch, JobQueue, "send"):
            app.pulls.ask("asked/died")
        record = app.pulls.ask("asked/died")
        (message,) = run_all(mirror, app)
        assert message["id"] == record.id
        assert app.pulls.get(record.id).state == "done"
    assert verify_repository(mirror.reader, "asked/died").is_whole


def test_a_refused_message_is_told_to_everyone_who_asks_and_holds_nobody_later(
    mirror: Mirroring, foundation: Foundation
) -> None:
    mirror.push("asked/refused", oci_image("asked refused"))
    stack = mirror.stack
    with StorageProxy(stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream = stack.account.queue_endpoint
        with app_of(mirror, MIRROR_QUEUE__queueServiceUri=proxy.endpoint) as app:
            proxy.refuses = lambda method, path: refusal if method == "POST" else None
            refusal = refuse("queue")
            for _ in range(2):
                with pytest.raises(MirrorError):
                    app.pulls.ask("asked/refused")
            proxy.refuses = lambda method, path: None
            record = app.pulls.ask("asked/refused")
            run_all(mirror, app)
            assert app.pulls.get(record.id).state == "done"


def test_a_retry_that_dies_before_its_message_leaves_the_record_as_it_was(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app_of(mirror) as app:
        _, identity = failed_pull(mirror, app, "retried/died")
        with dying(monkeypatch, JobQueue, "send"):
            app.pulls.retry(identity)
        assert record_of(mirror, identity).state == "failed"
        app.pulls.retry(identity)
        run_all(mirror, app)
    assert record_of(mirror, identity).state == "done"


@pytest.mark.parametrize("before", ["failed", "cancelled"])
def test_a_retry_that_dies_behind_its_message_is_run_all_the_same(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    repository = f"retried/{before}"
    image = mirror.push(repository, oci_image(repository))
    job = job_for(repository, image)
    with app_of(mirror) as app:
        if before == "failed":
            app.dispatch.bury(job.to_json())
        else:
            mirror.records.add(job)
            app.pulls.cancel(job.id)
            app.dispatch.run(job.to_json(), 1)
        assert record_of(mirror, job.id).state == before
        with dying(monkeypatch, JobRecords, "write"):
            app.pulls.retry(job.id)
        run_all(mirror, app)
    record = record_of(mirror, job.id)
    assert (record.state, record.fields["error_code"], record.fields["cancel_requested"]) == ("done", "", False)


def test_a_job_whose_worker_was_lost_says_by_when_it_comes_again_and_can_be_sent_again_at_once(
    mirror: Mirroring,
) -> None:
    image = mirror.push("retried/lost", oci_image("retried lost"))
    job = job_for("retried/lost", image)
    Recorder(mirror.records, job, "lost", 1).begin()
    heard = datetime.now(UTC) - timedelta(minutes=2)
    mirror.records.change(job.id, {"heartbeat": from_datetime(heard)})
    with app_of(mirror) as app:
        record = app.pulls.get(job.id)
        assert (record.state, record.next_attempt) == ("interrupted", from_datetime(heard + timedelta(minutes=10)))
        app.pulls.retry(job.id)
        # The message of the lost worker, delivered again.
        app.dispatch.run(job.to_json(), 2)
        assert record_of(mirror, job.id).state == "queued"
        run_all(mirror, app)
    assert (record_of(mirror, job.id).state, record_of(mirror, job.id).next_attempt) == ("done", None)


def test_a_dead_message_from_before_a_retry_buries_nothing(mirror: Mirroring) -> None:
    image = mirror.push("retried/dead", oci_image("retried dead", layers=[9 * 2**20]))
    job = job_for("retried/dead", image)
    with app_of(mirror) as app:
        app.dispatch.bury(job.to_json())
        app.pulls.retry(job.id)
        before = record_of(mirror, job.id)
        app.dispatch.bury(job.to_json())
        assert record_of(mirror, job.id) == before
        run_all(mirror, app)
    assert record_of(mirror, job.id).state == "done"


def test_a_job_that_a_person_cancelled_ends_cancelled_though_its_worker_died(mirror: Mirroring) -> None:
    image = mirror.push("cancelled/dead", oci_image("cancelled dead"))
    job = job_for("cancelled/dead", image)
    Recorder(mirror.records, job, "lost", 1).begin()
    with app_of(mirror) as app:
        app.pulls.cancel(job.id)
        app.dispatch.bury(job.to_json())
    assert record_of(mirror, job.id).state == "cancelled"


def test_a_message_from_before_a_retry_is_left_to_the_later_one(mirror: Mirroring) -> None:
    image = mirror.push("retried/late", oci_image("retried late"))
    job = job_for("retried/late", image)
    with app_of(mirror) as app:
        app.dispatch.bury(job.to_json())
        app.pulls.retry(job.id)
        app.dispatch.run(job.to_json(), 1)
        assert record_of(mirror, job.id).state == "queued"
        run_all(mirror, app)
    assert record_of(mirror, job.id).state == "done"


def test_a_sweep_sent_again_runs_whether_or_not_its_record_says_so(
    mirror: Mirroring, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = Sweep.now(("none/*",), "seed", dry_run=True)
    with app_of(mirror) as app:
        app.dispatch.bury(sweep.to_json())
        with dying(monkeypatch, JobQueue, "send_task"):
            app.pulls.retry(sweep.id)
        assert record_of(mirror, sweep.id).state == "failed"
        with dying(monkeypatch, JobRecords, "write"):
            app.pulls.retry(sweep.id)
        run_all(mirror, app)
    assert record_of(mirror, sweep.id).state == "done"


def test_a_sweep_whose_message_is_refused_has_no_record(mirror: Mirroring, foundation: Foundation) -> None:
    stack = mirror.stack
    with StorageProxy(stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream = stack.account.queue_endpoint
        refusal = refuse("queue")
        proxy.refuses = lambda method, path: refusal if method == "POST" else None
        with (
            app_of(mirror, MIRROR_QUEUE__queueServiceUri=proxy.endpoint) as app,
            pytest.raises(MirrorError),
        ):
            app.sweeps.ask(["none/*"], dry_run=True)
    assert mirror.jobs() == []


def test_what_has_been_queued_for_long_without_a_run_is_sent_again(mirror: Mirroring) -> None:
    """As after a failover of storage, where a record may have got through and its message not."""
    mirror.push("queued/lost", oci_image("queued lost"))
    with app_of(mirror) as app:
        first = app.pulls.ask("queued/lost")
        for queue in mirror.queues:
            queue.clear_messages()
        assert app.pulls.ask("queued/lost").id == first.id
        assert sent(mirror) == []
        long_ago = from_datetime(datetime.now(UTC) - timedelta(minutes=5))
        mirror.records.change(first.id, {"heartbeat": long_ago})
        assert app.pulls.ask("queued/lost").id == first.id
        assert [it["id"] for it in run_all(mirror, app)] == [first.id]
        assert app.pulls.get(first.id).state == "done"


def test_a_pull_that_is_being_cancelled_is_not_joined(mirror: Mirroring) -> None:
    mirror.push("dying", oci_image("dying"))
    with app_of(mirror) as app:
        first = app.pulls.ask("dying")
        mirror.records.change(first.id, {"state": "running", "run": "another", "deliveries": 1})
        app.pulls.cancel(first.id)
        assert app.pulls.ask("dying").id != first.id


def test_a_second_message_of_a_job_that_is_being_run_ends_at_once(mirror: Mirroring) -> None:
    image = mirror.push("second/message", oci_image("second message"))
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": {"latency_ms": 1500}}])
    job = Copy.of_pull(Reference("second/message", image.tag, image.root.digest), "twice")
    with app_of(mirror) as one, app_of(mirror) as other:
        first = threading.Thread(target=one.dispatch.run, args=(job.to_json(), 1))
        first.start()
        mirror.wait(lambda: (it := mirror.records.get(job.id)) is not None and it.state == "running", 60)
        run = record_of(mirror, job.id).fields["run"]
        other.dispatch.run(job.to_json(), 1)
        first.join(30)
    record = record_of(mirror, job.id)
    assert (record.state, record.fields["run"]) == ("done", run)


def test_a_sweep_that_is_cancelled_while_it_waits_is_told_without_an_image(mirror: Mirroring) -> None:
    with app_of(mirror) as app:
        asked = app.sweeps.ask(["asked/*"], dry_run=False)
        record = app.pulls.cancel(asked.id)
    assert record.state == "cancelled"
    assert record.fields["error_asked"] == "mirror what its patterns choose"
