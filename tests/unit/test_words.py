"""What people read says the words of the glossary, and none that it retires."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from acrmirror.cli.app import app
from acrmirror.http.openapi import document
from tests.documentation import ROOT, table

GLOSSARY = "docs/glossary.md"
PROGRAMS = ("acrmirror", "infra/hooks")
"""Where texts in Python are for people. Docstrings are not looked at."""
TEMPLATES = re.compile(r"@description\('(.*)'\)|\b(?:description|what|notes): '(.*)'")
UNTOLD = {"standing"}
"""What stored records of earlier versions have as a key."""


def retired() -> re.Pattern[str]:
    words = [word.strip() for row in table(GLOSSARY, "instead of") for word in row[0].split(",")]
    assert len(words) > 20
    return re.compile(rf"\b(?:{'|'.join(re.escape(it) for it in words)})\b(?!-)", re.IGNORECASE)


RETIRED = retired()


def found(place: str, text: str) -> list[str]:
    text = re.sub(r"\s+", " ", text)
    return [f"{place}: …{text[max(0, it.start() - 40) : it.end() + 40]}…" for it in RETIRED.finditer(text)]


def strings(file: Path) -> Iterator[str]:
    """Those of a module that are no docstrings; of an f-string the parts."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    alone = {id(it.value) for it in ast.walk(tree) if isinstance(it, ast.Expr)}
    for it in ast.walk(tree):
        if isinstance(it, ast.Constant) and isinstance(it.value, str) and id(it) not in alone:
            yield it.value


def helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    texts = (command.help, command.short_help, command.epilog, *(getattr(it, "help", None) for it in command.params))
    yield from ((name, it) for it in texts if it)
    for inner in getattr(command, "commands", {}).values():
        yield from helps(inner, f"{name} {inner.name}")


def test_the_pattern_finds_what_it_is_for() -> None:
    assert found("", "an image stands\nin the mirror; a hole")
    assert not found("", "a stand-in; the whole; a loophole; it is outstanding")


@pytest.mark.parametrize("folder", ["", "docs"])
def test_no_page_uses_a_retired_word(folder: str) -> None:
    wrong = []
    for page in sorted((ROOT / folder).glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if page == ROOT / GLOSSARY:
            text = text.partition("## Retired words")[0]
        wrong += found(page.name, re.sub(r"`[^`\n]*`", "``", text))
    assert wrong == []


def test_no_message_uses_one() -> None:
    files = [file for folder in PROGRAMS for file in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    wrong = [it for file in files for text in strings(file) if text not in UNTOLD for it in found(file.name, text)]
    assert wrong == []


def test_no_help_of_the_command_line_uses_one() -> None:
    told = list(helps(typer.main.get_command(app), "acrmirror"))
    assert len(told) > 60
    assert [it for name, text in told for it in found(name, text)] == []


def test_no_description_of_the_api_uses_one() -> None:
    assert found("the API", document().decode()) == []


def test_no_text_of_the_status_page_uses_one() -> None:
    wrong = []
    for file in sorted((ROOT / "acrmirror" / "http" / "page" / "shell").iterdir()):
        if file.suffix in (".js", ".html"):
            text = re.sub(
                r"/\*.*?\*/|^\s*//.*?$|<!--.*?-->", "", file.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE
            )
            wrong += found(file.name, text)
    assert wrong == []


def test_no_description_in_the_templates_uses_one() -> None:
    wrong = []
    for file in sorted((ROOT / "infra").rglob("*.bicep")):
        told = TEMPLATES.findall(file.read_text(encoding="utf-8"))
        wrong += [it for texts in told for text in texts for it in found(file.name, text)]
    assert wrong == []
