"""The local Functions host as a process: how it starts, refuses, ends; what its workers tell."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from standins import guard
from standins.foundation import Foundation
from standins.functions.metadata import parse_functions
from standins.process import Service, ServiceFailed, wait_for
from standins.tests.sample_host import RUNTIMES, SAMPLE, sample_host

HTTP_OUT: dict[str, object] = {"direction": "OUT", "type": "http", "name": "$return"}


def http(route: str, level: str = "ANONYMOUS", **more: object) -> list[dict[str, object]]:
    trigger = {"direction": "IN", "type": "httpTrigger", "name": "req", "authLevel": level, "route": route, **more}
    return [trigger, HTTP_OUT]


def trigger(kind: str, name: str, **more: object) -> list[dict[str, object]]:
    return [{"direction": "IN", "type": f"{kind}Trigger", "name": name, **more}]


# What the platform's host would be told of the sample app.
METADATA = {
    "run_order": trigger("queue", "message", queueName="%SAMPLE_QUEUE%", connection="SAMPLE"),
    "run_dead": trigger("queue", "message", queueName="%SAMPLE_QUEUE%-poison", connection="SAMPLE"),
    "on_event": trigger("eventGrid", "event"),
    "tick": trigger("timer", "timer", schedule="*/2 * * * * *"),
    "yearly": trigger("timer", "timer", schedule="%SAMPLE_SCHEDULE%"),
    "echo": http("echo/{*path}", "FUNCTION", methods=["GET", "POST"]),
    "item": http("items/{id:int}", methods=["GET", "HEAD"]),
    "latest": http("items/latest", methods=["GET"]),
    "order": http("order", methods=["POST"]),
    "say": http("say", methods=["POST", "HEAD"]),
    "leave_child": http("child", methods=["POST"]),
    "admin_only": http("for-admins", "ADMIN"),
    "nothing": http("nothing"),
}

TELL = """
import json, sys
from pathlib import Path
from standins.functions.runtime import choose
sys.path.insert(0, sys.argv[2])
print(json.dumps(choose(sys.argv[1]).load(Path(sys.argv[2]))))
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start_with(app: Path, folder: Path) -> Service:
    return Service.module("standins.functions", ["--app", str(app)], folder / "functions.log")


def app_of(folder: Path, code: str, host_json: str | None = '{"version": "2.0"}') -> Path:
    app = folder / "app"
    app.mkdir()
    (app / "function_app.py").write_text(code)
    if host_json is not None:
        (app / "host.json").write_text(host_json)
    return app


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_tells_the_same_metadata(runtime: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", TELL, runtime, str(SAMPLE)], capture_output=True, text=True, check=True
    ).stdout
    functions = json.loads(told.splitlines()[-1])
    assert {function["name"]: function["bindings"] for function in functions} == METADATA
    assert len(parse_functions(functions)) == len(METADATA)


def test_the_control_api_wants_its_token_and_is_off_without_one(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path) as host:
        assert host.ask("GET", "/_local/workers").status == 401
        assert host.ask("GET", "/_local/workers", x_standins_token="of the test").status == 200
        assert host.ask("GET", "/_local/nothing", x_standins_token="of the test").status == 404
    no_token: dict[str, Any] = {guard.VARIABLE: ""}
    with sample_host(foundation, tmp_path, **no_token) as host:
        assert host.ask("GET", "/_local/workers", x_standins_token="").status == 404


def test_an_empty_route_prefix_serves_at_the_root(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, http_routePrefix="") as host:
        assert host.ask("GET", "/items/1").status == 203
        assert host.ask("GET", "/api/items/1").status == 404


def test_it_ends_at_once_on_a_signal_and_its_workers_with_it_whatever_they_do(
    foundation: Foundation, tmp_path: Path
) -> None:
    log = tmp_path / "copy.log"
    with sample_host(foundation, tmp_path, "--log", str(log), workers=2) as host:
        host.send(sleep=60)
        host.expect_records(1, "begin")
        host.control.signal(1, "stop")
        pids = host.ready["workers"]
        assert host.service.stop(4) == 0
        assert not any(alive(pid) for pid in pids)
    assert f"[worker 1] pid {pids[1]}" in log.read_text()


def test_killed_it_leaves_no_worker_behind_not_even_a_stopped_one(foundation: Foundation, tmp_path: Path) -> None:
    with sample_host(foundation, tmp_path, workers=2) as host:
        host.control.signal(1, "stop")
        os.kill(host.service.pid, signal.SIGKILL)
        assert wait_for(lambda: not any(alive(pid) for pid in host.ready["workers"]), 30)


def test_an_app_that_cannot_be_imported_looks_started_and_has_no_functions(
    foundation: Foundation, tmp_path: Path
) -> None:
    app = app_of(tmp_path, "raise RuntimeError('my own bug')\n")
    with sample_host(foundation, tmp_path, app=app) as host:
        assert "my own bug" in host.ready["failed"]
        assert "my own bug" in host.log()
        key = {"x_functions_key": host.ready["key"]}
        assert host.ask("GET", "/admin/functions", **key).json == []
        assert host.ask("GET", "/admin/host/ping", **key).status == 200
        assert host.ask("GET", "/").status == 200
        assert host.ask("GET", "/api/echo/x", **key).status == 404
        assert host.notify([{"id": "1", "data": {}}]).status == 401


def test_a_worker_that_dies_while_it_loads_the_app_keeps_the_host_from_starting(tmp_path: Path) -> None:
    app = app_of(tmp_path, "import os\nos._exit(3)\n")
    with pytest.raises(ServiceFailed, match="ended before it told its functions"):
        start_with(app, tmp_path).ready()


@pytest.mark.parametrize(
    ("decorator", "complaint"),
    [
        ('@app.blob_trigger("arg", "path", "CONN")', "trigger blobTrigger is not emulated"),
        ('@app.queue_trigger("arg", "queue", "NOBODY")', "there is no app setting NOBODY__queueServiceUri"),
        ('@app.queue_trigger("arg", "%NOBODY%", "CONN")', "there is no app setting NOBODY"),
        ('@app.timer_trigger("arg", "61 * * * * *")', "'61' is not from 0 to 59"),
    ],
)
def test_what_it_cannot_run_it_refuses_by_name(tmp_path: Path, decorator: str, complaint: str) -> None:
    code = f"import azure.functions as func\napp = func.FunctionApp()\n{decorator}\ndef f(arg): pass\n"
    app = app_of(tmp_path, code)
    environment = {**os.environ, "CONN__queueServiceUri": "https://127.0.0.1:1/x"}
    service = Service.module("standins.functions", ["--app", str(app)], tmp_path / "functions.log", environment)
    with pytest.raises(ServiceFailed, match=complaint):
        service.ready()


def test_without_host_json_it_does_not_start(tmp_path: Path) -> None:
    app = app_of(tmp_path, "", host_json=None)
    with pytest.raises(ServiceFailed, match=r"host\.json"):
        start_with(app, tmp_path).ready()


def test_the_host_does_not_import_the_app(foundation: Foundation, tmp_path: Path) -> None:
    """The app of this test writes down every process that imports it."""
    app = tmp_path / "app"
    shutil.copytree(SAMPLE, app, ignore=shutil.ignore_patterns("__pycache__"))
    script = app / "function_app.py"
    script.write_text(
        script.read_text() + f'\nopen({str(tmp_path / "importers")!r}, "a").write(f"{{os.getpid()}}\\n")\n'
    )
    with sample_host(foundation, tmp_path, app=app, workers=2) as host:
        importers = {int(line) for line in (tmp_path / "importers").read_text().split()}
        assert importers == set(host.ready["workers"])
