"""One call of the API, as its document tells of it."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from acrmirror.http import models

Schema = dict[str, Any]
Answer = type[BaseModel] | tuple[type[BaseModel], ...]
"""What is answered; one of several where a path can be read in several ways, none for the document itself."""


def text_of(grammar: str) -> Schema:
    return {"type": "string", "pattern": f"^(?:{grammar})$"}


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer; `always`, or only where its description says so."""

    name: str
    description: str
    schema: Schema
    always: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `answers` are those that are no problems, `problems` the statuses of those that are; `headers` are of
    the answers with that status."""

    method: str
    path: str
    name: str
    summary: str
    answers: dict[int, Answer]
    problems: tuple[int, ...] = ()
    bodies: tuple[type[BaseModel], ...] = ()
    query: type[BaseModel] = models.NoQuery
    parameters: dict[str, tuple[str, Schema]] = field(default_factory=dict)
    headers: dict[int, tuple[Header, ...]] = field(default_factory=dict)
    open: bool = False
