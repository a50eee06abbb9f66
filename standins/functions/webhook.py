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
from standins.functions.calls import FunctionFailed, InstanceLost
from standins.functions.metadata import EVENT_GRID, Function
from standins.functions.request import HostRequest
from standins.functions.server import Response
from standins.functions.wire import Call, Outcome

WEBHOOKS = "/runtime/webhooks/"
PATH = WEBHOOKS + "eventgrid"
EVENT_TYPE = "aeg-event-type"
ORIGIN = "WebHook-Request-Origin"


class EventGridWebhook:
    def __init__(self, functions: Iterable[Function], submit: Callable[[Call], Future[Outcome]]) -> None:
        self._functions = {function.name: function for function in functions if function.kind == EVENT_GRID}
        self._submit = submit

    def answer(self, request: HostRequest) -> Response:
        name = request.parameter("functionName")
        function = self._functions.get(name)
        if function is None:
            return Response.text(404, f"cannot find function: '{name}'")
        if request.method.upper() == "OPTIONS" and ORIGIN in request.headers:
            return Response(200, headers=[("Webhook-Allowed-Origin", request.headers[ORIGIN])])
        kind = (request.headers.get(EVENT_TYPE) or "").lower()
        try:
            if kind == "subscriptionvalidation":
                return _handshake(_parsed(request))
            if kind == "notification":
                return self._notify(function, _parsed(request))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            # The real one has no handler for a body that it can't read, either: the exception becomes a 500.
            return Response(500)
        return Response(202 if kind == "unsubscribe" else 400)

    def _notify(self, function: Function, given: Any) -> Response:
        if not isinstance(given, list | dict):
            raise TypeError("The request content should be parseable into a JSON object or array")
        answers = []
        for event in [given] if isinstance(given, dict) else given:
            if not isinstance(event, dict):
                raise TypeError("an event is an object")  # those before it run
            about = str(event["id"]) if "id" in event else None
            call = Call(function.name, function.parameter, {"json": newtonsoft.write(event)}, about=about)
            answers.append(self._submit(call))
        failures = [failure for failure in map(_failure, answers) if failure is not None]
        lost = next((failure for failure in failures if isinstance(failure, InstanceLost)), None)
        if lost is not None:
            raise lost
        if failures:
            return Response.text(500, f"Exception while executing function: Functions.{function.name}")
        return Response(202)


def _failure(answer: Future[Outcome]) -> Exception | None:
    try:
        answer.result()
    except (FunctionFailed, InstanceLost) as error:
        return error
    return None


def _parsed(request: HostRequest) -> Any:
    """Raises ValueError."""
    return newtonsoft.parse(newtonsoft.text_of(request.body, request.headers.get_content_charset("") or ""))


def _handshake(events: Any) -> Response:
    if isinstance(events, dict):
        # In the CloudEvents schema the data is JSON within JSON.
        data = events["data"]
        code = (json.loads(data) if isinstance(data, str) else data)["validationCode"]
    else:
        code = events[0]["data"]["validationCode"]
    return Response.text(200, json.dumps({"validationResponse": str(code)}, separators=(",", ":")))
