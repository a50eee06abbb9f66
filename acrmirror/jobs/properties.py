"""What fits into the properties of an entity in the table of the records."""

import json
from collections.abc import Mapping
from typing import Any

from acrmirror.errors import TooLarge

PROPERTY_LIMIT = 32 * 1024
"""UTF-16 code units that a text property of an entity may have: 64 KiB."""
WHOLE = frozenset({"patterns", "platforms"})
"""Properties that a job is made from again: less of them would be another job."""


def fitting(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as properties of an entity. Lists and objects become JSON. What weighs more than a property may is cut:
    text at its end, a list or an object by its last items. Raises TooLarge for what has to be `WHOLE`."""
    return {name: _fitting(name, value) for name, value in fields.items()}


def cut(text: str, limit: int) -> str:
    """Text of at most `limit` UTF-16 code units; what is cut off is marked."""
    if weight(text) <= limit:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (limit - 1)]
    return f"{kept.decode('utf-16-le', 'ignore')}…"


def weight(text: str) -> int:
    """UTF-16 code units, as the table service counts: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def as_json(value: Any) -> str:
    """Without escapes where that can be: an emoji in twelve characters would weigh six times as much."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def _fitting(name: str, value: Any) -> Any:
    if not isinstance(value, (str, list, dict)):
        return value
    text = value if isinstance(value, str) else as_json(value)
    if weight(text) <= PROPERTY_LIMIT:
        return text
    if name in WHOLE:
        raise TooLarge(
            f"write {name} into a record",
            f"it has {weight(text)} characters, and at most {PROPERTY_LIMIT} fit",
            "Ask for less at once.",
        )
    if isinstance(value, str):
        return cut(value, PROPERTY_LIMIT)
    return _fewer(value)


def _fewer(value: list[Any] | dict[str, Any]) -> str:
    """JSON of as many of the first items as fit."""
    items = list(value.items()) if isinstance(value, dict) else value
    fits, over = 0, len(items)
    while over - fits > 1:
        middle = (fits + over) // 2
        if weight(_of_first(value, items, middle)) <= PROPERTY_LIMIT:
            fits = middle
        else:
            over = middle
    return _of_first(value, items, fits)


def _of_first(value: list[Any] | dict[str, Any], items: list[Any], count: int) -> str:
    return as_json(dict(items[:count]) if isinstance(value, dict) else items[:count])
