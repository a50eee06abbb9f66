"""A job on its way through the queue."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import Malformed
from acrmirror.moments import Moment
from acrmirror.reference import Digest, Reference
from acrmirror.work import Copy, Deletion, JobId, Sweep, read_task
from acrmirror.work.failing import Failing

AT = Moment("2026-04-25T21:39:47.276585742Z")
REFERENCE = Reference("team/app", "v1", Digest.of(b"image"))
DUE = Moment("2026-04-25T21:49:47.000000001Z")
FAILING = (Failing("unavailable", AT, 2, DUE), Failing("not-found", AT, 1, AT))
GOOD = Copy.of_event(REFERENCE, "e1", AT).to_json()[:-1]


def read_job(message: str) -> Copy:
    task = read_task(message)
    assert isinstance(task, Copy)
    return task


def test_an_id_sorts_newest_first() -> None:
    now = datetime(2026, 4, 25, tzinfo=UTC)
    ids = [JobId.of(now + timedelta(milliseconds=step), "x") for step in (0, 1, 1000, 10**9, 10**11)]
    assert ids == sorted(ids, reverse=True)


def test_an_id_says_when_and_its_hour_names_what_a_sweep_asks_for() -> None:
    at = datetime(2026, 4, 25, 21, 39, 47, 276_000, tzinfo=UTC)
    identity = JobId.of(at, "x")
    assert JobId.is_one(identity)
    assert identity.asked_at == at
    later = JobId.of(at + timedelta(minutes=20), "y")
    assert identity.child("copy") == later.child("copy")
    assert identity.child("copy").asked_at == at.replace(minute=0, second=0, microsecond=0)
    assert JobId.of(at + timedelta(minutes=21), "x").child("copy") != identity.child("copy")


@pytest.mark.parametrize(
    "text", ["", "8203961331987", "8203961331987-D0C8D6214121", "8203961331987-d0c8d6214121/", "../x"]
)
def test_what_is_no_id(text: str) -> None:
    assert not JobId.is_one(text)


def test_a_sweep_is_read_from_its_message_and_is_no_job() -> None:
    sweep = Sweep(JobId.of(datetime(2026, 4, 25, tzinfo=UTC), "x"), AT, ("team/*",), retries=2, failing=FAILING)
    assert read_task(sweep.to_json()) == sweep


@pytest.mark.parametrize(
    "fields", [{"version": 2}, {"version": None}, {"id": 7}, {"patterns": None}, {"at": "soon"}, {"retries": "many"}]
)
def test_what_is_no_sweep_is_malformed(fields: dict[str, object]) -> None:
    sweep = Sweep(JobId.of(datetime(2026, 4, 25, tzinfo=UTC), "x"), AT, ("team/*",))
    with pytest.raises(Malformed):
        read_task(json.dumps(json.loads(sweep.to_json()) | fields))


def test_the_same_event_makes_the_same_job() -> None:
    assert Copy.of_event(REFERENCE, "e1", AT).id == Copy.of_event(REFERENCE, "e1", AT).id
    assert Copy.of_event(REFERENCE, "e1", AT).id != Copy.of_event(REFERENCE, "e2", AT).id


def test_a_job_survives_the_queue() -> None:
    job = Copy.of_event(REFERENCE, "e1", AT, "application/json", 12).later(FAILING, fresh=True)
    assert read_task(job.to_json()) == job
    assert (job.attempt, job.failing) == (1, FAILING)
    check = job.checking_again(None, AT)
    assert read_task(check.to_json()) == check
    assert (check.reference.digest, check.reference.tag, check.check) == (None, "v1", 1)
    assert (check.attempt, check.failing) == (0, ())
    assert (check.about, check.ended) == (AT, "done")
    check = job.checking_again(REFERENCE.digest)
    assert read_task(check.to_json()) == check
    assert (check.reference.digest, check.about) == (REFERENCE.digest, None)
    check = job.checking_again(None, AT, "gone").checking_again(None, AT, "done")
    assert read_task(check.to_json()) == check
    assert (check.about, check.ended, check.check) == (AT, "gone", 2)


def test_a_message_of_an_older_version_is_read_and_each_kind_of_failure_begins_anew() -> None:
    """It has one clock for all kinds, and what set it going is not known."""
    written = json.loads(Copy.of_event(REFERENCE, "e1", AT).to_json()) | {"attempt": 4, "failingSince": AT}
    job = read_job(json.dumps(written))
    assert (job.attempt, job.failing, job.reference) == (4, (), REFERENCE)


def test_a_recheck_of_an_older_version_is_about_its_own_event() -> None:
    """It was sent only for a tag that contradicted that. One for a foreign layer that was not there has a digest."""
    fields = json.loads(Copy.of_event(REFERENCE, "e1", AT).to_json()) | {"check": 1}
    assert read_job(json.dumps(fields)).about is None
    del fields["digest"]
    assert read_job(json.dumps(fields)).about == AT
    assert read_job(json.dumps(fields | {"about": DUE})).about == DUE
    assert read_job(json.dumps(fields | {"kind": "pull"})).about is None


def test_a_deletion_survives_the_queue() -> None:
    one = Reference("team/app", None, Digest.of(b"image"))
    deletion = Deletion.of_event(one, "e1", AT)
    assert deletion.id == Deletion.of_event(one, "e1", AT).id
    assert read_task(deletion.to_json()) == deletion
    again = deletion.later(FAILING, fresh=True)
    assert read_task(again.to_json()) == again
    assert (again.attempt, again.failing, again.check) == (1, FAILING, 0)
    assert again.asked["kind"] == "deletion"


def test_a_deletion_of_an_older_version_is_read() -> None:
    """It wrote all that a copy has."""
    digest = Digest.of(b"image")
    fields = {"version": 1, "id": "x", "kind": "deletion", "repository": "team/app", "digest": str(digest)}
    written = fields | {"at": AT, "received": AT, "eventId": "e1", "force": False, "check": 0}
    assert read_task(json.dumps(written)) == Deletion(JobId("x"), AT, Reference("team/app", None, digest), AT, "e1")


@pytest.mark.parametrize("fields", [{"version": 2}, {"eventId": None}, {"digest": 7}, {"at": "soon"}, {"retries": "x"}])
def test_what_is_no_deletion_is_malformed(fields: dict[str, object]) -> None:
    deletion = Deletion.of_event(Reference("team/app", None, Digest.of(b"image")), "e1", AT)
    with pytest.raises(Malformed):
        read_task(json.dumps(json.loads(deletion.to_json()) | fields))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "not json",
        '{"version": 2}',
        '{"version": 1, "kind": "event", "id": "x", "repository": "../x", "tag": "v1", "at": "' + AT + '"}',
        '{"version": 1, "kind": "other", "id": "x", "repository": "a", "tag": "v1"}',
        "[" * 100_000,
        GOOD + ', "failures": []}',
        GOOD + ', "failures": {"not-found": 1}}',
        GOOD + ', "failures": {"not-found": {"since": "soon", "count": 1}}}',
        GOOD + ', "failures": {"not-found": {"since": "' + AT + '"}}}',
        GOOD + ', "failures": {"not-found": {"since": "' + AT + '", "count": 1, "due": "soon"}}}',
        GOOD + ', "failures": {"not-found": {"since": "' + AT + '", "count": 1, "due": null}}}',
    ],
)
def test_what_is_no_job_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_task(text)


@pytest.mark.parametrize("name", ["id", "repository", "at", "received", "digest"])
def test_a_message_with_a_number_for_a_text_is_no_job(name: str) -> None:
    fields = json.loads(Copy.of_event(REFERENCE, "e1", AT).to_json())
    assert read_job(json.dumps(fields)).id == fields["id"]
    with pytest.raises(Malformed, match="is no string"):
        read_task(json.dumps(fields | {name: 8203971343403}))
