"""What a client of the distribution pull API sends and gets, without the platform's types.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

JSON = "application/json"
READS = ("GET", "HEAD")
RETRY_SECONDS = 5
"""After which a client may ask again, where nobody says when."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`path` is what comes behind `/v2/`, as the platform gives it: a slash within a part stays `%2F`."""

    method: str
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    authorization: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """`length` is that of the body of a GET where there is none here, as of a layer."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    length: int | None = None

    def sent(self, method: str) -> "Reply":
        """As it goes out. The host computes no length, and a client believes the one that it gets (rule V2)."""
        length = len(self.body) if self.length is None else self.length
        headers = {"Docker-Distribution-Api-Version": "registry/2.0", "Content-Type": JSON} | dict(self.headers)
        body = b"" if method == "HEAD" else self.body
        return replace(self, body=body, headers=headers | {"Content-Length": str(length)})


class SpecError(Exception):
    """An error of the specification: `code` is one of its own, `status` the one that it has there."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reply = refusal(status, code, message, headers)


def away(seconds: float) -> SpecError:
    """For who has not signed in, and is told no more than when to ask again."""
    told = "the mirror can not answer now, and its log says why"
    return SpecError(503, "UNAVAILABLE", told, {"Retry-After": str(max(1, round(seconds)))})


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    return document({"errors": [{"code": code, "message": message}]}, headers, status)


def document(value: object, headers: Mapping[str, str] | None = None, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), headers or {})


def no_name(name: str) -> SpecError:
    """Also for what a credential may not see: that it is there is not told."""
    return SpecError(404, "NAME_UNKNOWN", f"the mirror has no repository {name}")


def no_manifest(reference: object, why: str = "it is not in the mirror") -> SpecError:
    return SpecError(404, "MANIFEST_UNKNOWN", f"{reference}: {why}")


def no_blob(digest: object, why: str = "the repository has no such blob in the mirror") -> SpecError:
    return SpecError(404, "BLOB_UNKNOWN", f"{digest}: {why}")
