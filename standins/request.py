"""A request over HTTP as a value, the same for every stand-in."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from typing import Generic, TypeVar
from urllib.parse import parse_qs, unquote

BodyT = TypeVar("BodyT")


@dataclass(frozen=True)
class Request(Generic[BodyT]):
    """`target` is path and query as they came, percent-encoded. `body` is bytes, or what they can be read from."""

    method: str
    target: str
    headers: Message
    body: BodyT

    @cached_property
    def raw_path(self) -> str:
        """Still encoded."""
        return self.target.partition("?")[0]

    @cached_property
    def path(self) -> str:
        """Decoded: clients write the slash of a name both ways."""
        return unquote(self.raw_path)

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """Decoded, each name with its values in their order; a value may be empty."""
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    def parameter(self, name: str, default: str = "") -> str:
        """The last value that the query has for this name."""
        return self.query.get(name, [default])[-1]
