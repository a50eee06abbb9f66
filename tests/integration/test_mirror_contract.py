"""The mirror in Blob Storage and the claims in its table keep the promises that copying counts on."""

import re
from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.copying.ports import Claims
from acrmirror.errors import Denied, Throttled, Unavailable
from acrmirror.history import Observation
from acrmirror.jobs import Holder, JobRecords, TableClaims
from acrmirror.mirror import Layout, MirrorStore, blocks
from acrmirror.reference import Digest, Reference
from standins.foundation import Account, Foundation
from standins.relay import Answer
from testkit.stack import CONTAINER, TABLE
from tests.contracts import ClaimsContract, TargetBed, TargetContract
from tests.integration.storage_proxy import StorageProxy

LAYOUT = Layout()


class MirrorInStorage(TargetBed):
    block = blocks.BLOCK_SIZE

    def __init__(self, store: MirrorStore, container: ContainerClient, proxy: StorageProxy) -> None:
        self.target = self._store = store
        self._container = container
        self._proxy = proxy

    def stored(self, digest: Digest) -> bytes | None:
        blob = self._container.get_blob_client(LAYOUT.blob_data(digest))
        return blob.download_blob().readall() if blob.exists() else None

    def overwrite(self, digest: Digest, data: bytes) -> None:
        self._container.get_blob_client(LAYOUT.blob_data(digest)).upload_blob(data, overwrite=True)

    def drop_staged(self, digest: Digest) -> None:
        blob = self._container.get_blob_client(LAYOUT.blob_data(digest))
        blob.commit_block_list([])
        blob.delete_blob()

    def damage_tag(self, repository: str, tag: str) -> None:
        self._container.get_blob_client(LAYOUT.tag_link(repository, tag)).upload_blob(b"no digest", overwrite=True)

    def observed(self, reference: Reference) -> list[Observation]:
        return list(self._store.history.of_tag(reference.repository, reference.tag or ""))

    def fail(self, failure: type[Denied | Throttled | Unavailable]) -> None:
        status = {Denied: 403, Throttled: 503, Unavailable: 400}[failure]
        self._proxy.refuses = lambda method, path: Answer(status)

    def cut_dots(self) -> None:
        self._proxy.alter = lambda method, path, body: (re.sub(r"\.+(?=/|%2F|\?|$)", "", path), body)


class TestMirrorInStorage(TargetContract):
    @pytest.fixture
    def bed(self, account: Account, foundation: Foundation) -> Iterator[TargetBed]:
        credential = account.identity.credential()
        with StorageProxy(account.ca, foundation.certificates.server) as proxy:
            proxy.upstream = account.blob_endpoint
            with (
                MirrorStore.open(proxy.endpoint, CONTAINER, credential, trust_bundle=account.ca) as store,
                ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container,
            ):
                yield MirrorInStorage(store, container, proxy)


class TestClaimsInTable(ClaimsContract):
    @pytest.fixture
    def records(self, account: Account) -> Iterator[JobRecords]:
        opened = JobRecords.open(account.table_endpoint, TABLE, account.identity.credential(), account.ca)
        yield opened
        opened.close()

    @pytest.fixture
    def ours(self, records: JobRecords) -> Claims:
        return TableClaims(records.table).of(Holder("one", "first", "1"))

    @pytest.fixture
    def theirs(self, records: JobRecords) -> Claims:
        return TableClaims(records.table).of(Holder("two", "second", "1"))
