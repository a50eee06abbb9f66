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

from standins.functions.instance import FunctionFailed
from standins.functions.keys import Keys
from standins.functions.metadata import HTTP, Function
from standins.functions.routes import Template
from standins.functions.server import Response
from standins.functions.wire import Call, Outcome, TypedValue
from standins.request import Request

# The load balancer's idle limit, the longest that an HTTP response may take whatever functionTimeout is:
# https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout
RESPONSE_LIMIT = 230.0
# What the server itself decides on a connection; a function's own values for these are not passed on.
_OUR_HEADERS = ("content-length", "transfer-encoding", "connection", "keep-alive")


@dataclass(frozen=True, slots=True)
class _Route:
    template: Template
    methods: frozenset[str] | None  # None is all of them
    level: str
    function: Function


class HttpTriggers:
    """All HTTP functions of the app, the most specific route first."""

    def __init__(
        self, functions: Iterable[Function], prefix: str, keys: Keys, submit: Callable[[Call], Future[Outcome]]
    ) -> None:
        """Raises `InvalidRoute`."""
        self._keys = keys
        self._submit = submit
        routes = [_route(function, prefix) for function in functions if function.kind == HTTP]
        self._routes = sorted(routes, key=lambda route: route.template.precedence)

    def answer(self, request: Request[bytes]) -> Response | None:
        """None where no route takes that path *and* method: the host then answers 404, to HEAD and OPTIONS as well."""
        for route in self._routes:
            if route.methods is not None and request.method not in route.methods:
                continue
            parameters = route.template.match(request.raw_path)
            if parameters is None:
                continue
            if not self._keys.allow_function(request, route.level):
                return Response(401)
            return self._run(route.function, request, parameters)
        return None

    def _run(self, function: Function, request: Request[bytes], parameters: dict[str, str]) -> Response:
        answer = self._submit(Call(function.name, function.parameter, _typed(request, parameters)))
        try:
            outcome = answer.result(RESPONSE_LIMIT)
        except TimeoutError:
            return Response.text(504, "The function went on for longer than a response may take.")
        except FunctionFailed:
            return Response(500)
        return _response(outcome.returned)


def _route(function: Function, prefix: str) -> _Route:
    methods = function.trigger.get("methods")
    route = str(function.trigger.get("route") or function.name)
    return _Route(
        Template("/".join(part for part in (prefix, route.strip("/")) if part)),
        frozenset(str(method).upper() for method in methods) if methods else None,
        str(function.trigger.get("authLevel") or "function"),
        function,
    )


def _typed(request: Request[bytes], parameters: dict[str, str]) -> TypedValue:
    return {
        "http": {
            "method": request.method,
            "url": f"http://{request.headers.get('Host', 'localhost')}{request.target.removesuffix('?')}",
            "headers": _joined((name.lower(), value) for name, value in request.headers.items()),
            # Those without a value are left out.
            "query": {name: joined for name, values in request.query.items() if (joined := ",".join(values))},
            "params": parameters,
            "body": {"bytes": request.body} if request.body else {},
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
        return Response(200)
    ((kind, content),) = returned.items()
    if kind != "http":
        body = content if isinstance(content, bytes) else str(content).encode()
        media_type = "application/json" if kind == "json" else "text/plain"
        return Response(200, body, [("Content-Type", f"{media_type}; charset=utf-8")])
    headers = [(name, value) for name, value in content["headers"] if name.lower() not in _OUR_HEADERS]
    headers += [("Set-Cookie", _cookie(cookie)) for cookie in content["cookies"]]
    body = next(iter(content["body"].values()), b"")
    return Response(int(content["status"]), body if isinstance(body, bytes) else str(body).encode(), headers)


def _cookie(cookie: dict[str, Any]) -> str:
    parts = [f"{cookie['name']}={cookie.get('value', '')}"]
    if "expires" in cookie:
        parts.append(f"expires={formatdate(cookie['expires'], usegmt=True)}")
    if "max_age" in cookie:
        parts.append(f"max-age={int(cookie['max_age'])}")
    parts += [f"{name}={cookie[name]}" for name in ("domain", "path") if name in cookie]
    if cookie.get("secure"):
        parts.append("secure")
    same_site = {1: "lax", 2: "strict", 3: "none"}.get(cookie.get("same_site", 0))
    if same_site:
        parts.append(f"samesite={same_site}")
    if cookie.get("http_only"):
        parts.append("httponly")
    return "; ".join(parts)
