"""The files of the status page, and how they are served."""

import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from acrmirror.http.page import FOLDER, MEDIA_TYPES, shell

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in FOLDER.iterdir())
INDEX = (FOLDER / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_what_it_is(name: str) -> None:
    got = shell(name)
    assert (got.status, got.body) == (200, (FOLDER / name).read_bytes())
    assert got.media_type == MEDIA_TYPES[Path(name).suffix]
    again = shell(name, got.headers["ETag"])
    assert (again.status, again.body, again.headers) == (304, b"", got.headers)


def test_the_page_itself_has_no_name() -> None:
    assert shell().body == shell("index.html").body


@pytest.mark.parametrize("name", ["nothing.js", "../values.py", "..%2Fvalues.py", "__init__.py", "/etc/passwd"])
def test_nothing_else_is(name: str) -> None:
    got = shell(name)
    assert (got.status, got.media_type) == (404, "text/plain")
    assert "Content-Security-Policy" in got.headers


@pytest.mark.parametrize(
    ("given", "status"),
    [("W/{}", 304), ('"other", {}', 304), ("*", 304), ('"other"', 200), ("", 200), ("{}x", 200)],
)
def test_what_the_caller_has_is_not_sent_again(given: str, status: int) -> None:
    assert shell(None, given.format(shell().headers["ETag"])).status == status


def test_the_page_names_every_file_and_none_that_is_not_there() -> None:
    named = set(re.findall(r'"/api/status/([^"]+)"', INDEX))
    imported = {it for path in FOLDER.glob("*.js") for it in re.findall(r'from "\./([^"]+)"', path.read_text("utf-8"))}
    assert named == set(FILES) - {"index.html"}
    assert imported == {path.name for path in FOLDER.glob("*.js")} - {"main.js"}


def test_it_is_self_contained_and_keeps_its_own_policy() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text("utf-8")
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}, path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", text), path
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", INDEX)


def test_a_deployment_and_an_installation_carry_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    carried = project["tool"]["setuptools"]["package-data"]["acrmirror.http.page"]
    assert all(any(fnmatch.fnmatch(f"shell/{name}", it) for it in carried) for name in FILES)
    ignored = (ROOT / ".funcignore").read_text("utf-8").split()
    for name in FILES:
        parts = (FOLDER / name).relative_to(ROOT).parts
        assert not [it for it in ignored if any(fnmatch.fnmatch(part, it) for part in parts)], name


def test_it_costs_a_cold_start_nothing_else() -> None:
    code = "import sys; from acrmirror.http.page import shell; assert shell().status == 200; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {name.partition(".")[0] for name in names.split()} & {"azure", "pydantic", "requests"}
