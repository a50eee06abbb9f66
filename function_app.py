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
    from acrmirror.http.credentials import CredentialCalls
    from acrmirror.serve.front import Front

READ = ["GET", "HEAD"]
EVERY = [*READ, "PUT", "POST", "PATCH", "DELETE"]
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
def credentials() -> "CredentialCalls":
    """Calls for the credentials of those who pull from the mirror."""
    from acrmirror.http.credentials import CredentialCalls

    return CredentialCalls(mirror_app)


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
    try:
        mirror_app().timer.tick()
    finally:
        mirror_app().audit_timer.tick()


@app.function_name("ask_pull")
@app.route("api/pulls", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
async def ask_pull(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(await api().ask_pull(request_of(request)), request)


@app.function_name("list_pulls")
@app.route("api/pulls", trigger_arg_name="request", methods=READ, auth_level=KEY)
def list_pulls(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().list_pulls(request_of(request)), request)


@app.function_name("show_pull")
@app.route("api/pulls/{id}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_pull(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().show_pull(request_of(request)), request)


@app.function_name("cancel_pull")
@app.route("api/pulls/{id}", trigger_arg_name="request", methods=["DELETE"], auth_level=KEY)
def cancel_pull(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().cancel_pull(request_of(request)), request)


@app.function_name("retry_pull")
@app.route("api/pulls/{id}/retry", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
def retry_pull(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().retry_pull(request_of(request)), request)


@app.function_name("ask_audit")
@app.route("api/audits", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
def ask_audit(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().ask_audit(request_of(request)), request)


@app.function_name("list_audits")
@app.route("api/audits", trigger_arg_name="request", methods=READ, auth_level=KEY)
def list_audits(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().list_audits(request_of(request)), request)


@app.function_name("show_audit")
@app.route("api/audits/{id}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_audit(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().show_audit(request_of(request)), request)


@app.function_name("list_repositories")
@app.route("api/images", trigger_arg_name="request", methods=READ, auth_level=KEY)
def list_repositories(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().list_repositories(request_of(request)), request)


@app.function_name("show_image")
@app.route("api/images/{*path}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_image(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().show_image(request_of(request)), request)


@app.function_name("show_history")
@app.route("api/history/{*path}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_history(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().show_history(request_of(request)), request)


@app.function_name("request_archive")
@app.route("api/archives", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
def request_archive(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().request_archive(request_of(request)), request)


@app.function_name("show_archive")
@app.route("api/archives/{id}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_archive(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().show_archive(request_of(request)), request)


@app.function_name("cancel_archive")
@app.route("api/archives/{id}", trigger_arg_name="request", methods=["DELETE"], auth_level=KEY)
def cancel_archive(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().cancel_archive(request_of(request)), request)


@app.function_name("request_rebuild")
@app.route("api/rebuilds", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
def request_rebuild(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().request_rebuild(request_of(request)), request)


@app.function_name("show_rebuild")
@app.route("api/rebuilds/{id}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_rebuild(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().show_rebuild(request_of(request)), request)


@app.function_name("create_credential")
@app.route("api/credentials", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
def create_credential(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(credentials().create_credential(request_of(request)), request)


@app.function_name("list_credentials")
@app.route("api/credentials", trigger_arg_name="request", methods=READ, auth_level=KEY)
def list_credentials(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(credentials().list_credentials(request_of(request)), request)


@app.function_name("revoke_credential")
@app.route("api/credentials/{credential}", trigger_arg_name="request", methods=["DELETE"], auth_level=KEY)
def revoke_credential(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(credentials().revoke_credential(request_of(request)), request)


@app.function_name("request_restore")
@app.route("api/restores", trigger_arg_name="request", methods=["POST"], auth_level=KEY)
def request_restore(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().request_restore(request_of(request)), request)


@app.function_name("show_restore")
@app.route("api/restores/{id}", trigger_arg_name="request", methods=READ, auth_level=KEY)
def show_restore(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().show_restore(request_of(request)), request)


@app.function_name("cancel_restore")
@app.route("api/restores/{id}", trigger_arg_name="request", methods=["DELETE"], auth_level=KEY)
def cancel_restore(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().cancel_restore(request_of(request)), request)


@app.function_name("health")
@app.route("api/health", trigger_arg_name="request", methods=READ, auth_level=KEY)
def health(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().health(request_of(request)), request)


@app.function_name("live")
@app.route("api/live", trigger_arg_name="request", methods=READ, auth_level=OPEN)
def live(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().live(request_of(request)), request)


@app.function_name("openapi")
@app.route("api/openapi.json", trigger_arg_name="request", methods=READ, auth_level=KEY)
def openapi(request: func.HttpRequest) -> func.HttpResponse:
    return response_of(api().openapi(request_of(request)), request)


@app.function_name("status_page")
@app.route("api/status/{file?}", trigger_arg_name="request", methods=READ, auth_level=OPEN)
def status_page(request: func.HttpRequest) -> func.HttpResponse:
    from acrmirror.http.page import shell

    return response_of(shell(request.route_params.get("file"), request.headers.get("If-None-Match")), request)


@app.function_name("serve_registry")
@app.route("v2/{*path}", trigger_arg_name="request", methods=EVERY, auth_level=OPEN)
def serve_registry(request: func.HttpRequest) -> func.HttpResponse:
    from acrmirror.serve.wire import Asked

    path, sender = request.route_params.get("path", ""), request.headers.get("Authorization")
    reply = front().answer(Asked(request.method, path, request.params, sender))
    return func.HttpResponse(reply.body, status_code=reply.status, headers=dict(reply.headers))
