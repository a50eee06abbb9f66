"""`/_local/…`: what the platform has no equal of, for tests and for the demo. Off unless STANDINS_CONTROL_TOKEN is set.

Every request carries the token as `X-Standins-Token`.

GET   /_local/workers                    [{"instance", "pid", "state": up, starting or stopped, "starts", "running"}]
POST  /_local/workers/<instance>/<what>  what: stop and continue (the machine stands still, or goes on), kill (host and
                                         worker, −9), worker (−9 for it alone), end (SIGTERM to the host), drain
GET   /_local/functions                  the app's functions as the worker told them
GET   /_local/dispatches                 by function: begun, running, succeeded, failed, lost, renewed, leases_lost,
                                         taken_over, poisoned, and `of`: message or event id → its runs' instances
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Iterable

from standins import guard
from standins.functions.counts import Counts
from standins.functions.instance import Instance
from standins.functions.metadata import Function
from standins.functions.pool import Pool
from standins.functions.request import HostRequest
from standins.functions.server import Response

PATH = "/_local/"
_SIGNAL_SHOWS = 5.0


class Control:
    def __init__(self, token: str | None, pool: Pool, counts: Counts, functions: Iterable[Function]) -> None:
        self._token = token
        self._pool = pool
        self._counts = counts
        self._functions = list(functions)

    def answer(self, request: HostRequest) -> Response:
        if self._token is None:
            return Response(404)
        if not guard.is_allowed(request.headers, self._token):
            return Response(401)
        match (request.method, *request.path.removeprefix(PATH).split("/")):
            case ("GET", "workers"):
                return _json([_told(instance) for instance in self._pool.instances])
            case ("GET", "functions"):
                return _json([{"name": f.name, "trigger": dict(f.trigger)} for f in self._functions])
            case ("GET", "dispatches"):
                return _json(self._counts.told())
            case ("POST", "workers", number, what) if number.isdigit():
                return self._do(int(number), what)
        return Response(404)

    def _do(self, number: int, what: str) -> Response:
        instance = next((instance for instance in self._pool.instances if instance.number == number), None)
        if instance is None or instance.pid is None:
            return Response(404)
        match what:
            case "stop" | "continue":
                if not instance.stall(what == "stop"):
                    return Response(404)
                _wait_until_it_shows(instance, stopped=what == "stop")
            case "kill":
                instance.lose()
            case "worker":
                os.kill(instance.pid, signal.SIGKILL)
            case "end":
                instance.end("SIGTERM")
            case "drain":
                instance.end("it is drained", grace=math.inf)
            case _:
                return Response(404)
        return _json(_told(instance))


def _wait_until_it_shows(instance: Instance, *, stopped: bool) -> None:
    """kill(2) returns before the process has stopped or gone on; until then the pool would still choose by the old
    state, and a request could go to a worker that never answers.
    """
    deadline = time.monotonic() + _SIGNAL_SHOWS
    while instance.frozen() != stopped and time.monotonic() < deadline:
        time.sleep(0.001)


def _told(instance: Instance) -> dict[str, object]:
    state = "stopped" if instance.frozen() else "up" if instance.ready else "starting"
    running = [{"function": call.function, "about": call.about} for call in instance.running()]
    return {
        "instance": instance.number,
        "pid": instance.pid,
        "state": state,
        "starts": instance.starts,
        "running": running,
    }


def _json(value: object) -> Response:
    return Response.text(200, json.dumps(value), "application/json")
