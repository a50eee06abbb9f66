"""The host: one front for all instances, and the listeners behind it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from standins import guard
from standins.functions import control, webhook
from standins.functions.calls import InstanceLost
from standins.functions.connection import queue_service
from standins.functions.control import Control
from standins.functions.counts import Counts
from standins.functions.cron import parse_schedule
from standins.functions.hostjson import HostOptions
from standins.functions.httptrigger import HttpTriggers
from standins.functions.instance import GRACE, RESTART_DELAY
from standins.functions.keys import Keys
from standins.functions.metadata import EVENT_GRID, HTTP, QUEUE, TIMER, Function, resolve
from standins.functions.pool import Pool
from standins.functions.process import Launch
from standins.functions.queues import POISON_SUFFIX, QueueListener, Source
from standins.functions.request import HostRequest
from standins.functions.runtime import AppFailed, WorkerFailed
from standins.functions.server import Response, Server
from standins.functions.storage import DELAY
from standins.functions.timers import Timer
from standins.functions.webhook import EventGridWebhook
from standins.functions.wire import Call

_STATUS = "/admin/host/ping"
_ADMIN = "/admin/functions"
# The platform's own is 150 kB of pictures.
_HOME = b"<!DOCTYPE html><html><head><title>Your Azure Function App is up and running.</title></head></html>"


class Host:
    """`start` brings all of it up, `stop` ends it; in between it answers on its port."""

    def __init__(
        self,
        app: Path,
        options: HostOptions,
        environment: Mapping[str, str],
        *,
        workers: int,
        lease: int,
        scale_groups: bool = False,
        port: int = 0,
        runtime: str = "auto",
        token: str | None = None,
        ca: Path | None = None,
        grace: float = GRACE,
        storage_delay: float = DELAY,
        restart_delay: float = RESTART_DELAY,
        log: Callable[[str], None],
    ) -> None:
        self.keys = Keys()
        self._options = options
        self._environment = environment
        self._lease = lease
        self._token = token
        self._ca = ca
        self._grace = grace
        self._storage_delay = storage_delay
        self._log = log
        self._counts = Counts()
        hidden = {name: value for name, value in environment.items() if name != guard.VARIABLE}
        launch = Launch(app, runtime, hidden, options.function_timeout, restart_delay, log, self._counts)
        self.pool = Pool(launch, workers, scale_groups)
        self._listeners: list[QueueListener | Timer] = []
        self._timers: dict[str, Timer] = {}
        self._functions: list[Function] = []
        self.failed = ""
        self._server = Server(port, self._answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.25,), name="http")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    def start(self) -> None:
        """Raises `WorkerFailed`, `NotEmulated`, `InvalidSchedule`: what keeps the app from running.

        An app that can't be imported has no functions, and the host starts all the same: `failed` says why.
        """
        try:
            self._functions = self.pool.start()
        except WorkerFailed:
            raise
        except AppFailed as failed:
            self.failed = str(failed)
        submit = self.pool.submit
        self._triggers = HttpTriggers(self._functions, self._options.route_prefix, self.keys, submit, self._log)
        self._webhook = EventGridWebhook(self._functions, submit)
        self._control = Control(self._token, self.pool, self._counts, self._functions)
        for function in self._functions:
            if function.kind == QUEUE:
                self._listen(function)
            elif function.kind == TIMER:
                self._schedule(function)
        for listener in self._listeners:
            listener.start()
        self._thread.start()

    def stop(self) -> None:
        for listener in self._listeners:
            listener.stop()
        self.pool.stop(self._grace)
        for listener in self._listeners:
            listener.join()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _listen(self, function: Function) -> None:
        service = queue_service(
            str(function.trigger.get("connection") or ""), self._environment, self._ca, self._storage_delay
        )
        name = resolve(str(function.trigger["queueName"]), self._environment).lower()
        poison = None if name.endswith(POISON_SUFFIX) else service.get_queue_client(name + POISON_SUFFIX)
        source = Source(function, service.get_queue_client(name), poison, self._options.queues, self._lease)
        for instance in self.pool.serving(function.name):
            self._listeners.append(QueueListener(source, instance, self._counts, self._log))

    def _schedule(self, function: Function) -> None:
        schedule = parse_schedule(resolve(str(function.trigger["schedule"]), self._environment))
        timer = self._timers[function.name] = Timer(function, schedule, self.pool.submit, self._log)
        self._listeners.append(timer)

    def _answer(self, request: HostRequest) -> Response:
        try:
            answer = self._dispatch(request)
        except InstanceLost as lost:
            # What the front end answers for an instance that is gone.
            return Response.text(502, str(lost))
        return answer.adding(self._options.headers)

    def _dispatch(self, request: HostRequest) -> Response:
        path = request.path.lower()
        if path.startswith(control.PATH):
            return self._control.answer(request)
        if path.startswith(webhook.WEBHOOKS):
            return self._extension(request, path.removesuffix("/"))
        if path == _STATUS:
            return Response(200)
        if path == _ADMIN or path.startswith(f"{_ADMIN}/"):
            return self._admin(request)
        found = self._triggers.answer(request)
        if found is None and path == "/" and request.method.upper() in ("GET", "HEAD"):
            return Response(200, _HOME, [("Content-Type", "text/html")])
        return found or Response(404)

    def _extension(self, request: HostRequest, path: str) -> Response:
        if self.failed:
            return Response(401)  # without functions there is no extension, and without that no key for it
        refusal = self.keys.refuse_webhook(request)
        if refusal is not None:
            self._log(f"[host] the Event Grid webhook takes the system key or the master key: {refusal.status}")
            return refusal
        return self._webhook.answer(request) if path == webhook.PATH else Response(404)

    def _admin(self, request: HostRequest) -> Response:
        refusal = self.keys.refuse_admin(request)
        if refusal is not None:
            return refusal
        name = request.path[len(_ADMIN) :].strip("/")
        if not name and request.method == "GET":
            listed = [
                {"name": function.name, "config": {"bindings": [dict(function.trigger)]}}
                for function in self._functions
            ]
            return Response.text(200, json.dumps(listed), "application/json")
        function = next((function for function in self._functions if function.name.lower() == name.lower()), None)
        if function is None or request.method != "POST":
            return Response(404)
        if request.headers.get_content_type() != "application/json":
            return Response(415)
        return self._run_by_hand(function, request.body)

    def _run_by_hand(self, function: Function, body: bytes) -> Response:
        """FunctionsController.Invoke: runs it with that input and does not wait for it. Not for HTTP functions."""
        try:
            given = json.loads(body).get("input", "")
        except (ValueError, AttributeError):
            return Response(400)
        text = given if isinstance(given, str) else json.dumps(given)
        if function.kind == HTTP:
            return Response(400)
        if function.kind == TIMER:
            call = self._timers[function.name].call()
        elif function.kind == EVENT_GRID:
            call = Call(function.name, function.parameter, {"json": text})
        else:
            call = Call(function.name, function.parameter, {"string": text}, {"QueueTrigger": {"string": text}})
        self.pool.submit(call)
        return Response(202)
