"""What the registry refuses, in the error body of the distribution specification."""

from __future__ import annotations

import json

# Codes and statuses: distribution-spec 1.1 "Error Codes", with the statuses that CNCF Distribution gives them;
# NAME_UNKNOWN and the texts of UNAUTHORIZED and MANIFEST_UNKNOWN as seen on Azure Container Registry.
STATUS = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "CONTENT_LENGTH_INVALID": 400,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 404,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "RANGE_INVALID": 416,
    "SIZE_INVALID": 413,
    "TAG_INVALID": 400,
    "TAG_UNKNOWN": 404,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "UNSUPPORTED": 405,
    "TOOMANYREQUESTS": 429,
    "NOT_FOUND": 404,
    "BAD_REQUEST": 400,
    "UNKNOWN": 500,
}


class RegistryError(Exception):
    """An answer that is an error. `headers` go out with it; `plain` is its body where that is no JSON."""

    def __init__(
        self,
        code: str,
        message: str,
        detail: object = None,
        status: int | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail
        self.status = STATUS[code] if status is None else status
        self.headers = headers or []
        self.plain: str | None = None

    def body(self) -> bytes:
        if self.plain is not None:
            return self.plain.encode()
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            error["detail"] = self.detail
        return json.dumps({"errors": [error]}).encode() + b"\n"


def too_large(message: str) -> RegistryError:
    """What answers before the registry does: a 413 that is no JSON, as users of Azure Container Registry were shown."""
    error = RegistryError("SIZE_INVALID", message)
    error.plain = "413 Request Entity Too Large"
    return error
