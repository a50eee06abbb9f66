"""One table of Table Storage."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline import PipelineResponse
from azure.data.tables import EdmType, EntityProperty, TableClient, UpdateMode

from acrmirror.storage.failures import Place, explained, is_absent, is_lost
from acrmirror.storage.outcome import Lost, Outcome, Written
from acrmirror.transport import make_transport

AUDIENCE = "https://storage.azure.com"
_KEYS = ("PartitionKey", "RowKey")
_REFUSED = (400, 403, 404, 409, 412, 413)
"""What storage answers to a transaction of which one part can't be, that is too large, or that the identity may not do:
each part is tried by itself then, and says why."""


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as it was read. `fields` are its properties besides its keys, `written` is storage's own time of its
    last write (None if it was not selected)."""

    partition: str
    row: str
    fields: Mapping[str, Any]
    etag: str
    written: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """Properties of one entity to be merged into the version `expected`, an ETag; with None, only if it is missing."""

    row: str
    fields: Mapping[str, Any]
    expected: str | None


class Table:
    """Entities by partition and row. Thread-safe; close it when done.

    In every method `asked` is what an error says was asked; with `within`, the request is tried once, and storage has
    that many seconds to take the connection and as many to answer. All raise Denied and Unavailable; where the
    table itself is missing, StorageMissing. An entity that is missing is a value.
    """

    def __init__(self, client: TableClient) -> None:
        self._client = client
        absent = frozenset({"TableNotFound", "TableBeingDeleted"})
        self._place = Place("table", client.table_name, "Storage Table Data Contributor", absent)

    @classmethod
    def open(
        cls,
        endpoint: str,
        name: str,
        credential: TokenCredential,
        *,
        trust_bundle: Path | None = None,
        connections: int = 32,
    ) -> Self:
        """`endpoint` is the table service's URL; `connections` how many are kept open for reuse."""
        client = TableClient(
            endpoint,
            name,
            credential=credential,
            transport=make_transport(trust_bundle, connections),
            # Without it the client takes an endpoint that is no *.table.core.windows.net for Cosmos DB.
            audience=AUDIENCE,
            retry_total=3,
            retry_backoff_factor=0.5,
            raw_response_hook=_without_wait,
        )
        return cls(client)

    def close(self) -> None:
        self._client.close()

    def get(self, partition: str, row: str, asked: str, *, within: float | None = None) -> Entity | None:
        """An entity, or None if it is missing."""
        with self._explained(asked):
            try:
                return _entity(self._client.get_entity(partition, row, **_bounds(within)))
            except ResourceNotFoundError as error:
                if is_absent(error, self._place):
                    raise
                return None

    def query(
        self,
        where: str,
        parameters: Mapping[str, Any],
        asked: str,
        *,
        select: Sequence[str] | None = None,
        within: float | None = None,
    ) -> Iterator[Entity]:
        """Entities that the filter `where` takes, in the order of their keys, read page by page as they are requested;
        with `select`, only these properties of them (the keys have to be among these)."""
        options: dict[str, Any] = {"select": list(select)} if select is not None else {}
        plain = {name: str(it) if isinstance(it, str) else it for name, it in parameters.items()}
        with self._explained(asked):
            for found in self._client.query_entities(where, parameters=plain, **options, **_bounds(within)):
                yield _entity(found)

    def swap(
        self,
        partition: str,
        row: str,
        fields: Mapping[str, Any],
        expected: str | None,
        asked: str,
        *,
        merge: bool = False,
    ) -> Outcome:
        """Writes an entity in place of the version `expected`, an ETag; with None, only if it is missing. With `merge`,
        properties that `fields` does not name stay."""
        entity = _sent(partition, row, fields)
        with self._explained(asked):
            try:
                if expected is None:
                    return _written(self._client.create_entity(entity))
                mode = UpdateMode.MERGE if merge else UpdateMode.REPLACE
                condition = MatchConditions.IfNotModified
                return _written(self._client.update_entity(entity, mode, etag=expected, match_condition=condition))
            except HttpResponseError as error:
                return self._lost(error)

    def swap_all(self, partition: str, changes: Sequence[Change], asked: str) -> list[str] | None:
        """Merges several entities of one partition, 100 at most, in one transaction: the new ETags, or None if storage
        refuses it, since one of them is not the version expected, or all are too much at once. An answer that was lost
        can make it refuse what it has written."""
        operations = [_operation(partition, change) for change in changes]
        with self._explained(asked):
            try:
                return [str(it["etag"]) for it in self._client.submit_transaction(operations)]
            except HttpResponseError as error:
                if is_absent(error, self._place) or error.status_code not in _REFUSED:
                    raise
                return None

    def delete(self, partition: str, row: str, etag: str, asked: str, *, within: float | None = None) -> bool:
        """Deletes one version of an entity; False if it is another by now. One that is missing is deleted, also
        where the table is: the SDK does not tell."""
        with self._explained(asked):
            try:
                self._client.delete_entity(
                    partition, row, etag=etag, match_condition=MatchConditions.IfNotModified, **_bounds(within)
                )
            except HttpResponseError as error:
                self._lost(error)
                return False
        return True

    def _explained(self, asked: str) -> AbstractContextManager[None]:
        return explained(asked, self._place)

    def _lost(self, error: HttpResponseError) -> Lost:
        gone = isinstance(error, ResourceNotFoundError) and not is_absent(error, self._place)
        if not (gone or is_lost(error, self._place)):
            raise error
        return Lost()


def _without_wait(response: PipelineResponse[Any, Any]) -> None:
    """The client would sleep for as long as an answer says, inside the run."""
    response.http_response.headers.pop("Retry-After", None)


def _bounds(within: float | None) -> dict[str, Any]:
    return {"retry_total": 0, "connection_timeout": within, "read_timeout": within} if within is not None else {}


def _sent(partition: str, row: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"PartitionKey": str(partition), "RowKey": str(row)} | {name: _typed(it) for name, it in fields.items()}


def _operation(partition: str, change: Change) -> tuple[str, dict[str, Any], dict[str, Any]]:
    entity = _sent(partition, change.row, change.fields)
    if change.expected is None:
        return "create", entity, {}
    condition = {"etag": change.expected, "match_condition": MatchConditions.IfNotModified}
    return "update", entity, {"mode": UpdateMode.MERGE, **condition}


def _typed(value: Any) -> Any:
    """A bare integer is sent as one of 32 bits, which the bytes of a large image are not. Of text the SDK takes `str`
    alone, and no type over it."""
    if isinstance(value, str):
        return str(value)
    return (value, EdmType.INT64) if isinstance(value, int) and abs(value) >= 2**31 else value


def _entity(found: Any) -> Entity:
    fields = {
        name: value.value if isinstance(value, EntityProperty) else value
        for name, value in found.items()
        if name not in _KEYS
    }
    metadata = found.metadata
    return Entity(
        str(found["PartitionKey"]), str(found["RowKey"]), fields, str(metadata["etag"]), metadata.get("timestamp")
    )


def _written(answer: Any) -> Written:
    return Written(str(answer["etag"]))
