"""A job on its way through the queue."""

from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import Malformed
from acrmirror.jobs import Job, job_id
from acrmirror.reference import Digest, Reference

AT = "2026-04-25T21:39:47.276585742Z"
REFERENCE = Reference("team/app", "v1", Digest.of(b"image"))


def test_an_id_sorts_newest_first() -> None:
    now = datetime(2026, 4, 25, tzinfo=UTC)
    ids = [job_id(now + timedelta(milliseconds=step), "x") for step in (0, 1, 1000, 10**9, 10**11)]
    assert ids == sorted(ids, reverse=True)


def test_the_same_event_makes_the_same_job() -> None:
    assert Job.of_event(REFERENCE, "e1", AT).id == Job.of_event(REFERENCE, "e1", AT).id
    assert Job.of_event(REFERENCE, "e1", AT).id != Job.of_event(REFERENCE, "e2", AT).id


def test_a_job_survives_the_queue() -> None:
    job = Job.of_event(REFERENCE, "e1", AT, "event", "application/json", 12).later(AT, fresh=True)
    assert Job.from_json(job.to_json()) == job
    check = job.checking_again()
    assert Job.from_json(check.to_json()) == check
    assert (check.reference.digest, check.reference.tag, check.check, check.attempt) == (None, "v1", 1, 0)


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
    ],
)
def test_what_is_no_job_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        Job.from_json(text)
