"""A function app whose every answer is hostile text: no command ends in a traceback, none acts on the terminal."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from acrmirror.cli import output
from acrmirror.cli.app import app

TEXTS = (
    "[/bold]",
    "[bold]\\",
    "\\[/red]",
    "[link=x]",
    "\x1b[2J\x1b]0;t\x07\x9b31m\u202eb\r\nFORGED\tc\u2028\x7f",
    "{0}%s",
)
DIGEST = f"sha256:{'a' * 64}"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
STYLE = re.compile("\x1b\\[[0-9;?]*[a-zA-Z]")


def _pull(text: str) -> dict[str, Any]:
    figures = dict.fromkeys(("bytes_done", "bytes_total", "layers_total", "layers_done"), 1)
    error = {"code": text, "asked": text, "answered": text, "remedy": text}
    layers = [{"digest": text, "size": 1, "done": 1, "state": text}]
    fields = ("kind", "image", "received", "next_attempt", "tagged_digest", "mirrored_digest")
    pull: dict[str, Any] = {name: text for name in fields}
    return pull | {
        "id": text,
        "state": "failed",
        "progress": figures | {"layers": layers},
        "requests": 1,
        "notes": [text],
        "match": None,
        "error": error,
    }


def _answer(path: str, text: str) -> dict[str, Any]:
    if path == "/api/v1/pulls" or path.endswith("/many"):
        counts = dict.fromkeys(("listed", "repositories", "mirrored", "under_way", "requested"), 1)
        match = counts | {"patterns": [text], "dry_run": True, "jobs": {text: 1}, "sample": [text]}
        return _pull(text) | {"match": match, "pulls": [_pull(text)], "last": None}
    if path.startswith("/api/v1/pulls/"):
        return _pull(text)
    if path == "/api/v1/health":
        check = {"name": text, "ok": False, "error": {"answered": text, "remedy": text}}
        return {"ok": False, "checks": [check], "queue_messages": 1, "oldest_message_seconds": 1, "compared": text}
    if path.startswith("/api/v1/jobs"):
        progress = {"done": 1, "total": None, "unit": text}
        job = _pull(text) | {"title": text, "progress": progress, "details": {"jobs": {text: 1}}, "parent": text}
        job |= dict.fromkeys(("requested", "started", "finished"), text)
        return job | {"jobs": [job], "last": None}
    if path == "/api/v1/stats":
        ended = {"state": text, "finished": text, "drift": 1, "faults": 1}
        counts = dict.fromkeys(("repositories", "tags", "digests", "bytes_stored", "failed_24h"), 1)
        times = {"computed": text, "last_event": text, "lag_seconds": 1, "jobs": {text: 1}, "queues": {text: 1}}
        return counts | times | {"registry": text, "version": text, "last_comparison": ended, "last_audit": None}
    if path == "/api/v1/images":
        return {"repositories": [text], "last": None}
    if path.startswith("/api/v1/history/"):
        move = {"at": text, "tags": [text], "digest": text, "kind": text, "mirrored": False}
        return {"moves": [move], "last": None}
    blob = {"digest": text, "size": 1, "media_type": text}
    if ":" in path:
        variant = {"platform": text, "digest": text, "size": 1, "media_type": text, "config": blob, "layers": [blob]}
        names = ("repository", "tag", "digest", "media_type", "artifact_type")
        image: dict[str, Any] = {name: text for name in names}
        referrers = [blob | {"artifact_type": text, "annotations": {text: text}}]
        return image | {
            "images": [variant],
            "referrers": referrers,
            "history": [{"at": text, "kind": text, "digest": text}],
        }
    return {"tags": [{"tag": text, "digest": text, "size": 1, "time": text}], "last": None}


class _Hostile(ThreadingHTTPServer):
    text = ""
    status = 200


@pytest.fixture(scope="module")
def server() -> Iterator[_Hostile]:
    class Answers(BaseHTTPRequestHandler):
        server: _Hostile

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            text, path = self.server.text, self.path.partition("?")[0]
            problem = {"code": text, "asked": text, "detail": f"{text} {text}", "remedy": text}
            body = json.dumps(_answer(path, text) if self.server.status == 200 else problem).encode()
            self.send_response(self.server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with _Hostile(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


LINES = (
    ("ls",),
    ("ls", "team/app"),
    ("inspect", "team/app:1"),
    ("history", "team/app"),
    ("status",),
    ("status", "x", "--wait"),
    ("status", "x", "y", "--wait"),
    ("pull", "team/*", "--dry-run"),
    ("cancel", "x"),
    ("retry", "x"),
    ("health",),
    ("stats",),
    ("jobs",),
    ("jobs", "x"),
    ("export", "team/app:1", "-o", "{text}"),
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("status", [200, 404])
def test_no_answer_acts_on_the_terminal_or_ends_in_a_traceback(
    server: _Hostile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, terminal: bool, status: int
) -> None:
    server.text, server.status = text, status
    monkeypatch.chdir(tmp_path)
    environment = {"ACRMIRROR_URL": f"http://127.0.0.1:{server.server_address[1]}", "ACRMIRROR_KEY": "k"}
    for line in LINES:
        monkeypatch.setattr(output.console, "_force_terminal", terminal)
        monkeypatch.setattr(output.errors, "_force_terminal", terminal)
        done = CliRunner().invoke(app, [it.format(text=text) for it in line], env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), (line, done.exception)
        told = STYLE.sub("", done.stdout) + STYLE.sub("", done.stderr)
        assert not ACTS.search(told), (line, told)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "line",
    [
        ("{text}",),
        ("ls", "--{text}"),
        ("status", "--state", "{text}"),
        ("pull", "a", "--timeout", "{text}"),
        ("ls", "--output", "{text}"),
        ("--url", "{text}", "ls"),
        ("--url", "http://{text}", "ls"),
        ("--url", "http://[{text}", "ls"),
        ("--ca", "{text}", "ls"),
        ("--config", "{text}", "ls"),
        ("ls", "a", "--at", "{text}"),
    ],
)
def test_nor_does_what_a_script_types(
    server: _Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], text: str
) -> None:
    server.text, server.status = text, 404
    monkeypatch.chdir(tmp_path)
    environment = {"ACRMIRROR_URL": f"http://127.0.0.1:{server.server_address[1]}"}
    done = CliRunner().invoke(app, [it.format(text=text) for it in line], env=environment)
    assert isinstance(done.exception, SystemExit), done.exception
    assert not ACTS.search(STYLE.sub("", done.stdout + done.stderr)), done.stderr
