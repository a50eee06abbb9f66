"""An app for the tests of the local Functions host: each function does what its message or request asks for.

What ran is written down as JSON lines in the file SAMPLE_RECORD, one `write` each, so that runs can be counted whatever
then happens to their worker.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


# What an import finds, which is not always what a run finds.
AT_IMPORT = {"folder": str(Path.cwd()), "queue": os.environ.get("SAMPLE_QUEUE")}


def record(**what: Any) -> None:
    line = json.dumps({"pid": os.getpid(), "at": time.time(), **what}) + "\n"
    descriptor = os.open(os.environ["SAMPLE_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def obey(order: dict[str, Any]) -> None:
    """`sleep` seconds, `fail`, `die`, `log`, in that order."""
    if "sleep" in order:
        time.sleep(order["sleep"])
    if "log" in order:
        logging.getLogger("sample").info(order["log"])
        print(order["log"])
    if order.get("fail"):
        raise RuntimeError(order["fail"])
    if order.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%", connection="SAMPLE")
def run_order(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    order = json.loads(text) if text.startswith("{") else {}
    seen = {"id": message.id, "dequeue_count": message.dequeue_count, "inserted": str(message.insertion_time)}
    record(did="begin", text=text, **seen)
    obey(order)
    record(did="end", text=text, **seen)


@app.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%-poison", connection="SAMPLE")
def run_dead(message: func.QueueMessage) -> None:
    text = message.get_body().decode(errors="replace")
    record(did="dead", text=text, dequeue_count=message.dequeue_count)
    if "not even dead" in text:
        raise RuntimeError("not even dead")


@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent) -> None:
    kind = type(event).__name__
    data = event.get_json()
    when = getattr(event, "time" if kind == "CloudEvent" else "event_time")
    record(did="event", kind=kind, id=event.id, data=data, time=str(when))
    obey(data or {})
    record(did="event end", id=event.id)


@app.timer_trigger(arg_name="timer", schedule="*/2 * * * * *")
def tick(timer: func.TimerRequest) -> None:
    record(did="tick", past_due=timer.past_due)


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%")
def yearly(timer: func.TimerRequest) -> None:
    record(did="yearly", past_due=timer.past_due)


@app.route(route="echo/{*path}", methods=["GET", "POST"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    told = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "query": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode(),
        "pid": os.getpid(),
        "thread": threading.current_thread().name,
        "environment": sorted(os.environ),
        "folder": str(Path.cwd()),
        "at_import": AT_IMPORT,
    }
    return func.HttpResponse(json.dumps(told), mimetype="application/json", headers={"X-Sample": "yes"})


@app.route(route="items/{id:int}", methods=["GET", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
async def item(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    body = json.dumps({"id": req.route_params["id"], "function": context.function_name, "run": context.invocation_id})
    response = func.HttpResponse(body, status_code=203, mimetype="application/json")
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly; SameSite=Lax; Max-Age=60")
    return response


@app.route(route="items/latest", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def latest(req: func.HttpRequest) -> str:
    return "latest"


@app.route(route="order", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def order(req: func.HttpRequest) -> func.HttpResponse:
    obey(req.get_json())
    return func.HttpResponse(status_code=204)


@app.route(route="say", methods=["POST", "HEAD"], auth_level=func.AuthLevel.ANONYMOUS)
def say(req: func.HttpRequest) -> func.HttpResponse:
    """Answers what the query asks for: `status`, `body`, and any other name as a header."""
    headers = dict(req.params)
    status, body = int(headers.pop("status", "200")), headers.pop("body", "")
    return func.HttpResponse(body, status_code=status, headers=headers)


@app.route(route="child", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
def leave_child(req: func.HttpRequest) -> func.HttpResponse:
    """Leaves a process behind, as an app may."""
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    return func.HttpResponse(str(left.pid))


@app.route(route="for-admins", auth_level=func.AuthLevel.ADMIN)
def admin_only(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("admin")


@app.route(route="nothing", auth_level=func.AuthLevel.ANONYMOUS)
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None  # type: ignore[return-value]  # an app's mistake that the converter refuses
