"""Links of the documentation lead somewhere, and its blocks of code can be read by what they are for."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import typer.main
import yaml

import dev
from acrmirror.cli.app import app
from acrmirror.health import ASKED
from acrmirror.work import State
from tests.documentation import BLOCK, ROOT, blocks, table

PAGES = sorted(str(it.relative_to(ROOT)) for it in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
TEXTS = {".py", ".bicep", ".yml", ".yaml", ".md", ".js", ".html", ".kql", ".json", ".toml", ".sh"}
OLD_TEMPLATES = "tests/infra/compiled/"
"""What the compiler made of templates of then, and of what these named."""
HEALTH_ALONE = {"settings", "python"}
"""Checks that ask nobody."""
PLACEHOLDER = re.compile(r"<[^<>\n]+>")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """Without its blocks, whose brackets are no links."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def anchors(page: str) -> set[str]:
    """Of its headings, where the repository's host and the site agree on them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {anchor(it) for it in headings if "--" not in anchor(it)}


def anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def tracked() -> Iterator[str]:
    for folder in ("acrmirror", "devtools", "infra", "tests", "standins", "testkit", "bench", ".ci", ".github"):
        yield from (str(it.relative_to(ROOT)) for it in (ROOT / folder).rglob("*") if it.suffix in TEXTS)
    yield from PAGES


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_page_and_a_heading(page: str) -> None:
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)|src=\"(?!https?:)([^\"]+)\"", prose(page)):
        name, _, heading = "".join(target).partition("#")
        found = (folder / name).resolve() if name else ROOT / page
        assert found.is_file(), target
        if heading:
            assert heading in anchors(str(found.relative_to(ROOT))), target


def test_every_page_that_a_message_or_a_template_names_is_there() -> None:
    for file in tracked():
        if file.startswith(OLD_TEMPLATES):
            continue
        for page, heading in re.findall(r"\bdocs/([a-z-]+\.md)(?:#([a-z-]+))?", text_of(file)):
            named = f"docs/{page}"
            assert (ROOT / named).is_file() or file == "acrmirror/cli/mirror_config.py", f"{file}: {named}"
            if heading:
                assert heading in anchors(named), f"{file}: {named}#{heading}"


def test_the_index_leads_to_every_page() -> None:
    listed = set(re.findall(r"\]\(([a-z-]+\.md)\)", text_of("docs/index.md")))
    assert listed == {it.removeprefix("docs/") for it in PAGES if it.startswith("docs/")} - {"index.md"}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_can_be_read(page: str) -> None:
    for kind, body in BLOCK.findall(text_of(page)):
        if kind == "json":
            json.loads(body)
        elif kind == "yaml":
            list(yaml.safe_load_all(body))
        elif kind == "toml":
            tomllib.loads(body)
        elif kind == "sh":
            done = subprocess.run(["bash", "-n"], input=filled(body), text=True, capture_output=True, check=False)
            assert done.returncode == 0, f"{body}\n{done.stderr}"
        else:
            assert kind in ("console", "kusto", "mermaid", "python", "text"), kind


def filled(script: str) -> str:
    """With a word in place of each `<what the reader puts there>`."""
    return PLACEHOLDER.sub("given", script)


def lines(page: str) -> Iterator[list[str]]:
    """Each command of its shell blocks, as words; what a pipe or a list joins, one by one."""
    for block in blocks(page, "sh"):
        for line in filled(block).replace("\\\n", " ").splitlines():
            for part in re.split(r"\|\|?|&&|;|\$\(", line.partition(" # ")[0]):
                try:
                    words = shlex.split(part.rstrip(")"), comments=True)
                except ValueError:  # a quotation that the split cut
                    continue
                if words:
                    yield words


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_shows_has_these_flags(page: str) -> None:
    root = typer.main.get_command(app)
    for words in lines(page):
        if words[0] == "acrmirror":
            known(root, words[1:])
        elif words[:2] == ["python3", "dev.py"]:
            chosen = [it for it in words[2:] if not it.startswith("-")]
            assert any(it in dev.COMMANDS for it in chosen), words
        elif words[1:2] == ["-m"] and words[0].endswith(("python", "python3")):
            name = words[2].replace(".", "/")
            places = (f"{name}.py", f"{name}/__main__.py")
            assert any((ROOT / it).is_file() for it in places) or words[2] in ("venv", "pip"), words
        elif words[0].startswith((".ci/", "infra/")):
            assert (ROOT / words[0]).is_file(), words


def known(command: Any, words: list[str]) -> None:
    """Goes down as far as there are commands, and looks up each flag behind them."""
    flags = {flag for it in command.params for flag in (*it.opts, *it.secondary_opts)}
    assert words[0].startswith("-") or words[0] in command.commands, words
    shown = []
    for word in words:
        shown.append(word)
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
            flags |= {flag for it in command.params for flag in (*it.opts, *it.secondary_opts)}
        elif word.startswith("-") and word != "-":
            assert word.partition("=")[0] in flags | {"--help", "-h"}, " ".join(shown)


def test_troubleshooting_has_every_check_and_every_state() -> None:
    page = "docs/troubleshooting.md"
    checks = {name for row in table(page, "check") for name in re.findall(r"`([a-z-]+)`", row[0])}
    assert checks == set(ASKED) | HEALTH_ALONE
    states = {row[0].strip("`") for row in table(page, "state")}
    assert states == set(get_args(State))
