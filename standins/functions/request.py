"""A request as the host has it: its path decoded, its query as ASP.NET Core reads one."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from functools import cached_property

from standins.functions.kestrel import encode_path, unescape


@dataclass(frozen=True)
class HostRequest:
    """`query_string` is as it came, with its question mark. `chunked` tells that the body came without a length."""

    method: str
    path: str
    query_string: str
    headers: Message
    body: bytes = b""
    chunked: bool = False

    @cached_property
    def query(self) -> dict[str, list[str]]:
        """By name as it was written last: names are the same in any case. Values may be empty."""
        found: dict[str, tuple[str, list[str]]] = {}
        for pair in self.query_string.removeprefix("?").split("&"):
            if pair:
                name, _, value = (unescape(part.replace("+", " ")) for part in pair.partition("="))
                _, values = found.get(name.lower(), ("", []))
                found[name.lower()] = (name, [*values, value])
        return dict(found.values())

    def parameter(self, name: str) -> str:
        """What the query has first for a name, in any case; or nothing."""
        return next((values[0] for key, values in self.query.items() if key.lower() == name.lower()), "")

    @property
    def url(self) -> str:
        """As a function is told it: encoded anew, with the host that the client named. Raises LookupError without."""
        host = self.headers.get("Host")
        if not host:
            raise LookupError("there is no Host")
        query = self.query_string.replace("#", "%23") if self.query_string != "?" else ""
        return f"http://{host}{encode_path(self.path)}{query}"
