"""What several files of integration tests stand on."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.jobs import JobRecords
from acrmirror.mirror import MirrorStore
from standins.foundation import Account
from standins.stack import Stack
from testkit.stack import CONTAINER, TABLE
from tests.integration.command import Command
from tests.integration.entities import remove_entity
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring


@pytest.fixture
def repository() -> str:
    """A repository that no other test uses."""
    return f"tests/{uuid.uuid4().hex}"


@pytest.fixture
def store(account: Account) -> Iterator[MirrorStore]:
    """An empty mirror, in an account of the test's own."""
    with MirrorStore.open(
        account.blob_endpoint, CONTAINER, account.identity.credential(), trust_bundle=account.ca
    ) as opened:
        yield opened


@pytest.fixture
def records(account: Account) -> Iterator[JobRecords]:
    """An empty table of records, in an account of the test's own."""
    opened = JobRecords.open(account.table_endpoint, TABLE, account.identity.credential(), account.ca)
    yield opened
    opened.close()


@pytest.fixture
def container(account: Account) -> Iterator[ContainerClient]:
    """The container of `store`, for what the mirror itself never does."""
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as opened:
        yield opened


@pytest.fixture
def mirror(stack: Stack) -> Iterator[Mirroring]:
    """The shared stack with events held back: what stands came by a pull."""
    with mirroring(stack) as opened:
        stack.registry.set_event_manner(hold=True)
        yield opened


@pytest.fixture
def call(stack: Stack) -> Caller:
    """The shared stack's HTTP API, asked with its key."""
    return Caller.of(stack)


@pytest.fixture
def run(stack: Stack, tmp_path: Path) -> Command:
    """The command line against the shared stack, in a folder of the test's own."""
    return Command.of(stack, tmp_path)


@pytest.fixture
def bare_mirror(bare_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirroring]:
    """Registry and storage without a Functions host, for runs in the test's own process; no message waits, and no
    layer is claimed."""
    for name, value in bare_stack.identity.environment().items():
        monkeypatch.setenv(name, value)
    with mirroring(bare_stack) as opened:
        for queue in opened.queues:
            queue.clear_messages()
        for claim in opened.claims():
            remove_entity(opened.records.table, claim.partition, claim.row)
        yield opened
