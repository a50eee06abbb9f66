"""The table of the records: one conditional write and one read for all who keep something in it, and what fits there.

Raised are the SDK's errors; inside `explained` they are the mirror's.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import EdmType, TableClient, TableEntity, TableErrorCode, UpdateMode

from acrmirror.errors import TooLarge, Unavailable
from acrmirror.jobs.failures import explained as explained_for

ROLE = "Storage Table Data Contributor"
PROPERTY_LIMIT = 32 * 1024
"""UTF-16 code units that a text property of an entity may have: 64 KiB."""
WHOLE = frozenset({"patterns", "platforms"})
"""Properties that a job is made from again: less of them would be another job."""


def read(table: TableClient, partition: str, row: str, **options: Any) -> TableEntity | None:
    """An entity, or None if the table has none such."""
    try:
        return table.get_entity(partition, row, **options)
    except ResourceNotFoundError as error:
        if _no_table(error):
            raise
        return None


def write(table: TableClient, entity: Mapping[str, Any], etag: str | None, *, merge: bool = False) -> str | None:
    """One write of an entity that has to be as it was read: with that `etag`, or not there at all if it is None. Its
    new ETag, or None if another writer was faster. It takes the place of what was there, unless `merge` is set."""
    try:
        if etag is None:
            answer = table.create_entity(entity)
        else:
            mode = UpdateMode.MERGE if merge else UpdateMode.REPLACE
            answer = table.update_entity(entity, mode, etag=etag, match_condition=MatchConditions.IfNotModified)
    except ResourceExistsError as error:
        # Of what can't be inserted the SDK gives no code, only the answer's text.
        if TableErrorCode.TABLE_BEING_DELETED.value in str(error):
            raise
        return None
    except ResourceNotFoundError as error:
        if etag is None or _no_table(error):
            raise
        return None
    except HttpResponseError as error:
        if error.status_code != 412:
            raise
        return None
    return str(answer["etag"])


@contextmanager
def explained(table: TableClient, asked: str) -> Iterator[None]:
    """Turns the SDK's exceptions into the mirror's. A table that is not there is waited for like one that is away: a
    deployment makes it, and nothing is lost meanwhile."""
    with explained_for(asked, "table", ROLE):
        try:
            yield
        except ResourceNotFoundError as error:
            raise Unavailable(
                asked,
                f"there is no table {table.table_name!r}",
                f"Create the table {table.table_name}; the deployment does. It will be tried again.",
            ) from error


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
    if isinstance(value, int) and abs(value) >= 2**31:
        # A bare integer is sent as one of 32 bits, which the bytes of a large image are not.
        return (value, EdmType.INT64)
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


def _no_table(error: ResourceNotFoundError) -> bool:
    return getattr(error, "error_code", None) == TableErrorCode.TABLE_NOT_FOUND
