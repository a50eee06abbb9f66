"""The ports to one table and one queue: conditional writes are values, and what itself is missing is named."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from acrmirror.errors import StorageMissing
from acrmirror.storage import Lost, Queue, Table, Written
from standins.foundation import STORAGE_AUDIENCE, Account
from testkit.stack import TABLE

ASKED = "do this"
KEY = ("partition", "row")
OLD = "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\""
QUEUE = "mirror-jobs"


@pytest.fixture
def table(account: Account) -> Iterator[Table]:
    opened = Table.open(account.table_endpoint, TABLE, account.identity.credential(), trust_bundle=account.ca)
    yield opened
    opened.close()


@pytest.fixture
def queue(account: Account) -> Iterator[Queue]:
    opened = Queue.open(account.queue_endpoint, QUEUE, account.identity.credential(), trust_bundle=account.ca)
    yield opened
    opened.close()


def etag(outcome: Written | Lost) -> str:
    assert isinstance(outcome, Written)
    return outcome.etag


def test_of_two_writers_of_a_new_entity_one_is_first(table: Table) -> None:
    assert table.get(*KEY, ASKED) is None
    first = etag(table.swap(*KEY, {"who": "first", "bytes": 2**40, "count": 7}, None, ASKED))
    assert isinstance(table.swap(*KEY, {"who": "second"}, None, ASKED), Lost)
    found = table.get(*KEY, ASKED, within=5)
    assert found is not None
    assert (found.partition, found.row, found.etag) == (*KEY, first)
    assert found.fields == {"who": "first", "bytes": 2**40, "count": 7}
    assert found.written is not None
    assert abs(datetime.now(UTC) - found.written) < timedelta(minutes=5)


def test_an_entity_is_replaced_or_merged_only_in_the_version_that_was_read(table: Table) -> None:
    first = etag(table.swap(*KEY, {"a": 1, "b": 1}, None, ASKED))
    second = etag(table.swap(*KEY, {"b": 2}, first, ASKED, merge=True))
    assert isinstance(table.swap(*KEY, {"b": 3}, first, ASKED), Lost)
    assert isinstance(table.swap("partition", "missing", {"b": 3}, first, ASKED), Lost)
    found = table.get(*KEY, ASKED)
    assert found is not None
    assert (found.fields, found.etag) == ({"a": 1, "b": 2}, second)
    third = etag(table.swap(*KEY, {"b": 4}, second, ASKED))
    found = table.get(*KEY, ASKED)
    assert found is not None
    assert (found.fields, found.etag) == ({"b": 4}, third)


def test_an_entity_is_deleted_only_in_the_version_that_was_read(table: Table) -> None:
    first = etag(table.swap(*KEY, {"a": 1}, None, ASKED))
    second = etag(table.swap(*KEY, {"a": 2}, first, ASKED))
    assert not table.delete(*KEY, first, ASKED)
    assert table.delete(*KEY, second, ASKED, within=5)
    assert table.get(*KEY, ASKED) is None
    assert table.delete(*KEY, second, ASKED), "whoever was first has done it"


def test_entities_are_found_by_their_properties_in_the_order_of_their_keys(table: Table) -> None:
    for row in ("3", "1", "2"):
        table.swap("partition", row, {"odd": row in "13", "more": row}, None, ASKED)
    found = list(table.query("PartitionKey eq @p and odd eq @odd", {"p": "partition", "odd": True}, ASKED))
    assert [(it.row, it.fields["more"]) for it in found] == [("1", "1"), ("3", "3")]
    (one,) = table.query("RowKey eq @row", {"row": "2"}, ASKED, select=["PartitionKey", "RowKey", "odd"], within=5)
    assert (one.row, one.fields) == ("2", {"odd": False})


TABLE_CALLS: dict[str, Callable[[Table], object]] = {
    "get": lambda port: port.get(*KEY, ASKED),
    "query": lambda port: list(port.query("RowKey eq @row", {"row": "2"}, ASKED)),
    "swap of what is missing": lambda port: port.swap(*KEY, {}, None, ASKED),
    "swap of a version": lambda port: port.swap(*KEY, {}, OLD, ASKED),
    "merge": lambda port: port.swap(*KEY, {}, OLD, ASKED, merge=True),
}


@pytest.mark.parametrize("call", TABLE_CALLS.values(), ids=TABLE_CALLS)
def test_a_table_that_is_missing_is_named(account: Account, table: Table, call: Callable[[Table], object]) -> None:
    with TableServiceClient(
        endpoint=account.table_endpoint, audience=STORAGE_AUDIENCE, **account.client_options
    ) as service:
        service.delete_table(TABLE)
    with pytest.raises(StorageMissing, match=f"do this: storage has no table {TABLE}"):
        call(table)


def test_a_message_waits_for_as_long_as_was_asked(account: Account, queue: Queue) -> None:
    assert (queue.depth(ASKED).messages, queue.depth(ASKED).oldest) == (0, None)
    queue.send("späť", ASKED)
    queue.send("later", ASKED, delay=3600)
    depth = queue.depth(ASKED)
    assert depth.messages == 2
    assert depth.oldest is not None
    with QueueClient(
        account.queue_endpoint, QUEUE, message_decode_policy=TextBase64DecodePolicy(), **account.client_options
    ) as client:
        assert [it.content for it in client.receive_messages()] == ["späť"]


QUEUE_CALLS: dict[str, Callable[[Queue], object]] = {
    "send": lambda port: port.send("text", ASKED),
    "depth": lambda port: port.depth(ASKED),
}


@pytest.mark.parametrize("call", QUEUE_CALLS.values(), ids=QUEUE_CALLS)
def test_a_queue_that_is_missing_is_named(account: Account, queue: Queue, call: Callable[[Queue], object]) -> None:
    with QueueClient(account.queue_endpoint, QUEUE, **account.client_options) as client:
        client.delete_queue()
    with pytest.raises(StorageMissing, match=f"do this: storage has no queue {QUEUE}"):
        call(queue)
