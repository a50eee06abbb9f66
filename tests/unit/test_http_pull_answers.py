"""What a call about one pull tells its caller to do next: ask again in a second, as long as it is not over."""

import pytest

from acrmirror.http.api import _pull
from acrmirror.jobs import JobRecord
from acrmirror.reference import Reference
from acrmirror.work import FINAL_STATES
from acrmirror.work.job import Job


def record(state: str) -> JobRecord:
    made = JobRecord.of(Job.of_pull(Reference("team/app", "v1"), "seed"))
    return JobRecord(made.id, {**made.fields, "state": state}, "")


@pytest.mark.parametrize("state", ["queued", "running", "waiting"])
@pytest.mark.parametrize("status", [200, 202])
def test_what_is_not_over_is_asked_about_again_in_a_second(state: str, status: int) -> None:
    answer = _pull(record(state), status)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Location"].startswith("/api/pulls/")


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_what_is_over_is_not(state: str) -> None:
    assert "Retry-After" not in _pull(record(state), 200).headers
    # 202 is the answer to an ask that was taken: a retry of what failed, say.
    assert _pull(record(state), 202).headers["Retry-After"] == "1"
