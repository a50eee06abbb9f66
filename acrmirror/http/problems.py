"""Failures as problem details, RFC 9457."""

from acrmirror.errors import MirrorError, RegistryDenied, Transient
from acrmirror.http.models import FieldError, Problem
from acrmirror.http.values import PROBLEM, Answer

STATUSES = {
    "invalid-reference": 400,
    "malformed": 400,
    "invalid-request": 400,
    "refused": 400,
    "no-such-platform": 404,
    "not-found": 404,
    "method-not-allowed": 405,
    "wrong-state": 409,
    "too-large": 422,
    "unsupported": 422,
    "throttled": 429,
    "digest-mismatch": 502,
    "damaged": 502,
    "denied": 503,
    "conflict": 503,
    "tag-moved": 503,
    "unavailable": 503,
    "misconfigured": 503,
}
TITLES = {
    400: "The request can't be understood",
    403: "The registry refuses it",
    404: "There is no such thing",
    405: "That path takes other methods",
    409: "It is in another state",
    422: "It can't be done for this image",
    429: "The registry or storage asked to wait",
    500: "It failed",
    502: "What came back is damaged",
    503: "The mirror can't do it now",
}
RETRY_STATUSES = (429, 503)
RETRY_SECONDS = 5


class InvalidRequest(MirrorError):
    """A body or a query that the model refuses; `fields` name each place."""

    code = "invalid-request"

    def __init__(self, asked: str, fields: list[FieldError]) -> None:
        told = "; ".join(f"{it.field}: {it.problem}" for it in fields)
        super().__init__(asked, told, "Correct these fields; GET /api/v1/openapi.json describes each.")
        self.fields = fields


class MethodNotAllowed(MirrorError):
    """A path of the API that does not take this method."""

    code = "method-not-allowed"


def problem(error: MirrorError) -> Answer:
    """The answer that a failure gets."""
    status = 403 if isinstance(error, RegistryDenied) else STATUSES.get(error.code, 500)
    body = Problem(
        type=f"urn:acrmirror:{error.code}",
        title=TITLES[status],
        status=status,
        detail=f"{error.answered}. {error.remedy}",
        code=error.code,
        asked=error.asked,
        remedy=error.remedy,
        errors=error.fields if isinstance(error, InvalidRequest) else None,
    )
    headers: dict[str, str] = {}
    if status in RETRY_STATUSES:
        asked_for = error.retry_after if isinstance(error, Transient) else None
        headers["Retry-After"] = str(max(1, round(asked_for or RETRY_SECONDS)))
    return Answer(status, body.model_dump_json(exclude_none=True).encode(), PROBLEM, headers)
