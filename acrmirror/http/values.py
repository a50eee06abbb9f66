"""A request and its answer, without the platform's types."""

from collections.abc import Mapping
from dataclasses import dataclass, field

V1 = "/api/v1"
"""Below which every call of the API is."""
JSON = "application/json"
PROBLEM = "application/problem+json"
BODY_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """`route` has the parameters of the path as the platform gives them: a slash within a segment stays `%2F`."""

    method: str
    route: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = field(default=b"", repr=False)
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
