"""A caller of the HTTP API, as plain as curl."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from urllib3 import HTTPHeaderDict

from acrmirror.http.values import V1
from standins.stack import Stack


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    headers: Mapping[str, str]
    """Names in any case, as hosts differ in that."""
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True, slots=True)
class Caller:
    url: str
    key: str | None
    root: str = V1

    @classmethod
    def of(cls, stack: Stack, root: str = V1) -> "Caller":
        return cls(stack.functions.url, stack.functions.function_key, root)

    def __call__(self, method: str, path: str, body: object = None) -> Got:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        headers = {"x-functions-key": self.key} if self.key else {}
        request = Request(f"{self.url}{self.root}/{path}", data, headers, method=method)
        try:
            with urlopen(request, timeout=90) as response:
                return Got(response.status, HTTPHeaderDict(response.headers.items()), response.read())
        except HTTPError as error:
            return Got(error.code, HTTPHeaderDict(error.headers.items()), error.read())
