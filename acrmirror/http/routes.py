"""Which call a path and a method name: below /api/v1, and the paths without a version that were before it.

The platform hands on nothing but what its routes take, and answers 404 to any other method: so its routes take every
method and every path below /api, and what is none is answered here, with a body that says what there is.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from acrmirror.errors import NotHere
from acrmirror.http.api import Api
from acrmirror.http.problems import MethodNotAllowed, problem
from acrmirror.http.values import V1, Answer, Request
from acrmirror.reference import shown

DEPRECATED_SINCE = 1796083200
"""2026-12-01, from which on paths have a version (RFC 9745 wants the seconds of the epoch)."""
WITHOUT_VERSION = frozenset({"live", "health"})
"""What monitors ask: these are answered below /api, too, for good."""
_VERSION = V1.rpartition("/")[2]
_SAFE = "/:@%!$&'()*+,;=~"
"""What a path may have as it is (RFC 3986); the platform leaves `%2F` as it came."""

_ID, _REST, _CREDENTIAL = "{id}", "{*path}", "{credential}"
ROUTES: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("pulls",): {"GET": "list_pulls", "POST": "ask_pull"},
    ("pulls", _ID): {"GET": "show_pull", "DELETE": "cancel_pull"},
    ("pulls", _ID, "retry"): {"POST": "retry_pull"},
    ("jobs",): {"GET": "list_jobs"},
    ("jobs", _ID): {"GET": "show_job", "DELETE": "cancel_job"},
    ("jobs", _ID, "retry"): {"POST": "retry_job"},
    ("audits",): {"GET": "list_audits", "POST": "ask_audit"},
    ("audits", _ID): {"GET": "show_audit", "DELETE": "cancel_audit"},
    ("images",): {"GET": "list_repositories"},
    ("images", _REST): {"GET": "show_image"},
    ("history", _REST): {"GET": "show_history"},
    ("archives",): {"POST": "request_archive"},
    ("archives", _ID): {"GET": "show_archive", "DELETE": "cancel_archive"},
    ("rebuilds",): {"POST": "request_rebuild"},
    ("rebuilds", _ID): {"GET": "show_rebuild"},
    ("restores",): {"POST": "request_restore"},
    ("restores", _ID): {"GET": "show_restore", "DELETE": "cancel_restore"},
    ("credentials",): {"GET": "list_credentials", "POST": "create_credential"},
    ("credentials", _CREDENTIAL): {"DELETE": "revoke_credential"},
    ("stats",): {"GET": "stats"},
    ("health",): {"GET": "health"},
    ("live",): {"GET": "live"},
    ("openapi.json",): {"GET": "openapi"},
}
"""The name of the call for each method; HEAD is taken wherever GET is."""


@dataclass(frozen=True, slots=True)
class _Found:
    calls: Mapping[str, str]
    parameters: Mapping[str, str]


class Router:
    """Over the API. `path` of a request's route is what is behind /api/, as the platform gives it: `%2F` is kept."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def answer(self, request: Request) -> Answer:
        path = request.route.get("path", "")
        version, _, rest = path.partition("/")
        if version.lower() == _VERSION:
            return self._answer(request, rest)
        answer = self._answer(request, path)
        return answer if _find(path) is None else with_successor(answer, path)

    def _answer(self, request: Request, path: str) -> Answer:
        found = _find(path)
        if found is None:
            told = f"look for {shown(f'{V1}/{path}')}"
            return problem(NotHere(told, "there is no such call", f"GET {V1}/openapi.json has each."))
        name = found.calls.get("GET" if request.method == "HEAD" else request.method)
        if name is None:
            return not_allowed(request.method, f"{V1}/{path}", found.calls)
        asked = replace(request, route=found.parameters)
        got: Answer | Coroutine[object, object, Answer] = getattr(self._api, name)(asked)
        # The platform has a function of its own for the one that waits, which needs no thread.
        return got if isinstance(got, Answer) else asyncio.run(got)


def with_successor(answer: Answer, path: str) -> Answer:
    """The same, of a path without a version: since when it is deprecated (RFC 9745), and which takes its place."""
    if path.strip("/").lower() in WITHOUT_VERSION:
        return answer
    successor = f'<{V1}/{quote(path, safe=_SAFE)}>; rel="successor-version"'
    links = ", ".join(it for it in (answer.headers.get("Link"), successor) if it)
    return replace(answer, headers={**answer.headers, "Deprecation": f"@{DEPRECATED_SINCE}", "Link": links})


def not_allowed(method: str, path: str, methods: Mapping[str, str]) -> Answer:
    """405 with `Allow` (RFC 9110, 15.5.6)."""
    allowed = ", ".join(it for name in sorted(methods) for it in ((name, "HEAD") if name == "GET" else (name,)))
    error = MethodNotAllowed(f"{method} {shown(path)}", f"it takes {allowed}", f"GET {V1}/openapi.json has each call.")
    answer = problem(error)
    return replace(answer, headers={**answer.headers, "Allow": allowed})


def _find(path: str) -> _Found | None:
    """Literals are taken in any case, as the platform does; a slash at the end is none, but for what takes the rest."""
    given = path.split("/")
    for template, calls in ROUTES.items():
        parameters = _match(template, given)
        if parameters is not None:
            return _Found(calls, parameters)
    return None


def _match(template: tuple[str, ...], given: list[str]) -> dict[str, str] | None:
    whole = given if template[-1] == _REST or given[-1] else given[:-1]
    if len(whole) < len(template) or (len(whole) > len(template) and template[-1] != _REST):
        return None
    parameters = {}
    for number, part in enumerate(template):
        if not whole[number]:
            return None
        if part == _REST:
            parameters["path"] = "/".join(whole[number:])
        elif part.startswith("{"):
            parameters[part.strip("{}")] = whole[number]
        elif part != whole[number].lower():
            return None
    return parameters
