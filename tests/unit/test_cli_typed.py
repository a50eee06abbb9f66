"""What is typed at a terminal, without anything that answers."""

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from acrmirror.cli.app import app
from acrmirror.cli.messages import in_commands
from acrmirror.version import VERSION
from tests.documentation import ROOT
from tests.unit.test_words import strings

NOWHERE = {"ACRMIRROR_URL": "http://127.0.0.1:1", "ACRMIRROR_KEY": "k", "ACRMIRROR_CONFIG": "/none"}


def typed(*line: str, code: int = 0, **environment: str) -> Result:
    done = CliRunner().invoke(app, list(line), env={**NOWHERE, **environment})
    assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
    return done


def test_it_says_its_version() -> None:
    assert typed("--version").stdout == f"acrmirror {VERSION}\n"


def test_help_is_short_or_long_everywhere() -> None:
    assert typed("-h").stdout == typed("--help").stdout
    for line in (("ls", "-h"), ("list", "-h"), ("list", "--help")):
        assert "List what is in the mirror" in typed(*line).stdout


def test_every_command_prints_json_by_a_short_flag() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    without = {
        name for name, it in commands.items() if not any({"-o", "--output"} <= set(option.opts) for option in it.params)
    }
    assert without <= {"mirror-config", "credentials"}
    for name in ("ls", "status", "history"):
        assert any({"--limit", "-n"} <= set(option.opts) for option in commands[name].params), name


@pytest.mark.parametrize(
    "line",
    [
        ("--url", "http://127.0.0.1:2", "--key", "k", "ls", "team/app"),
        ("ls", "--url", "http://127.0.0.1:2", "team/app"),
        ("list", "team/app", "--url=http://127.0.0.1:2", "--key", "k", "-o", "json"),
        ("-o", "json", "--url", "http://127.0.0.1:2", "ls", "team/app"),
        ("--output=json", "audit", "show", "--url", "http://127.0.0.1:2"),
        ("--key=k", "ls", "team/app", "--config", "/none", "--url", "http://127.0.0.1:2"),
    ],
)
def test_flags_of_all_commands_go_before_or_behind_it(line: tuple[str, ...]) -> None:
    assert "127.0.0.1:2" in typed(*line, code=5, ACRMIRROR_URL="http://127.0.0.1:1").stderr


def test_behind_two_dashes_all_is_an_argument() -> None:
    assert "--url" in typed("ls", "--", "--url", "x", code=2).stderr + typed("ls", "--", "--url", code=5).stderr


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://127.0.0.1:1", "Connection refused"), ("http://nobody.invalid", "its name is not known")],
)
def test_of_a_host_that_is_not_reached_it_says_which_and_why(url: str, why: str) -> None:
    told = typed("health", code=5, ACRMIRROR_URL=url).stderr
    assert url in told
    assert f"it could not be reached: {why}" in told


def test_a_state_that_is_none_is_told_with_those_that_are() -> None:
    told = typed("status", "--state", "finished", code=2).stderr
    assert "there is no such state. It is one of queued, running" in told


@pytest.mark.parametrize("command", ["retry", "cancel", "status"])
def test_an_image_in_place_of_an_id_is_told_as_one(command: str) -> None:
    told = typed(command, "team/app:1.2", code=2).stderr
    assert "that is an image" in told
    assert "acrmirror status --repository team/app;" in told
    assert "acrmirror pull team/app:1.2" in told


def test_tags_of_many_repositories_are_not_listed_at_once() -> None:
    assert "acrmirror ls 'team/*'" in typed("ls", "team/*:v1", code=2).stderr


@pytest.mark.parametrize("place", [("--to", "{}"), ("-o", "{}")])
def test_the_file_of_an_export_is_named_by_to_and_as_ever(tmp_path: Path, place: tuple[str, str]) -> None:
    line = ("export", "team/app:1", *(it.format(tmp_path / "x.tar") for it in place), "--output", "json")
    assert json.loads(typed(*line, code=5).stderr)["error"]["code"] == "unavailable"


def test_an_export_without_a_file_says_how_to_name_it() -> None:
    assert "Give --to FILE" in typed("export", "team/app:1", "-o", "json", code=2).stderr


def test_what_an_answer_says_to_call_is_told_as_what_to_type() -> None:
    files = [it for it in sorted((ROOT / "acrmirror").rglob("*.py")) if it.parent.name not in ("cli", "http", "models")]
    remedies = [text for it in files for text in strings(it) if re.search(r"\b(GET|POST|DELETE) /api/", text)]
    assert len(remedies) > 5
    assert [told for it in remedies if "/api/" in (told := in_commands(it))] == []
