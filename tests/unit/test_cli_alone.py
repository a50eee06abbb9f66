"""The command line without anything to talk to."""

import subprocess
import sys
from pathlib import Path

import pytest

from acrmirror.cli.exits import exit_code
from acrmirror.cli.output import in_bytes
from acrmirror.cli.settings import Connection, read_config
from acrmirror.client.failures import problem
from acrmirror.errors import Misconfigured

ROOT = Path(__file__).resolve().parents[2]


def test_it_needs_no_azure_package_and_none_of_the_apps() -> None:
    code = "import sys, acrmirror.cli.app; print('\\n'.join(sys.modules))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    loaded = {name.split(".")[0] for name in names.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"azure", "requests", "pydantic", "msal", "cryptography"}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b"", 4),
        (403, b'{"code": "denied"}', 4),
        (404, b'{"code": "not-found"}', 3),
        (400, b'{"code": "invalid-request"}', 2),
        (409, b'{"code": "wrong-state"}', 2),
        (429, b'{"code": "throttled"}', 5),
        (503, b'{"code": "unavailable"}', 5),
        (500, b"", 1),
        (418, b"<html>", 1),
        (403, b"<html>", 1),
        (503, b"<html>", 5),
    ],
)
def test_every_answer_has_its_exit_code(status: int, body: bytes, code: int) -> None:
    assert exit_code(problem(status, body, "GET /api/v1/pulls")) == code


def test_a_problem_is_told_once() -> None:
    body = b'{"code": "wrong-state", "asked": "cancel it", "detail": "it is done already. Wait.", "remedy": "Wait."}'
    assert str(problem(409, body, "DELETE")) == "cancel it: it is done already. Wait."


@pytest.mark.parametrize("text", ["url = 7", 'colour = "red"', "url"])
def test_a_config_file_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(Misconfigured, match=r"config\.toml"):
        read_config(tmp_path / "config.toml")


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('url = "https://file.example"\nkey = "k"\n')
    assert Connection("https://flag.example/api/", None, None, config).open().url == "https://flag.example"
    assert Connection(None, None, None, config).open().url == "https://file.example"
    with pytest.raises(Misconfigured, match="ACRMIRROR_URL"):
        Connection(None, None, None, tmp_path / "none").open()


@pytest.mark.parametrize(("size", "said"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2 * 10**12, "2.0 TB")])
def test_sizes_are_said_in_decimal_units(size: int, said: str) -> None:
    assert in_bytes(size) == said
