"""What others chose, such as names, annotations and messages, does nothing to a terminal, nor to a script's lines."""

import json
import re

import pytest
from rich.console import Console

from acrmirror.cli import output
from acrmirror.cli.output import Output, print_error, print_json, print_table, safe
from acrmirror.errors import Malformed

HOSTILE = "a\x1b[2J\x1b]0;title\x07\x9b31m\u202eb\r\nFORGED\tc [red]d[/red] :bomb: \u2028\x7f"
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


def test_an_error_is_one_line_of_what_can_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(Malformed(HOSTILE, HOSTILE, HOSTILE), Output.TABLE)
    told = capsys.readouterr().err
    assert not DANGEROUS.search(told)
    assert told.count("\n") == 1
    assert "[red]d[/red] :bomb:" in told


def test_json_has_every_character_and_none_that_acts(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(Malformed(HOSTILE, "x", "y"), Output.JSON)
    told = capsys.readouterr().err
    assert not DANGEROUS.search(told)
    assert json.loads(told)["error"]["asked"] == HOSTILE
    print_json({"name": HOSTILE, "ü": "😀"})
    shown = capsys.readouterr().out
    assert not DANGEROUS.search(shown)
    assert json.loads(shown) == {"name": HOSTILE, "ü": "😀"}
    assert "😀" in shown


def test_a_row_stays_a_row_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "B"), [(HOSTILE, 1), ("x", HOSTILE)])
    told = capsys.readouterr().out
    assert not DANGEROUS.search(told)
    assert [line.count("\t") for line in told.splitlines()] == [1, 1]


def test_nor_does_it_act_in_a_table_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "console", output._Terminal(force_terminal=True, color_system=None, width=200))
    print_table(("A",), [(HOSTILE,)])
    output.console.print(f"plain {HOSTILE}")
    output.console.print(safe(HOSTILE))
    assert not DANGEROUS.search(re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out))
    assert isinstance(output.errors, Console)
