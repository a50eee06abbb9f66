"""The documentation of the HTTP API and of the command line has every call, every command, and an example of each."""

import re

import typer.main

from acrmirror.cli.app import app
from acrmirror.http.operations import OPERATIONS
from acrmirror.http.routes import WITHOUT_VERSION
from acrmirror.http.values import V1
from tests.documentation import ROOT, blocks, table

HTTP, CLI = "docs/http-api.md", "docs/cli.md"
NOT_DESCRIBED = {("GET", "/api/v1/openapi.json"), ("GET", "/api/status")}
"""Calls that the OpenAPI document does not describe."""
PLACES = {
    "{id}": r"\$(?:ID|ARCHIVE|REBUILD|RESTORE)",
    "{repository}": "[a-z/]+",
    "{reference}": r"[a-z0-9.]+",
    "{name}": "[a-z/]+",
    "{credential}": "[a-z-]+",
    "{tag or digest}": r"[a-z0-9.]+",
}


def documented() -> list[tuple[str, str]]:
    calls = [re.fullmatch(r"`(\w+) (/\S.*)`", row[0]) for row in table(HTTP, "call")]
    return [(call[1], call[2]) for call in calls if call is not None]


def shown() -> list[tuple[str, str]]:
    """What the examples ask for with curl, as method and path."""
    found = []
    for line in "".join(blocks(HTTP, "sh")).splitlines():
        if path := re.search(r"\$URL(/api/[^\s?\"]+)", line):
            method = re.search(r"-X (\w+)", line)
            found.append((method[1] if method else "POST" if " -d " in line else "GET", path[1]))
    return found


def pattern(path: str) -> re.Pattern[str]:
    """What an example of that call looks like; between repository and tag there may be a colon."""
    text = re.escape(path).replace(r"\{", "{").replace(r"\}", "}").replace(r"\ ", " ")
    for place, form in PLACES.items():
        text = text.replace(f"/{place}", f"[/:]{form}" if place in ("{reference}", "{tag or digest}") else f"/{form}")
    return re.compile(text)


def told(path: str) -> str:
    """How the table writes it: without a version what monitors ask for."""
    root = "/api" if path.strip("/") in WITHOUT_VERSION else V1
    return f"{root}{path}".replace("{reference}", "{tag or digest}")


def test_the_table_has_every_call_and_no_other() -> None:
    calls = {(it.method.upper(), told(it.path)) for it in OPERATIONS}
    assert sorted(documented()) == sorted(calls | NOT_DESCRIBED)


def test_every_call_has_an_example() -> None:
    for method, path in documented():
        assert any(it == method and pattern(path).fullmatch(at) for it, at in shown()), f"{method} {path}"


def test_every_example_is_of_a_call() -> None:
    for method, path in shown():
        assert any(it == method and pattern(at).fullmatch(path) for it, at in documented()), f"{method} {path}"


def test_the_table_of_commands_has_each_and_so_do_the_examples() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert {row[0].strip("`").split()[0] for row in table(CLI, "command")} == commands
    lines = "".join(blocks(CLI, "sh")).splitlines()
    assert {line.split()[1] for line in lines if re.match(r"acrmirror [a-z]", line)} == commands


def test_every_flag_is_told() -> None:
    text = (ROOT / CLI).read_text()
    group = typer.main.get_command(app)
    for command in (group, *group.commands.values()):  # type: ignore[attr-defined]
        for flag in (flag for parameter in command.params for flag in parameter.opts if flag.startswith("-")):
            assert flag in text, f"{command.name} {flag}"
