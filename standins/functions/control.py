"""`/_local/…`: what the platform has no equal of, for tests and for the demo. Off unless STANDINS_CONTROL_TOKEN is set.

Every request carries the token as `X-Standins-Token`.

GET   /_local/workers                    [{"instance", "pid", "state": up, starting or stopped, "starts", "running"}]
POST  /_local/workers/<instance>/<what>  what: stop (SIGSTOP), continue (SIGCONT), kill (SIGKILL)
GET   /_local/functions                  the app's functions as the worker told them
GET   /_local/dispatches                 by function: begun, running, succeeded, failed, lost, renewed, leases_lost,
                                         taken_over, poisoned, and `of`: message or event id → its runs' instances
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable

from standins import guard
from standins.functions.counts import Counts
from standins.functions.instance import Instance
from standins.functions.metadata import Function
from standins.functions.pool import Pool
from standins.functions.server import Response
from standins.request import Request

PATH = "/_local/"
_SIGNALS = {"stop": signal.SIGSTOP, "continue": signal.SIGCONT, "kill": signal.SIGKILL}
_SIGNAL_SHOWS = 5.0


class Control:
    def __init__(self, token: str | None, pool: Pool, counts: Counts, functions: Iterable[Function]) -> None:
        self._token = token
        self._pool = pool
        self._counts = counts
        self._functions = list(functions)

    def answer(self, request: Request[bytes]) -> Response:
        if self._token is None:
            return Response(404)
        if not guard.is_allowed(request.headers, self._token):
            return Response(401)
        match (request.method, *request.raw_path.removeprefix(PATH).split("/")):
            case ("GET", "workers"):
                return _json([_told(instance) for instance in self._pool.instances])
            case ("GET", "functions"):
                return _json([{"name": f.name, "trigger": dict(f.trigger)} for f in self._functions])
            case ("GET", "dispatches"):
                return _json(self._counts.told())
            case ("POST", "workers", number, what) if what in _SIGNALS and number.isdigit():
                return self._signal(int(number), _SIGNALS[what])
        return Response(404)

    def _signal(self, number: int, what: signal.Signals) -> Response:
        instance = next((instance for instance in self._pool.instances if instance.number == number), None)
        if instance is None or instance.pid is None:
            return Response(404)
        try:
            os.kill(instance.pid, what)
        except ProcessLookupError:
            return Response(404)
        if what != signal.SIGKILL:
            _wait_until_it_shows(instance, stopped=what == signal.SIGSTOP)
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
