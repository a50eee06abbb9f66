"""Fields of messages: written without those that are None, and read as what they have to be."""

import json
from collections.abc import Mapping
from typing import Any

from acrmirror.reference import Digest, Reference
from acrmirror.work.record import RecordFields


def message(fields: Mapping[str, Any]) -> str:
    """The text of a message, without the fields that are None. A queue's message takes 64 KiB."""
    return json.dumps({key: value for key, value in fields.items() if value is not None})


def text_of(value: object) -> str:
    """Raises ValueError for what is no string."""
    if not isinstance(value, str):
        raise ValueError("a field is no string")
    return value


def reference_of(fields: Mapping[str, Any]) -> Reference:
    """From the fields `repository`, `tag` and `digest`. Raises ValueError or InvalidReference."""
    digest = fields.get("digest")
    return Reference(
        text_of(fields["repository"]), fields.get("tag") or None, Digest.parse(text_of(digest)) if digest else None
    )


def message_of(reference: Reference) -> dict[str, str | None]:
    """The fields of a message that `reference_of` reads."""
    digest = str(reference.digest) if reference.digest else None
    return {"repository": reference.repository, "tag": reference.tag, "digest": digest}


def record_of(reference: Reference) -> RecordFields:
    """The same fields of a record, where what is not there is empty."""
    digest = str(reference.digest) if reference.digest else ""
    return {"repository": reference.repository, "tag": reference.tag or "", "digest": digest}
