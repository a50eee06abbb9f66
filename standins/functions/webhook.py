"""The Event Grid extension's webhook: POST /runtime/webhooks/EventGrid?functionName=…&code=…

After Microsoft.Azure.WebJobs.Extensions.EventGrid (HttpRequestProcessor.cs, EventGridExtensionConfigProvider.cs) and
https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema. A batch runs in parallel and
fails as a whole; the answer comes when all of it has run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from standins.functions import newtonsoft
from standins.functions.instance import FunctionFailed, InstanceLost
from standins.functions.keys import first_value
from standins.functions.metadata import EVENT_GRID, Function
from standins.functions.server import Response
from standins.functions.wire import Call, Outcome
from standins.request import Request

PATH = "/runtime/webhooks/eventgrid"
EVENT_TYPE = "aeg-event-type"


class EventGridWebhook:
    def __init__(self, functions: Iterable[Function], submit: Callable[[Call], Future[Outcome]]) -> None:
        self._functions = {function.name: function for function in functions if function.kind == EVENT_GRID}
        self._submit = submit

    def answer(self, request: Request[bytes]) -> Response:
        name = first_value(request, "functionName")
        function = self._functions.get(name)
        if function is None:
            return Response.text(404, f"cannot find function: '{name}'")
        kind = request.headers.get(EVENT_TYPE, "").lower()
        try:
            if kind == "subscriptionvalidation":
                return _handshake(request.body)
            if kind == "notification":
                return self._notify(function, _events(request.body))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            # The real one has no handler for a body that it can't read, either: the exception becomes a 500.
            return Response.text(500, f"{type(error).__name__}: {error}")
        return Response(202 if kind == "unsubscribe" else 400)

    def _notify(self, function: Function, events: list[Any]) -> Response:
        answers = []
        for event in events:
            about = str(event["id"]) if isinstance(event, dict) and "id" in event else None
            call = Call(function.name, function.parameter, {"json": newtonsoft.write(event)}, about=about)
            answers.append(self._submit(call))
        failures = [failure for failure in map(_failure, answers) if failure is not None]
        lost = next((failure for failure in failures if isinstance(failure, InstanceLost)), None)
        if lost is not None:
            raise lost
        if failures:
            return Response.text(500, f"Exception while executing function: Functions.{function.name}: {failures[0]}")
        return Response(202)


def _failure(answer: Future[Outcome]) -> Exception | None:
    try:
        answer.result()
    except (FunctionFailed, InstanceLost) as error:
        return error
    return None


def _events(body: bytes) -> list[Any]:
    events = newtonsoft.parse(body)
    if isinstance(events, dict):
        return [events]  # one CloudEvent
    if isinstance(events, list):
        return events
    raise ValueError("The request content should be parseable into a JSON object or array")


def _handshake(body: bytes) -> Response:
    events = newtonsoft.parse(body)
    if isinstance(events, dict):
        # In the CloudEvents schema the data is JSON within JSON.
        data = events["data"]
        code = (json.loads(data) if isinstance(data, str) else data)["validationCode"]
    else:
        code = events[0]["data"]["validationCode"]
    return Response.text(200, json.dumps({"validationResponse": str(code)}))
