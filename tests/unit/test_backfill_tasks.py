"""Archives and rebuilds as they travel through the queue, and as they are made again from their records."""

import json
from datetime import UTC, datetime

import pytest

from acrmirror.errors import Malformed, TooLarge, WrongState
from acrmirror.jobs.properties import fields_of, fitting
from acrmirror.jobs.pulls import task_of
from acrmirror.jobs.records import first_record
from acrmirror.moments import Moment, end_of
from acrmirror.reference import Digest, Reference
from acrmirror.work import Archive, JobId, Rebuild, Record, read_task
from acrmirror.work.failing import Failing

AT: Moment = end_of("2026-04-25T12:00:00.0Z")
ID = JobId.of(datetime(2026, 4, 25, tzinfo=UTC), "x")
IMAGES = (
    Reference("team/app", "1.2", Digest.of(b"app")),
    Reference("docker.io/library/os", None, Digest.of(b"os")),
)
FAILING = (Failing("unavailable", AT, 3, AT),)
TASKS: list[Archive | Rebuild] = [
    Archive(ID, AT, IMAGES, "docker", "linux/arm64", AT, retries=2, attempt=1, failing=FAILING),
    Archive(ID, AT, IMAGES[:1], "oci"),
    Rebuild(ID, AT, ("team/*", "!team/tmp-*"), True, True, retries=2, attempt=1, failing=FAILING),
    Rebuild(ID, AT, ("*",)),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda it: it.kind)
def test_a_task_survives_the_queue_and_its_record(task: Archive | Rebuild) -> None:
    assert read_task(task.to_json()) == task
    kept = fields_of(fitting(first_record(task).fields))
    again = task_of(Record(task.id, kept))
    assert (again.asked, again.retries) == (task.asked, task.retries)


@pytest.mark.parametrize(
    ("task", "fields"),
    [
        (TASKS[0], {"version": 2}),
        (TASKS[0], {"form": "zip"}),
        (TASKS[0], {"images": [7]}),
        (TASKS[0], {"images": ["A:1"]}),
        (TASKS[0], {"moment": "soon"}),
        (TASKS[0], {"id": None}),
        (TASKS[2], {"version": None}),
        (TASKS[2], {"patterns": [None]}),
        (TASKS[2], {"at": "soon"}),
    ],
)
def test_what_is_no_task_is_malformed(task: Archive | Rebuild, fields: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_task(json.dumps(json.loads(task.to_json()) | fields))


def test_an_archive_whose_record_was_written_into_is_not_another_one() -> None:
    record = first_record(TASKS[0])
    with pytest.raises(WrongState, match="nothing that can be run"):
        task_of(Record(ID, record.fields | {"images": ["no such image!"]}))


def test_an_archive_of_as_many_images_as_can_be_requested_fits_into_a_message_and_a_record() -> None:
    """A hundred names of ordinary length."""
    images = tuple(Reference(f"team/{'x' * 60}-{it:03}", "v" * 20, Digest.of(b"%d" % it)) for it in range(100))
    task = Archive(ID, AT, images, "docker")
    assert len(task.to_json()) < 48 * 1024
    assert fitting(task.asked)["images"].startswith("[")
    longest = tuple(Reference(f"{'x' * 250}{it:03}", "v" * 128, Digest.of(b"%d" % it)) for it in range(100))
    with pytest.raises(TooLarge, match="less at once"):
        fitting(Archive(ID, AT, longest, "docker").asked)
