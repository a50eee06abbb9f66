"""How the fields of a record lie in an entity of the table: as properties, lists and objects as JSON."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast, get_args

from acrmirror.errors import TooLarge
from acrmirror.work.record import FIELD_TYPES, LayerFigures, RecordFields, complete
from acrmirror.work.state import State

PROPERTY_LIMIT = 32 * 1024
"""UTF-16 code units that a text property of an entity may have: 64 KiB."""
WHOLE = frozenset({"images", "patterns", "platforms"})
"""Properties that a job is made from again: less of them would be another job."""

_BEFORE = {"match_mirrored": "match_standing", "match_requested": "match_asked"}
"""Properties, and how older versions named them."""


def fitting(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as properties of an entity. Lists and objects become JSON. What weighs more than a property may is cut:
    text at its end, a list or an object by its last items. Raises TooLarge for what has to be `WHOLE`."""
    return {name: _fitting(name, value) for name, value in fields.items()}


def fields_of(properties: Mapping[str, Any]) -> RecordFields:
    """All fields of a record, from the properties of its entity: those that it lacks, or that somebody wrote something
    odd into, are empty. Properties that the app knows nothing of are left out."""
    found: dict[str, Any] = {}
    for name, kind in FIELD_TYPES.items():
        value = properties.get(name)
        if value is None and name in _BEFORE:
            value = properties.get(_BEFORE[name])
        if value is not None:
            read = _read(name, kind, value)
            if read is not None:
                found[name] = read
    return complete(cast(RecordFields, found))


def _read(name: str, kind: type, value: Any) -> Any:
    """None for what is no value of that kind."""
    if isinstance(value, datetime):
        value = value.isoformat()
    if kind in (list, dict):
        if value == "":
            return None
        text = value
        try:
            value = json.loads(value) if isinstance(value, str) else value
            if name == "layers":
                return {digest: LayerFigures(*figures) for digest, figures in value.items()}
        except (ValueError, TypeError, AttributeError, RecursionError):
            value = None
        # Less of what a job is made from again would be another job: that one fails by its odd name.
        return value if isinstance(value, kind) else [str(text)[:80]] if name in WHOLE else None
    if name in ("state", "check_state"):
        # A newer version may have written another state: this one has to run or to end such a job.
        return value if value in get_args(State) else "interrupted" if value else None
    try:
        return kind(value)
    except (ValueError, TypeError, OverflowError):
        return None


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
            "Request less at once.",
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
