"""What a call about one pull tells its caller: to ask again in a second, as long as it is not over; and, of a pull of
many, how many images are in the mirror already, whichever version wrote its record or answers."""

import json
from typing import Any

import pytest

from acrmirror.cli.output import print_job
from acrmirror.http.api import _pull
from acrmirror.jobs.properties import fields_of
from acrmirror.jobs.records import first_record
from acrmirror.reference import Reference
from acrmirror.work import FINAL_STATES, Copy, Record, State


def record(state: State) -> Record:
    made = first_record(Copy.of_pull(Reference("team/app", "v1"), "seed"))
    return Record(made.id, made.fields | {"state": state})


@pytest.mark.parametrize("state", ["queued", "running", "waiting"])
@pytest.mark.parametrize("status", [200, 202])
def test_what_is_not_over_is_asked_about_again_in_a_second(state: State, status: int) -> None:
    answer = _pull(record(state), status)
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Location"].startswith("/api/v1/pulls/")


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_what_is_over_is_not(state: State) -> None:
    assert "Retry-After" not in _pull(record(state), 200).headers
    # 202 is the answer to an ask that was taken: a retry of what failed, say.
    assert _pull(record(state), 202).headers["Retry-After"] == "1"


def swept(**counts: int) -> dict[str, Any]:
    """What the API answers of a pull of many with these in its record."""
    fields = {"kind": "match", "state": "done", "patterns": '["team/*"]', "match_listed": 12, **counts}
    answer: dict[str, Any] = json.loads(_pull(Record(record("done").id, fields_of(fields)), 200).body)
    return answer


@pytest.mark.parametrize(
    "counts",
    [
        {"match_mirrored": 7, "match_requested": 3},
        {"match_standing": 7, "match_asked": 3},
        {"match_standing": 9, "match_mirrored": 7, "match_asked": 9, "match_requested": 3},
    ],
)
def test_a_record_of_the_version_before_is_shown_as_one_of_this(counts: dict[str, int]) -> None:
    match = swept(**counts)["match"]
    assert (match["mirrored"], match["requested"], match["listed"]) == (7, 3, 12)
    assert not {"standing", "asked"} & set(match)


@pytest.mark.parametrize("names", [("mirrored", "requested"), ("standing", "asked")])
def test_the_command_line_shows_an_answer_of_the_version_before_too(
    names: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = swept(match_mirrored=7, match_requested=3)
    for name, now in zip(names, ("mirrored", "requested"), strict=True):
        answer["match"][name] = answer["match"].pop(now)
    print_job(answer)
    out = capsys.readouterr().out
    assert "12 images in 0 repositories, 7 in the mirror, 0 under way, 3 were requested" in out
