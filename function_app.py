"""The functions: each decodes what the platform hands it, calls the app, and encodes the answer."""

import logging
import os
from typing import TYPE_CHECKING

from acrmirror.package import other_python

# Before all that was built for one Python is imported, which on another would fail with less to say.
if (wrong := other_python()) is not None:
    logging.getLogger("acrmirror").error("%s", wrong)

import azure.functions as func

from acrmirror.app import App
from acrmirror.http import Answer, Request
from acrmirror.once import once
from acrmirror.settings import Settings
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE

if TYPE_CHECKING:
    from acrmirror.http.api import Api
    from acrmirror.http.routes import Router
    from acrmirror.serve.front import Front

READ = ["GET", "HEAD"]
EVERY = [*READ, "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]
"""The host itself answers 404 to a method that is not listed."""
LOOKS = os.environ.get("MIRROR_COMPARE_SCHEDULE") or "0 */10 * * * *"
"""NCRONTAB, UTC: how often it is looked whether a comparison is due. Read here, since the host requests it at once."""
BYTES = func.DataType.BINARY
"""Messages are taken as bytes. As text, one that is not UTF-8 would reach no function, and leave no record."""
KEY, OPEN = func.AuthLevel.FUNCTION, func.AuthLevel.ANONYMOUS

app = func.FunctionApp()
# The SDKs log every request at INFO: thousands of lines a layer.
logging.getLogger("azure").setLevel(logging.WARNING)


@once
def mirror_app() -> App:
    """Made at the first call, one for the process: importing this module fetches and opens nothing."""
    return App.open(Settings.from_environment(os.environ))


def event_payload(event: func.EventGridEvent | func.CloudEvent) -> dict[str, object]:
    """The event as it came. The platform hands out either type, whatever the annotation says."""
    if isinstance(event, func.CloudEvent):
        kind = {"specversion": event.specversion, "type": event.type, "source": event.source}
        time = {"time": event.time.isoformat() if event.time else None}
    else:
        kind = {"eventType": event.event_type, "topic": event.topic}
        time = {"eventTime": event.event_time.isoformat() if event.event_time else None}
    return {"id": event.id, "subject": event.subject, "data": event.get_json(), **kind, **time}


@once
def api() -> "Api":
    """The HTTP side, whose models only HTTP functions pay for at a cold start."""
    from acrmirror.http.api import Api

    return Api(mirror_app)


@once
def router() -> "Router":
    """From a path and a method to a call of it."""
    from acrmirror.http.routes import Router

    return Router(api())


@once
def front() -> "Front":
    """What serves container tools, without the models of the API."""
    from acrmirror.serve.front import Front

    return Front(mirror_app)


def request_of(given: func.HttpRequest) -> Request:
    return Request(given.method, given.route_params, given.params, given.get_body())


def response_of(answer: Answer, request: func.HttpRequest) -> func.HttpResponse:
    body = b"" if request.method == "HEAD" else answer.body
    return func.HttpResponse(body, status_code=answer.status, headers=dict(answer.headers), mimetype=answer.media_type)


@app.function_name("on_registry_event")
@app.event_grid_trigger(arg_name="event")
def on_registry_event(event: func.EventGridEvent) -> None:
    mirror_app().intake.receive(event_payload(event))


@app.function_name("run_mirror_job")
@app.queue_trigger(arg_name="message", queue_name=JOB_QUEUE, connection="MIRROR_QUEUE", data_type=BYTES)
def run_mirror_job(message: func.QueueMessage) -> None:
    mirror_app().dispatch.run(message.get_body().decode("utf-8", "replace"), message.dequeue_count or 1)


@app.function_name("on_dead_job")
@app.queue_trigger(arg_name="message", queue_name=DEAD_QUEUE, connection="MIRROR_QUEUE", data_type=BYTES)
def on_dead_job(message: func.QueueMessage) -> None:
    mirror_app().dispatch.bury(message.get_body().decode("utf-8", "replace"))


@app.function_name("run_backfill_job")
@app.queue_trigger(arg_name="message", queue_name=BACKFILL_QUEUE, connection="MIRROR_QUEUE", data_type=BYTES)
def run_backfill_job(message: func.QueueMessage) -> None:
    mirror_app().dispatch.run(message.get_body().decode("utf-8", "replace"), message.dequeue_count or 1)


@app.function_name("on_dead_backfill_job")
@app.queue_trigger(arg_name="message", queue_name=DEAD_BACKFILL_QUEUE, connection="MIRROR_QUEUE", data_type=BYTES)
def on_dead_backfill_job(message: func.QueueMessage) -> None:
    mirror_app().dispatch.bury(message.get_body().decode("utf-8", "replace"))


@app.function_name("compare_when_due")
@app.timer_trigger(arg_name="timer", schedule=LOOKS)
def compare_when_due(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it by this name
    mirror_app().owner.claim()
    try:
        mirror_app().timer.tick()
    finally:
        try:
            mirror_app().audit_timer.tick()
        finally:
            mirror_app().stats.tick()


# Of several functions that take a path, the platform asks the first by name: `web_api`, which takes every path below
# /api, has to come last.


@app.function_name("ask_pull")
@app.route("api/v1/pulls", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
async def ask_pull(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(await api().ask_pull(request_of(request)), request)


@app.function_name("ask_pull_before")
@app.route("api/pulls", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
async def ask_pull_before(request: func.HttpRequest) -> func.HttpResponse:
    from acrmirror.http.routes import with_successor

    return response_of(with_successor(await api().ask_pull(request_of(request)), "pulls"), request)


@app.function_name("live")
@app.route("api/live", trigger_arg_name="request", methods=EVERY, auth_level=OPEN)
def live(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(router().answer(Request(request.method, {"path": "live"})), request)


@app.function_name("live_v1")
@app.route("api/v1/live", trigger_arg_name="request", methods=EVERY, auth_level=OPEN)
def live_v1(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(router().answer(Request(request.method, {"path": "v1/live"})), request)


@app.function_name("status_page")
@app.route("api/status/{file?}", trigger_arg_name="request", methods=EVERY, auth_level=OPEN)
def status_page(request: func.HttpRequest) -> func.HttpResponse:
    from acrmirror.http.page import shell

    if request.method not in READ:
        from acrmirror.http.routes import not_allowed

        return response_of(not_allowed(request.method, "/api/status", {"GET": "status_page"}), request)
    return response_of(shell(request.route_params.get("file"), request.headers.get("If-None-Match")), request)


@app.function_name("web_api")
@app.route("api/{*path}", trigger_arg_name="request", methods=EVERY, auth_level=KEY)
def web_api(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(router().answer(request_of(request)), request)


@app.function_name("serve_registry")
@app.route("v2/{*path}", trigger_arg_name="request", methods=EVERY, auth_level=OPEN)
def serve_registry(request: func.HttpRequest) -> func.HttpResponse:
    from acrmirror.serve.wire import Asked

    path, sender = request.route_params.get("path", ""), request.headers.get("Authorization")
    reply = front().answer(Asked(request.method, path, request.params, sender))
    return func.HttpResponse(reply.body, status_code=reply.status, headers=dict(reply.headers))
