"""When the command line takes a pull of many for over."""

from typing import Any

import pytest

from acrmirror.cli.following import _bars_of, ended, outcome


def pull(state: str, asked: int, jobs: dict[str, int] | None, dry_run: bool = False) -> dict[str, Any]:
    return {"state": state, "match": {"requested": asked, "jobs": jobs, "dry_run": dry_run}}


@pytest.mark.parametrize(
    ("found", "over", "named"),
    [
        (pull("running", 3, {"done": 3}), False, "running"),
        (pull("done", 3, {"done": 2, "queued": 1}), False, "running"),
        (pull("done", 3, {"done": 2}), False, "running"),
        (pull("done", 3, None), False, "running"),
        (pull("done", 3, {"done": 2, "gone": 1}), True, "gone"),
        (pull("done", 3, {"done": 1, "gone": 1, "failed": 1}), True, "failed"),
        (pull("done", 0, {}), True, "done"),
        (pull("done", 3, {}, dry_run=True), True, "done"),
        (pull("failed", 3, {"queued": 3}), True, "failed"),
    ],
)
def test_a_pull_of_many_is_over_when_all_of_its_jobs_are(found: dict[str, Any], over: bool, named: str) -> None:
    assert (ended(found), outcome(found)) == (over, named)


def test_a_run_that_was_killed_leaves_more_jobs_than_the_next_one_asks_for() -> None:
    """Of ten, four stood when it began again, which it had requested the first time."""
    assert not ended(pull("done", 6, {"done": 7, "running": 1, "queued": 2}))
    assert ended(pull("done", 6, {"done": 10}))


@pytest.mark.parametrize(
    ("listed", "jobs", "told"),
    [
        (0, None, "listing"),
        (7, {}, "7 images listed"),
        (7, {"done": 2, "running": 1, "queued": 4}, "2 of 7 jobs"),
        (7, {"done": 2, "failed": 1, "gone": 1, "queued": 3}, "4 of 7 jobs, 2 failed"),
    ],
)
def test_a_pull_of_many_shows_its_jobs_and_their_bytes_while_it_goes(
    listed: int, jobs: dict[str, int] | None, told: str
) -> None:
    match = {"listed": listed, "jobs": jobs, "bytes_done": 5, "bytes_total": 9}
    progress = {"bytes_done": 0, "bytes_total": 0, "layers": []}
    assert _bars_of([{"id": "1", "image": "", "match": match, "progress": progress}]) == [("1", told, 5, 9)]
