"""Stacks whose app speaks to storage through proxies that keep what it asks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from standins.foundation import Foundation
from standins.stack import Stack
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.storage_proxy import StorageProxy


@dataclass(frozen=True, slots=True)
class Watched:
    """A mirror that gets nothing by events, a caller of its API, and what its app asks of blobs and of the table."""

    mirror: Mirroring
    call: Caller
    blobs: StorageProxy
    table: StorageProxy

    @property
    def stack(self) -> Stack:
        return self.mirror.stack


WatchedMaker = Callable[..., Watched]


@pytest.fixture
def watched(foundation: Foundation, make_stack: Any) -> Iterator[WatchedMaker]:
    """`watched(workers=2, MIRROR_THREADS="4")` starts one: keywords in capitals are settings of the app."""
    with ExitStack() as ends:

        def make(workers: int = 1, **settings: str) -> Watched:
            certificates = foundation.certificates
            blobs, table = (ends.enter_context(StorageProxy(certificates.ca, certificates.server)) for _ in range(2))
            proxied = {"MIRROR_BLOB_ENDPOINT": blobs.endpoint, "MIRROR_TABLE_ENDPOINT": table.endpoint}
            stack: Stack = make_stack(workers=workers, settings=proxied | settings)
            blobs.upstream, table.upstream = stack.account.blob_endpoint, stack.account.table_endpoint
            stack.registry.set_event_manner(hold=True)
            return Watched(ends.enter_context(mirroring(stack)), Caller.of(stack), blobs, table)

        yield make
