"""What the version before has left in queues, table and container goes on: each thing in the form that it wrote."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.app import App
from acrmirror.http import Request
from acrmirror.http.api import Api
from acrmirror.mirror.layout import Layout
from acrmirror.moments import from_datetime
from acrmirror.work import BACKFILL_QUEUE, JOB_QUEUE, JobId, RecordFields
from testkit.images import Image, oci_image
from tests.integration.entities import put_row
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, next_message, sent

LAYOUT = Layout()
AWAY: dict[str, Any] = {"match": {"kind": "manifest"}, "do": {"status": 503}}


def now(minutes_ago: float = 0) -> str:
    return from_datetime(datetime.now(UTC) - timedelta(minutes=minutes_ago))


def moment_of(at: str) -> datetime:
    return datetime.fromisoformat(f"{at[:26]}+00:00")


def event_message(repository: str, image: Image, at: str, **more: Any) -> dict[str, Any]:
    """A push in the queue; a recheck has `check`, and no `digest` where it is of the tag alone."""
    return {
        "version": 1,
        "id": JobId.of(moment_of(at), f"event-{repository}"),
        "kind": "event",
        "repository": repository,
        "tag": image.tag,
        "digest": str(image.root.digest),
        "at": at,
        "received": at,
        "eventId": f"event-{repository}",
        "mediaType": image.root.media_type,
        "size": image.root.size,
        **more,
    }


def asked(kind: str, identity: str, repository: str, at: str, **more: Any) -> dict[str, Any]:
    """The entity of a job as it was first written, with neither `heartbeat` nor `retries`."""
    known: dict[str, Any] = {"kind": kind, "repository": repository, "tag": "", "digest": "", "event_id": ""}
    known |= {"at": at, "received": at, "force": False, "platforms": "[]", "parent": "", "state": "queued"}
    return {"PartitionKey": f"job-{identity[:5]}", "RowKey": identity} | known | more


def sweep_entity(identity: str, at: str, *patterns: str) -> dict[str, Any]:
    known = {"kind": "match", "patterns": json.dumps(patterns), "dry_run": False, "at": at, "received": at}
    return {"PartitionKey": f"job-{identity[:5]}", "RowKey": identity} | known | {"state": "queued"}


def state_of(mirror: Mirroring, identity: str) -> RecordFields:
    record = mirror.records.get(identity)
    assert record is not None
    return record.fields


@contextmanager
def without_backfill_queue(mirror: Mirroring) -> Iterator[None]:
    """As before the templates of this version are deployed."""
    (queue,) = (it for it in mirror.queues if it.queue_name == BACKFILL_QUEUE)
    queue.delete_queue()
    try:
        yield
    finally:
        queue.create_queue()


def next_of_pushes(mirror: Mirroring) -> dict[str, Any]:
    """The one message in the queue of pushes, once it can be seen."""
    messages: list[dict[str, Any]] = []

    def arrived() -> bool:
        messages[:] = sent(mirror, JOB_QUEUE)
        return messages not in ([], [{}])

    mirror.wait(arrived, 60, "the message")
    (message,) = messages
    return message


def run(app: App, message: dict[str, Any]) -> None:
    app.dispatch.run(json.dumps({name: value for name, value in message.items() if value is not None}), 1)


def test_a_job_that_was_waiting_goes_on_and_its_one_clock_ends_nothing(bare_mirror: Mirroring) -> None:
    mirror, repository = bare_mirror, "upgrade/waiting"
    image, at = mirror.push(repository, oci_image(repository)), now(60 * 7)
    message = event_message(repository, image, at, attempt=9, failingSince=at)
    told = {"state": "waiting", "attempt": 9, "run": "x", "deliveries": 1, "error_code": "unavailable"}
    put_row(mirror.records.table, asked("event", message["id"], repository, at, **told))
    mirror.stack.registry.set_faults([AWAY])
    with app_of(mirror) as app:
        run(app, message)
        assert state_of(mirror, message["id"])["state"] == "waiting"
        mirror.stack.registry.clear_faults()
        run(app, next_message(mirror))
    assert state_of(mirror, message["id"])["state"] == "done"


def old_link(
    mirror: Mirroring, container: ContainerClient, repository: str, at: str, there: Image, pushed: Image
) -> None:
    """The tag's link and the event's observation, under their names and with their metadata of then."""
    digest = there.root.digest
    told = {"digest": str(digest), "media_type": there.root.media_type, "size": str(there.root.size), "time": at}
    place = LAYOUT.tag_link(repository, "latest")
    container.upload_blob(place, str(digest).encode(), overwrite=True, metadata=told)
    for blob in list(container.list_blobs(name_starts_with=LAYOUT.tag_history(repository, "latest"))):
        container.delete_blob(blob.name)
    name = f"{at}-sha256-{pushed.root.digest.encoded}-event-{repository.replace('/', '-')}"
    place = f"{LAYOUT.tag_history(repository, 'latest')}/{name}"
    container.upload_blob(place, b"{}", metadata={"kind": "event"})


@pytest.mark.parametrize("known", ["in history", "in the record alone"])
def test_a_recheck_is_about_the_event_that_it_was_about(bare_mirror: Mirroring, known: str) -> None:
    """Its message has neither the event's digest nor `about`, and the tag's link has nothing of the event: a replica
    that is still behind must not be believed, and is asked again."""
    mirror, repository = bare_mirror, f"upgrade/recheck-{known.split()[-1]}"
    before = mirror.push(repository, oci_image("before"))
    image = mirror.push(repository, oci_image("pushed"))
    at = now(1)
    message = event_message(repository, image, at) | {"eventId": f"event-{repository.replace('/', '-')}"}
    with app_of(mirror) as app:
        run(app, message)
        run(app, event_message(repository, before, now(2)))
        for queue in mirror.queues:
            queue.clear_messages()
        old_link(mirror, mirror.container, repository, at, before, image)
        if known != "in history":
            for blob in list(mirror.container.list_blobs(name_starts_with=LAYOUT.tag_history(repository, "latest"))):
                mirror.container.delete_blob(blob.name)
        # What the replica answers that is behind.
        (root,) = (it for it in before.manifests if it.descriptor.digest == before.root.digest)
        mirror.pusher.manifest(repository, root.raw, root.descriptor.media_type, "latest")
        run(app, message | {"digest": None, "check": 1})
        assert mirror.tagged(repository, "latest") == image.root.digest
        assert state_of(mirror, message["id"])["check_state"] == "done"
        assert len(sent(mirror, JOB_QUEUE)) == 1
    assert state_of(mirror, message["id"])["state"] == "done"


def test_a_job_of_a_sweep_waits_also_where_the_queue_of_sweeps_is_not_there_yet(bare_mirror: Mirroring) -> None:
    mirror, repository = bare_mirror, "upgrade/child"
    mirror.push(repository, oci_image(repository, tag="v1"))
    at = now()
    parent = JobId.of(moment_of(at), "a sweep")
    identity = JobId.of(moment_of(at), f"{parent} {repository}:v1")
    message = {"version": 1, "id": identity, "kind": "pull", "repository": repository, "tag": "v1"}
    message |= {"at": at, "received": at, "parent": parent}
    mirror.stack.registry.set_faults([AWAY])
    with without_backfill_queue(mirror), app_of(mirror) as app:
        run(app, message)
        assert state_of(mirror, identity)["state"] == "waiting"
        mirror.stack.registry.clear_faults()
        again = next_of_pushes(mirror)
        run(app, again)
    assert state_of(mirror, identity)["state"] == "done"


def test_a_sweep_waits_for_its_queue_and_says_so(bare_mirror: Mirroring) -> None:
    mirror, repository = bare_mirror, "upgrade/sweep"
    mirror.push(repository, oci_image(repository, tag="v1"))
    at = now()
    identity = JobId.of(moment_of(at), "another sweep")
    put_row(mirror.records.table, sweep_entity(identity, at, repository))
    message = {"version": 1, "id": identity, "kind": "match", "patterns": [repository], "at": at, "dryRun": False}
    with app_of(mirror) as app:
        with without_backfill_queue(mirror):
            run(app, message)
            told = state_of(mirror, identity)
            assert (told["state"], told["error_code"]) == ("waiting", "unavailable")
            assert f"storage has no queue {BACKFILL_QUEUE}" in told["error_answered"]
            again = next_of_pushes(mirror)
        run(app, again)
        assert state_of(mirror, identity)["state"] == "done"
        jobs = app.pulls.children(app.pulls.get(identity))
        assert jobs is not None
        assert jobs.states == {"queued": 1}


def test_a_sweep_in_the_table_shows_its_jobs_or_that_it_has_none(bare_mirror: Mirroring) -> None:
    mirror, at = bare_mirror, now(60 * 30)
    sweep, childless = (JobId.of(moment_of(at), f"{name} sweep") for name in ("old", "childless"))
    table = mirror.records.table
    for identity in (sweep, childless):
        put_row(table, sweep_entity(identity, at, "upgrade/*") | {"state": "done"})
    for number, state in enumerate(("done", "done", "failed", "queued")):
        child = JobId.of(moment_of(at), f"{sweep} upgrade/app:v{number}")
        put_row(table, asked("pull", child, "upgrade/app", at, tag=f"v{number}", parent=sweep, state=state))
    with app_of(mirror) as app:
        api = Api(lambda: app)
        shown = json.loads(api.show_pull(Request("GET", {"id": sweep})).body)
        assert shown["match"]["jobs"] == {"done": 2, "failed": 1, "queued": 1}
        answer = api.show_pull(Request("GET", {"id": childless}))
        assert (answer.status, json.loads(answer.body)["match"]["jobs"]) == (200, {})
        assert api.list_pulls(Request("GET", {}, {"n": "100"})).status == 200
        again = app.pulls.retry(child)
    assert again.state == "queued"
    assert len(sent(mirror, BACKFILL_QUEUE)) == 1
