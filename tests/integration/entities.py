"""Entities in a table as tests make, change and remove them, whoever else has them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from azure.data.tables import TableClient

from acrmirror.storage import Entity, Table
from standins.foundation import STORAGE_AUDIENCE, Account

ASKED = "prepare a test"


@contextmanager
def table_client(account: Account, name: str) -> Iterator[TableClient]:
    """For what the app never does with a table: to make it, and to delete it."""
    options = account.client_options
    with TableClient(account.table_endpoint, name, audience=STORAGE_AUDIENCE, **options) as client:
        yield client


def entity_of(table: Table, partition: str, row: str) -> Entity:
    found = table.get(partition, row, ASKED)
    assert found is not None
    return found


def put_entity(table: Table, partition: str, row: str, fields: Mapping[str, Any]) -> None:
    """Writes these properties of an entity, and leaves others that it has."""
    found = table.get(partition, row, ASKED)
    table.swap(partition, row, fields, found.etag if found is not None else None, ASKED, merge=True)


def remove_entity(table: Table, partition: str, row: str) -> None:
    found = table.get(partition, row, ASKED)
    assert found is None or table.delete(partition, row, found.etag, ASKED)


def claims_in(table: Table) -> list[Entity]:
    return list(table.query("PartitionKey eq 'claim'", {}, ASKED))


def put_row(table: Table, row: Mapping[str, Any]) -> None:
    """As `put_entity`, of what has its keys among its properties."""
    fields = {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")}
    put_entity(table, row["PartitionKey"], row["RowKey"], fields)
