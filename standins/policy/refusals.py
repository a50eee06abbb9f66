"""How storage says that a role is missing: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
and "Status and error codes" of each service."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

from standins.relay import Answer

CODE = "AuthorizationPermissionMismatch"
_MESSAGE = "This request is not authorized to perform this operation using this permission."


def refuse(service: str) -> Answer:
    """403, with the code in the header and in the body: XML, of tables JSON."""
    identity = str(uuid.uuid4())
    text = f"{_MESSAGE}\nRequestId:{identity}\nTime:{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
    headers = [("Server", "Microsoft-HTTPAPI/2.0"), ("x-ms-error-code", CODE), ("x-ms-request-id", identity)]
    if service == "table":
        error = {"odata.error": {"code": CODE, "message": {"lang": "en-US", "value": text}}}
        kind, body = "application/json;odata=minimalmetadata;streaming=true;charset=utf-8", json.dumps(error)
    else:
        kind = "application/xml"
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{CODE}</Code><Message>{text}</Message></Error>'
    return Answer(403, [*headers, ("Content-Type", kind)], body.encode())


def unknown(what: str) -> Answer:
    """What this layer has no operation for is not let through: it may need any role."""
    return Answer(501, [("Content-Type", "text/plain; charset=utf-8")], f"not in standins/policy: {what}".encode())
