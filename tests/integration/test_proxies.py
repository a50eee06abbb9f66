"""Behind a proxy: the local stack reaches itself without it, and set-up goes through it."""

import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.steps import SetupFailed, pip, run
from standins.loopback import reach_directly

ROOT = Path(__file__).parents[2]
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NO_PROXY", "no_proxy")


@contextmanager
def refusing_proxy() -> Iterator[tuple[str, list[str]]]:
    """Its URL, and the requests that it got."""
    asked: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode("latin-1").strip())
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.1,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def behind(url: str, names: tuple[str, ...], **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {**kept, **dict.fromkeys(names, url), "PYTHONPATH": str(ROOT), **more}


@pytest.mark.parametrize(
    ("names", "more"),
    [
        (("HTTP_PROXY", "HTTPS_PROXY"), {}),
        (("http_proxy", "https_proxy", "all_proxy"), {"no_proxy": "example.com"}),
        (("ALL_PROXY",), {"NO_PROXY": ".corp.example, 10.0.0.0/8"}),
    ],
    ids=["upper case", "lower case and a list", "one for all and a list"],
)
def test_the_demo_asks_no_proxy_for_anything(names: tuple[str, ...], more: dict[str, str], tmp_path: Path) -> None:
    with refusing_proxy() as (url, asked):
        ended = subprocess.run(
            [sys.executable, "-m", "devtools.demo"],
            env=behind(url, names, TMPDIR=str(tmp_path), **more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert asked == []


def test_tests_ask_no_proxy_for_the_stack_that_they_start(tmp_path: Path) -> None:
    """One that has all of it: the app with the SDKs, the command line, and the test's own clients."""
    one = ROOT / "tests" / "integration" / "test_cli.py"
    with refusing_proxy() as (url, asked):
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-n0", "-x", one, f"--basetemp={tmp_path / 'base'}"],
            env=behind(url, ("HTTP_PROXY", "HTTPS_PROXY")),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^\d+ passed", ended.stdout, re.MULTILINE)
    assert asked == []


def test_set_up_asks_the_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with refusing_proxy() as (url, asked):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", url)
        fetch = [*pip(Path(sys.executable)), "--retries=0", "--index-url=https://index.invalid/simple"]
        with pytest.raises(SetupFailed):
            run([*fetch, f"--target={tmp_path}", "a-package"], "Is the package index within reach?", tmp_path)
    assert {line.rpartition(" ")[0] for line in asked} == {"CONNECT index.invalid:443"}


ALL = "localhost,127.0.0.1,::1"


@pytest.mark.parametrize(
    ("given", "lower", "upper"),
    [
        ({}, ALL, ALL),
        ({"NO_PROXY": "a.example, b.example"}, f"a.example,b.example,{ALL}", f"a.example,b.example,{ALL}"),
        ({"no_proxy": "a.example", "NO_PROXY": "b.example"}, f"a.example,{ALL}", f"b.example,{ALL}"),
        ({"no_proxy": "127.0.0.1", "NO_PROXY": ""}, "127.0.0.1,localhost,::1", "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "*"}, "*", "*"),
    ],
)
def test_what_the_user_wants_reached_directly_stays(given: dict[str, str], lower: str, upper: str) -> None:
    environment = dict(given)
    for _ in range(2):  # a process inherits what its parent made of it
        reach_directly(environment)
        assert environment == {"no_proxy": lower, "NO_PROXY": upper}
