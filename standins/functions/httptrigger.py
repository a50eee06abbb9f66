"""HTTP triggers: https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger.

What the worker gets is as GrpcMessageConversionExtensions.cs makes it for a worker that requests raw bodies, as
Python's does; what it gives back is written out as HttpBinding does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from standins.functions.calls import FunctionFailed
from standins.functions.keys import Keys
from standins.functions.metadata import HTTP, Function
from standins.functions.request import HostRequest
from standins.functions.routes import InvalidRoute, Template
from standins.functions.server import Response
from standins.functions.wire import Call, Outcome, TypedValue

# The load balancer's idle limit, the longest that an HTTP response may take whatever functionTimeout is:
# https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout
RESPONSE_LIMIT = 230.0
# What the server itself decides on a connection; a function's own values for these are not passed on.
_OUR_HEADERS = ("connection", "keep-alive")
_WITH_CHARSET = {kind: f"{kind}; charset=utf-8" for kind in ("text/plain", "text/html")}
# FunctionExtensions and HostConstants: no function has these, or what begins like them.
_RESERVED = "admin"


@dataclass(frozen=True, slots=True)
class _Route:
    template: Template
    methods: frozenset[str]  # none is all of them
    level: str
    function: Function

    def takes(self, method: str) -> bool:
        return not self.methods or method.upper() in self.methods


class HttpTriggers:
    """All HTTP functions of the app. Of several that match, the first by name is taken, however general its route."""

    def __init__(
        self,
        functions: Iterable[Function],
        prefix: str,
        keys: Keys,
        submit: Callable[[Call], Future[Outcome]],
        log: Callable[[str], None],
    ) -> None:
        self._keys = keys
        self._submit = submit
        self._routes: list[_Route] = []
        # Ordinal, in any case: so that an underscore comes after the letters.
        for function in sorted(functions, key=lambda function: function.name.upper()):
            if function.kind == HTTP:
                self._add(function, prefix, log)

    def _add(self, function: Function, prefix: str, log: Callable[[str], None]) -> None:
        """A function that can't be loaded is left out and named in the log, as the host does."""
        text = str(function.trigger.get("route") or function.name).strip("/")
        try:
            if text.lower().startswith(_RESERVED):
                raise InvalidRoute("The specified route conflicts with one or more built in routes.")
            route = _route(function, "/".join(part for part in (prefix, text) if part))
            if any(_conflict(route, other) for other in self._routes):
                raise InvalidRoute(f"The route specified conflicts with the route defined by another function: {text}")
        except InvalidRoute as error:
            log(f"[host] The '{function.name}' function is in error: {error}")
            return
        self._routes.append(route)

    def answer(self, request: HostRequest) -> Response | None:
        """None where no route takes that path *and* method: the host then answers 404, to HEAD and OPTIONS as well."""
        for route in self._routes:
            parameters = route.template.match(request.path) if route.takes(request.method) else None
            if parameters is None:
                continue
            if not self._keys.allow_function(request, route.level):
                return Response(401)
            return self._run(route.function, request, parameters)
        return None

    def _run(self, function: Function, request: HostRequest, parameters: dict[str, str]) -> Response:
        try:
            call = Call(function.name, function.parameter, _typed(request, parameters))
        except LookupError:
            return Response(500)
        answer = self._submit(call)
        try:
            outcome = answer.result(RESPONSE_LIMIT)
        except TimeoutError:
            return Response.text(504, "The function went on for longer than a response may take.")
        except FunctionFailed:
            return Response(500)
        return _response(outcome.returned)


def _route(function: Function, template: str) -> _Route:
    methods = function.trigger.get("methods") or ()
    return _Route(
        Template(template),
        frozenset(str(method).upper() for method in methods),
        str(function.trigger.get("authLevel") or "function"),
        function,
    )


def _conflict(one: _Route, other: _Route) -> bool:
    same = one.template.text.lower() == other.template.text.lower()
    return same and (not one.methods or not other.methods or bool(one.methods & other.methods))


def _typed(request: HostRequest, parameters: dict[str, str]) -> TypedValue:
    # The conversion looks at Content-Length: the body of a request without one is not handed on.
    body = b"" if request.chunked else request.body
    return {
        "http": {
            "method": request.method,
            "url": request.url,
            "headers": _joined((name.lower(), value) for name, value in request.headers.items()),
            # Those without a value are left out.
            "query": {name: joined for name, values in request.query.items() if (joined := ",".join(values))},
            "params": parameters,
            "body": {"bytes": body} if body else {},
        }
    }


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A name that comes twice has its values joined by commas, as .NET's StringValues prints them."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _response(returned: TypedValue | None) -> Response:
    if not returned:
        return Response(200, streamed=True)
    ((kind, content),) = returned.items()
    if kind != "http":
        body = content if isinstance(content, bytes) else str(content).encode()
        media_type = "application/json" if kind == "json" else "text/plain"
        return Response(200, body, [("Content-Type", f"{media_type}; charset=utf-8")], streamed=True)
    headers = [(name, value) for name, value in content["headers"] if name.lower() not in _OUR_HEADERS]
    body = next(iter(content["body"].values()), b"")
    raw = body if isinstance(body, bytes) else str(body).encode()
    return Response(int(content["status"]), raw, _typed_headers(headers, content["cookies"]), streamed=True)


def _typed_headers(headers: list[tuple[str, str]], cookies: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """With the type that the host gives a body that has none, and the charset that it adds to text."""
    typed = [(name, _WITH_CHARSET.get(value.lower(), value)) for name, value in headers]
    if not any(name.lower() == "content-type" for name, _ in headers):
        typed.append(("Content-Type", _WITH_CHARSET["text/plain"]))
    return [*typed, *(("Set-Cookie", _cookie(cookie)) for cookie in cookies)]


def _cookie(cookie: dict[str, Any]) -> str:
    parts = [f"{cookie['name']}={cookie.get('value', '')}"]
    if "expires" in cookie:
        parts.append(f"expires={formatdate(cookie['expires'], usegmt=True)}")
    if "max_age" in cookie:
        parts.append(f"max-age={int(cookie['max_age'])}")
    parts += [f"{name}={cookie.get(name, '')}" for name in ("domain", "path")]
    if cookie.get("secure"):
        parts.append("secure")
    same_site = {1: "lax", 2: "strict", 3: "none"}.get(cookie.get("same_site", 0))
    if same_site:
        parts.append(f"samesite={same_site}")
    if cookie.get("http_only"):
        parts.append("httponly")
    return "; ".join(parts)
