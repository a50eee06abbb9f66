"""The mirror keeps the promises that copying counts on of what it reads from."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry

from acrmirror.errors import Damaged, DigestMismatch, NotHere
from acrmirror.mirror import Layout, MirrorSource, MirrorStore
from acrmirror.mirror.blobs import ASKED_OVER
from acrmirror.moments import Moment
from acrmirror.oci import MAX_MANIFEST_SIZE, OCI_MANIFEST, Descriptor, parse_manifest
from acrmirror.reference import Digest, Reference
from acrmirror.storage import Container
from acrmirror.transport import make_transport
from standins.foundation import Account, Foundation
from standins.relay import Answer
from testkit.stack import CONTAINER
from tests.contracts import SourceBed, SourceContract
from tests.integration.storage_proxy import StorageProxy

LAYOUT = Layout()
AT = Moment("2026-04-25T21:39:47.000000000Z")
OCTETS = "application/octet-stream"


class MirrorRead(SourceBed):
    repository, another = "team/app", "team/other"

    def __init__(self, store: MirrorStore, container: ContainerClient, proxy: StorageProxy) -> None:
        self.source = MirrorSource(store)
        self.store = store
        self.over = threading.Event()
        self._container = container
        self._proxy = proxy
        self._manifests: list[Digest] = []

    def push_blob(self, data: bytes) -> Descriptor:
        descriptor = Descriptor(OCTETS, Digest.of(data), len(data))
        self.store.blobs.put(data, descriptor.digest)
        self.store.blobs.link(self.repository, descriptor)
        return descriptor

    def push_manifest(self, raw: bytes, tag: str | None = None) -> Descriptor:
        manifest = parse_manifest(raw, OCI_MANIFEST)
        self.store.manifests.write(self.repository, manifest)
        self._manifests.append(manifest.digest)
        if manifest.subject is not None:
            self.store.referrers.add(self.repository, manifest.subject.digest, [manifest.descriptor()], AT)
        if tag is not None:
            current = self.store.tags.read(self.repository, tag)
            self.store.tags.set(self.repository, tag, manifest.descriptor(), AT, current)
        return manifest.descriptor()

    def requests(self, kind: str) -> int:
        """Of blobs, the looks for a link to one; of data, reads of content."""
        if kind == "blob":
            return sum(it.method == "HEAD" and "/_layers/" in it.target for it in self._proxy.asked)
        assert kind == "data"
        return sum(it.method == "GET" and "/blobs/" in it.target for it in self._proxy.asked)

    def refuse(self, status: int) -> None:
        answer = Answer({403: 403, 429: 503, 503: 400}[status])
        self._proxy.refuses = lambda method, path: answer

    def stall_blobs(self) -> None:
        def stall(method: str, path: str) -> Answer | None:
            if method == "GET" and "/blobs/" in path:
                self.over.wait(20)
            return None

        self._proxy.refuses = stall

    def spoil_manifests(self) -> None:
        self._overwrite(b"x")

    def inflate_manifests(self) -> None:
        self._overwrite(b" " * (MAX_MANIFEST_SIZE + 1))

    def _overwrite(self, data: bytes) -> None:
        for digest in self._manifests:
            self._container.get_blob_client(LAYOUT.blob_data(digest)).upload_blob(data, overwrite=True)

    def delete(self, digest: Digest) -> None:
        self._container.delete_blob(LAYOUT.blob_data(digest))


class TestMirrorRead(SourceContract):
    @pytest.fixture
    def bed(self, account: Account, foundation: Foundation) -> Iterator[MirrorRead]:
        with StorageProxy(account.ca, foundation.certificates.server) as proxy:
            proxy.upstream = account.blob_endpoint
            # What storage refuses is told at once.
            service = BlobServiceClient(
                proxy.endpoint,
                credential=account.identity.credential(),
                transport=make_transport(account.ca),
                retry_policy=ExponentialRetry(retry_total=0),
            )
            with (
                MirrorStore.over(Container(service, CONTAINER)) as store,
                ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container,
            ):
                bed = MirrorRead(store, container, proxy)
                yield bed
                bed.over.set()

    def test_what_only_another_repository_has_is_not_here(self, bed: MirrorRead) -> None:
        """Else what one repository may read would go into another one (rule L10)."""
        blob = bed.push_blob(b"a secret")
        with pytest.raises(NotHere), bed.source.blob(bed.another, blob):
            pass

    @pytest.mark.parametrize("size", [7, ASKED_OVER + 1])
    def test_content_that_was_deleted_behind_its_link_is_damage(self, bed: MirrorRead, size: int) -> None:
        """And nothing that the registry lacks, which would be waited for (rule L11)."""
        blob = bed.push_blob(b"d" * size)
        bed.delete(blob.digest)
        with pytest.raises(Damaged), bed.source.blob(bed.repository, blob) as reader:
            reader.read_into(0, memoryview(bytearray(size)), lambda _: None)

    @pytest.mark.parametrize("size", [7, ASKED_OVER + 1])
    @pytest.mark.parametrize("more", [-1, 1])
    def test_content_of_another_length_is_wrong(self, bed: MirrorRead, size: int, more: int) -> None:
        blob = replace(bed.push_blob(b"w" * size), size=size + more)
        with (
            pytest.raises(DigestMismatch, match=f"it has {size} bytes"),
            bed.source.blob(bed.repository, blob) as reader,
        ):
            reader.read_into(0, memoryview(bytearray(size + more)), lambda _: None)

    def test_a_small_blob_is_read_in_parts_too(self, bed: MirrorRead) -> None:
        blob, first, last = bed.push_blob(b"in parts"), bytearray(3), bytearray(5)
        with bed.source.blob(bed.repository, blob) as reader:
            reader.read_into(0, memoryview(first), lambda _: None)
            reader.read_into(3, memoryview(last), lambda _: None)
        assert bytes(first + last) == b"in parts"

    def test_a_tag_whose_manifest_is_incomplete_is_not_here(self, bed: MirrorRead) -> None:
        absent = Descriptor(OCI_MANIFEST, Digest.of(b"absent"), 6)
        bed.store.tags.set(bed.repository, "v1", absent, AT, None)
        with pytest.raises(NotHere):
            bed.source.resolve(Reference(bed.repository, "v1"))
