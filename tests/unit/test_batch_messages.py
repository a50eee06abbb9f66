"""A batch in its message: how large that gets, and what a worker of the version before makes of it."""

import json

import pytest

from acrmirror.errors import Malformed
from acrmirror.reference import Digest, Reference
from acrmirror.work import Batch, JobId, Sweep, read_task
from acrmirror.work.batch import BATCH_BYTES, BATCH_MOST, Wanted, parted

SWEEP = Sweep.now(("*",), "seed", dry_run=False)
QUEUE_LIMIT = 64 * 1024
"""Bytes of a message, which is base64."""


def wanted(number: int, tag: str | None = None, algorithm: str = "sha256") -> Wanted:
    digest = Digest.of(str(number).encode(), algorithm)
    return Wanted(SWEEP.job(Reference("team/app", tag, digest), digest).id, tag, digest, number % 2 == 0)


def batch_of(*those: Wanted, repository: str = "team/app") -> Batch:
    return Batch(repository, SWEEP.id, SWEEP.at, SWEEP.at, those, listed=True)


def test_a_batch_is_read_as_it_was_written() -> None:
    batch = batch_of(wanted(1, "v1"), wanted(2), wanted(3, "v3", "sha512"))
    assert read_task(batch.to_json()) == batch


def test_its_copies_are_the_jobs_that_a_sweep_requests_one_by_one() -> None:
    digest = Digest.of(b"image")
    tagged, untagged = Reference("team/app", "v1"), Reference("team/app", None, digest)
    jobs = [SWEEP.job(tagged, digest), SWEEP.job(untagged, digest)]
    batch = batch_of(*(Wanted(it.id, it.reference.tag, digest) for it in jobs))
    assert list(batch) == jobs
    assert [read_task(it.to_json()) for it in batch] == jobs


def test_the_longest_batch_fits_into_a_message() -> None:
    longest = [wanted(number, "t" * 128, "sha512") for number in range(BATCH_MOST)]
    text = batch_of(*longest, repository="r" * 255).to_json()
    assert len(text) * 4 / 3 < QUEUE_LIMIT / 2


def test_a_worker_of_the_version_before_fails_at_it_and_so_leaves_it_in_the_queue() -> None:
    """That version reads a sweep from it. What it takes for no job at all, it writes into a record, and deletes."""
    fields = json.loads(batch_of(wanted(1, "v1")).to_json())
    assert fields["kind"] == "match"
    with pytest.raises(OverflowError):
        Sweep.of_fields(fields)


def test_batches_are_cut_by_count_and_by_bytes_in_the_order_of_their_ids() -> None:
    many = [wanted(number, f"v{number}") for number in range(2 * BATCH_MOST + 1)]
    parts = list(parted([(it, 1000) for it in many]))
    assert [len(it) for it in parts] == [BATCH_MOST, BATCH_MOST, 1]
    assert [it for part in parts for it in part] == sorted(many, key=lambda it: it.job)
    assert [len(it) for it in parted([(it, BATCH_BYTES // 2) for it in many[:5]])] == [2, 2, 1]
    assert list(parted([])) == []


@pytest.mark.parametrize(
    "change",
    [
        {"wanted": []},
        {"wanted": [["id", "v1"]]},
        {"wanted": [[7, "v1", "sha256:" + "0" * 64, False]]},
        {"wanted": [[str(SWEEP.id), "v1", "sha256:0", False]]},
        {"batch": None},
        {"version": 2},
    ],
)
def test_what_no_batch_ever_wrote_is_no_batch(change: dict[str, object]) -> None:
    fields = json.loads(batch_of(wanted(1, "v1")).to_json()) | change
    with pytest.raises(Malformed):
        read_task(json.dumps(fields))


def test_ids_of_a_batch_are_of_one_hour() -> None:
    batch = batch_of(*(wanted(number) for number in range(5)))
    assert batch.ids == sorted(batch.ids)
    assert {JobId(it).moment for it in batch.ids} == {SWEEP.id.hour}
