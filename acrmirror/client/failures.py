"""What the API answers when it fails, in the terms of the mirror's own errors."""

import json
from typing import Any

from acrmirror.errors import MirrorError, Permanent

NO_PROBLEM_DETAILS = "no-problem-details"
"""The code of an answer that is none of the API's."""


class ApiProblem(MirrorError):
    """Problem details that the API answered with; `code` is theirs."""

    def __init__(self, status: int, code: str, asked: str, answered: str, remedy: str) -> None:
        super().__init__(asked, answered, remedy)
        self.status = status
        self.problem_code = code


class BadKey(Permanent):
    """401: no key, or one that the function app does not know."""

    code = "bad-key"


def problem(status: int, body: bytes, asked: str) -> MirrorError:
    """The error behind an answer that is none of those that were hoped for."""
    if status == 401:
        return BadKey(
            asked,
            "the function app does not know this key",
            "Give one of its function keys: --key, ACRMIRROR_KEY or the config file.",
        )
    told = _object(body)
    if not told.get("code"):
        return ApiProblem(
            status,
            NO_PROBLEM_DETAILS,
            asked,
            f"the answer was {status} and no problem details",
            "Check that the URL is that of the function app, and look into its log.",
        )
    code, remedy = str(told["code"]), str(told.get("remedy") or "")
    answered = str(told.get("detail") or "").removesuffix(remedy).rstrip(" .")
    return ApiProblem(status, code, str(told.get("asked") or asked), answered, remedy)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
