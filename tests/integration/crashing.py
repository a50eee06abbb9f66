"""The app in processes that kill themselves at a given write to storage, or to a registry, before it is sent.

Run as a program it loads the app once, and forks for each order that it reads: a crash costs no start of Python.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from azure.core.pipeline.transport import RequestsTransport

from acrmirror.app import App
from acrmirror.settings import Settings

WRITES = frozenset({"PUT", "POST", "PATCH", "MERGE", "DELETE"})


class Crashing:
    """`with Crashing(environment) as crashing: crashing.call("pulls.ask", "team/app", at=2)`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.crashing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment},
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.communicate(timeout=30)

    def call(self, name: str, *given: Any, at: int = 0, **options: Any) -> int | None:
        """Calls a method of the app in a process of its own. None if it was killed at write `at` (from 1), else how
        many writes there were."""
        order = {"name": name, "given": given, "options": options, "at": at}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        answer = json.loads(self._server.stdout.readline())
        assert answer["code"] in (0, -signal.SIGKILL), answer
        return int(answer["writes"]) if answer["code"] == 0 else None


class _Killer:
    def __init__(self, settings: Settings, at: int) -> None:
        endpoints = (settings.blob_endpoint, settings.queue_endpoint, settings.table_endpoint)
        self._storage = {urlsplit(it).netloc for it in endpoints} | set(settings.restore_targets)
        self._at = at
        self._lock = threading.Lock()
        self.writes = 0

    def install(self) -> None:
        send = RequestsTransport.send

        def sending(transport: Any, request: Any, **options: Any) -> Any:
            if request.method not in WRITES or urlsplit(request.url).netloc not in self._storage:
                return send(transport, request, **options)
            with self._lock:
                self.writes += 1
                last = self.writes == self._at
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return send(transport, request, **options)

        RequestsTransport.send = sending


def _perform(order: dict[str, Any]) -> int:
    settings = Settings.from_environment(os.environ)
    killer = _Killer(settings, order["at"])
    killer.install()
    with App.open(settings) as app:
        call: Any = app
        for part in order["name"].split("."):
            call = getattr(call, part)
        call(*order["given"], **order["options"])
    return killer.writes


def _in_a_process(order: dict[str, Any]) -> dict[str, int]:
    reads, tells = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(tells, str(_perform(order)).encode())
            code = 0
        except BaseException:  # noqa: BLE001  # it is printed, and ends this process
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(tells)
    told = os.read(reads, 64)
    os.close(reads)
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status), "writes": int(told or 0)}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_in_a_process(json.loads(line))), flush=True)
