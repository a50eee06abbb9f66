"""Failures, of a call and of a job."""

from typing import Annotated, Self

from pydantic import Field

from acrmirror.errors import MirrorError
from acrmirror.http.models.base import Model


class Problem(Model):
    """RFC 9457: what was asked, what came of it, what to do."""

    type: Annotated[str, Field(description="`urn:acrmirror:` and the code; docs/errors.md has a row for each.")]
    title: str
    status: int
    detail: str
    code: str
    asked: str
    remedy: str
    errors: list["FieldError"] | None = None


class FieldError(Model):
    field: str
    problem: str


class ErrorDetails(Model):
    """The last failure of a job."""

    code: str
    asked: str
    answered: str
    remedy: str

    @classmethod
    def of(cls, error: MirrorError) -> Self:
        return cls(code=error.code, asked=error.asked, answered=error.answered, remedy=error.remedy)
