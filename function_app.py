"""The functions: each decodes what the platform hands it, calls the application, and encodes the answer."""

import logging
import os
from functools import cache

import azure.functions as func

from acrmirror.application import Mirror
from acrmirror.jobs import DEAD_QUEUE, JOB_QUEUE
from acrmirror.settings import Settings

app = func.FunctionApp()
# The SDKs log every request at INFO: thousands of lines a layer.
logging.getLogger("azure").setLevel(logging.WARNING)


@cache
def mirror() -> Mirror:
    """Made at the first call, one for the process: importing this module fetches and opens nothing."""
    return Mirror.open(Settings.from_environment(os.environ))


def event_payload(event: func.EventGridEvent | func.CloudEvent) -> dict[str, object]:
    """The event as it came. The platform hands out either type, whatever the annotation says."""
    if isinstance(event, func.CloudEvent):
        kind = {"specversion": event.specversion, "type": event.type, "source": event.source}
        time = {"time": event.time.isoformat() if event.time else None}
    else:
        kind = {"eventType": event.event_type, "topic": event.topic}
        time = {"eventTime": event.event_time.isoformat() if event.event_time else None}
    return {"id": event.id, "subject": event.subject, "data": event.get_json(), **kind, **time}


@app.function_name("on_registry_event")
@app.event_grid_trigger(arg_name="event")
def on_registry_event(event: func.EventGridEvent) -> None:
    mirror().receive_event(event_payload(event))


@app.function_name("run_mirror_job")
@app.queue_trigger(arg_name="message", queue_name=JOB_QUEUE, connection="MIRROR_QUEUE")
def run_mirror_job(message: func.QueueMessage) -> None:
    mirror().run_job(message.get_body().decode("utf-8", "replace"), message.dequeue_count or 1)


@app.function_name("on_dead_job")
@app.queue_trigger(arg_name="message", queue_name=DEAD_QUEUE, connection="MIRROR_QUEUE")
def on_dead_job(message: func.QueueMessage) -> None:
    mirror().bury_job(message.get_body().decode("utf-8", "replace"))
