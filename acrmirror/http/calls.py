"""What every call of the API does with its request and its answer."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from acrmirror.errors import MirrorError
from acrmirror.health import HealthChecks
from acrmirror.http import models
from acrmirror.http.problems import InvalidRequest, problem
from acrmirror.http.values import BODY_LIMIT, Answer, Request
from acrmirror.jobs.pulls import Pulls
from acrmirror.moments import Moment, end_of
from acrmirror.overview import Overview
from acrmirror.proof.audits import Audits
from acrmirror.proof.proofs import Proofs
from acrmirror.restore.restores import Restores
from acrmirror.serve.archives.requests import Archives
from acrmirror.serve.images import Images
from acrmirror.serve.pull_credentials import PullCredentials
from acrmirror.stats import Stats
from acrmirror.sync.rebuilds import Rebuilds
from acrmirror.sync.sweeps import Sweeps

KEY_PARAMETERS = ("code", "clientId")
"""The platform's own, with which a caller may show its key."""

_M = TypeVar("_M", bound=BaseModel)
_C = TypeVar("_C")


def answered(call: Callable[[_C, Request], Answer]) -> Callable[[_C, Request], Answer]:
    """Turns the mirror's errors into problem details. Anything else is a defect, and the platform's to report."""

    @wraps(call)
    def calling(api: _C, request: Request) -> Answer:
        try:
            return call(api, request)
        except MirrorError as error:
            return problem(error)

    return calling


class Parts(Protocol):
    """What of the app the API asks."""

    @property
    def pulls(self) -> Pulls: ...
    @property
    def sweeps(self) -> Sweeps: ...
    @property
    def audits(self) -> Audits: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def images(self) -> Images: ...
    @property
    def archives(self) -> Archives: ...
    @property
    def rebuilds(self) -> Rebuilds: ...
    @property
    def credentials(self) -> PullCredentials: ...
    @property
    def restores(self) -> Restores: ...
    @property
    def overview(self) -> Overview: ...
    @property
    def stats(self) -> Stats: ...
    @property
    def health(self) -> HealthChecks: ...


def body_of(request: Request, model: type[_M]) -> _M:
    asked = f"{request.method} with a body of {len(request.body)} bytes"
    if len(request.body) > BODY_LIMIT:
        told = f"it has {len(request.body)} bytes, and at most {BODY_LIMIT} are read"
        raise InvalidRequest(asked, [models.FieldError(field="body", problem=told)])
    try:
        return model.model_validate_json(request.body)
    except ValidationError as error:
        raise InvalidRequest(asked, _places(error)) from None


def query_of(request: Request, model: type[_M]) -> _M:
    given = {name: value for name, value in request.query.items() if name not in KEY_PARAMETERS}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidRequest(f"{request.method} with {len(given)} query parameters", _places(error)) from None


def moment_of(text: str | None) -> Moment | None:
    return end_of(text) if text is not None else None


def _places(error: ValidationError) -> list[models.FieldError]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        models.FieldError(field=".".join(str(part) for part in it["loc"])[:100] or "body", problem=it["msg"][:300])
        for it in found[:20]
    ]


def json_of(status: int, model: BaseModel, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, model.model_dump_json().encode(), headers=headers or {})


def page_of(path: str, page: BaseModel, more: Mapping[str, str | None]) -> Answer:
    """With a `Link` to the next page, if there is one (RFC 8288)."""
    if more.get("last") is None:
        return json_of(200, page)
    query = urlencode({key: value for key, value in more.items() if value is not None})
    return json_of(200, page, {"Link": f'<{path}?{query}>; rel="next"'})
