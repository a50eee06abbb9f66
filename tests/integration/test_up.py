"""`dev.py up` as a program: its one line, its page, and its end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from devtools.pulling import MirrorRegistry, Puller
from standins.credential import LocalCredential
from standins.process import wait_for
from testkit.images import oci_image
from testkit.push import Pusher
from testkit.reader import MirrorReader, NotServed
from tests.integration.test_stack import READY
from tests.programs import as_from_a_terminal, make_program

ROOT = Path(__file__).parents[2]


@contextmanager
def up(
    folder: Path, *arguments: str, start: Callable[[], object] = as_from_a_terminal, **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    """From another folder than the project's, with no standard input."""
    with subprocess.Popen(
        [sys.executable, "-m", "devtools.up", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=start,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """Everything printed up to a line with that text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            break
    return "".join(lines)


def mirrors_a_push(ready: dict[str, str]) -> bool:
    """With nothing but what the line says."""
    ca = Path(ready["ca"])
    with Pusher(ready["registry"], ready["username"], ready["password"], ca) as pusher:
        root = str(pusher.image("up/app", oci_image("up")).digest)
    credential = LocalCredential(ready["identity_endpoint"], ready["identity_header"], ready["client_id"])
    with ContainerClient(
        ready["blob"], ready["mirror_container"], credential=credential, connection_verify=str(ca)
    ) as container:
        reader = MirrorReader(container)

        def stands() -> bool:
            try:
                return reader.resolve("up/app", "latest") == root
            except NotServed:
                return False

        return wait_for(stands, 30)


def test_json_is_one_line_and_all_that_a_stranger_needs_to_push_and_read(tmp_path: Path) -> None:
    with up(tmp_path, "--json", "--workers", "2", "--lease", "20", "--restore-target") as process:
        ready = json.loads(read_until(process, "}"))
        served = {"mirror_registry", "mirror_username", "mirror_password"}
        assert set(ready) == READY | served | {"target", "target_username", "target_password"}
        with Pusher(ready["target"], ready["target_username"], ready["target_password"], Path(ready["ca"])) as pusher:
            assert not pusher.has_manifest("up/app", "latest")
        assert mirrors_a_push(ready)
        mirror = MirrorRegistry(ready["mirror_registry"], ready["mirror_username"], ready["mirror_password"])
        assert Puller(mirror, Path(ready["ca"])).pull("up/app", "latest") == oci_image("up").root.digest
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_the_page_tells_what_happens_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with up(tmp_path, "--folder", str(folder), "--registry-port", "0") as process:
        page = read_until(process, "What happens")
        registry = page.split("docker login ")[1].split()[0]
        password = page.split("password ")[1].split()[0]
        with Pusher(registry, "local", password, folder / "ca.pem") as pusher:
            pusher.image("up/told", oci_image("told", tag="1.0"))
        told = read_until(process, "done ")
        assert told.count("event     up/told:1.0  ImagePushed") == 1
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Stopping." in out
    assert (folder / "functions.log").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_it_starts_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path, "--json") as process:
        assert wait_for(lambda: any(tmp_path.glob("stack-*/registry.log")), 60)
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_a_hangup_ends_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with up(tmp_path, "--json") as process:
        read_until(process, "}")
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=20)
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def in_the_background() -> None:
    """As `nohup … &` in a script starts it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@pytest.mark.parametrize("early", [True, False], ids=["while it starts", "once it runs"])
def test_in_the_background_it_outlives_a_hangup_and_ends_on_ctrl_c_all_the_same(tmp_path: Path, early: bool) -> None:
    with up(tmp_path, "--json", start=in_the_background) as process:
        assert wait_for(lambda: any(tmp_path.glob("stack-*/registry.log")), 60)
        process.send_signal(signal.SIGHUP)
        if not early:
            assert json.loads(read_until(process, "}"))
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == (128 + signal.SIGINT if early else 0)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_ends_by_itself_ends_the_stack_with_its_log(tmp_path: Path) -> None:
    with up(tmp_path, "--json") as process:
        read_until(process, "}")
        (pid,) = (
            int(entry.parent.name)
            for entry in Path("/proc").glob("[0-9]*/cmdline")
            if b"standins.registry" in entry.read_bytes()
            and f"\nPPid:\t{process.pid}\n" in (entry.parent / "status").read_text()
        )
        os.kill(pid, signal.SIGKILL)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "standins.registry ended with code -9" in err


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        begun = time.monotonic()
        with up(tmp_path, "--json", "--registry-port", str(taken.getsockname()[1])) as process:
            out, err = process.communicate(timeout=60)
        assert time.monotonic() - begun < 60
    assert (process.returncode, out) == (1, "")
    assert "standins.registry ended with code" in err
    assert "in use" in err


@pytest.mark.parametrize("arguments", [("--setting", "no-value"), ("--event-schema", "other")])
def test_wrong_arguments_are_told_without_starting_anything(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with up(tmp_path, *arguments) as process:
        process.communicate(timeout=20)
        assert process.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_core_tools_are_asked_for_by_name_where_they_are_missing(tmp_path: Path) -> None:
    with up(tmp_path, "--json", "--func", PATH=str(tmp_path)) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "install Azure Functions Core Tools" in err


FUNC = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Host(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({{"state": "Running"}})

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.startswith("/api/v1/credentials"):
            self.answer({{"name": given["name"], "password": "pull"}}, 201)
            return
        (event,) = given
        self.answer({{"validationResponse": event["data"]["validationCode"]}})

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

assert sys.argv[1:3] == ["start", "--port"]
with open({seen!r}, "w") as file:
    json.dump({{"environment": dict(os.environ), "app": os.listdir(".")}}, file)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Host).serve_forever()
"""


def test_core_tools_get_the_app_its_settings_and_the_hosts_own_without_a_key(tmp_path: Path) -> None:
    """By a stand-in for `func` that writes down what it was given."""
    seen = tmp_path / "seen.json"
    func = tmp_path / "bin" / "func"
    func.parent.mkdir()
    make_program(func, FUNC.format(seen=str(seen)))
    with up(tmp_path, "--json", "--func", PATH=f"{func.parent}{os.pathsep}{os.environ['PATH']}") as process:
        ready = json.loads(read_until(process, "}"))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0
    given = json.loads(seen.read_text())
    assert {"function_app.py", "host.json"} <= set(given["app"])
    environment = given["environment"]
    assert environment["MIRROR_REGISTRY"] == ready["registry"]
    assert environment["AzureWebJobsStorage__blobServiceUri"] == ready["blob"]
    assert environment["AzureWebJobsStorage__clientId"] == ready["client_id"]
    assert "AzureWebJobsStorage" not in environment
