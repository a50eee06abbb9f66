"""The registry keeps the promises that copying counts on."""

import uuid
from collections.abc import Iterator

import pytest

from acrmirror.copying import Source
from acrmirror.oci import OCI_MANIFEST, Descriptor
from acrmirror.reference import Digest
from tests.contracts import PAGE, RegistryBed, RegistryContract
from tests.integration.registry.conftest import Bed


class RegistryOverHttp(RegistryBed):
    def __init__(self, bed: Bed, source: Source) -> None:
        self.source = source
        self.repository, self.another = (f"contract/{uuid.uuid4().hex}" for _ in range(2))
        self._bed = bed
        self._rules: list[dict[str, object]] = []
        self._misbehave("referrers", page_size=PAGE)

    def push_blob(self, data: bytes) -> Descriptor:
        return self._bed.push_blob(self.repository, data)

    def push_manifest(self, raw: bytes, tag: str | None = None) -> Descriptor:
        with self._bed.pusher() as pusher:
            return pusher.manifest(self.repository, raw, OCI_MANIFEST, tag, Digest.of(raw))

    def requests(self, kind: str) -> int:
        return sum(it["method"] in ("GET", "HEAD") for it in self._bed.control.requests(kind=kind) if self._ours(it))

    def refuse(self, status: int) -> None:
        for kind in ("manifest", "blob", "referrers"):
            self._misbehave(kind, status=status)

    def stall_blobs(self) -> None:
        self._misbehave("data", stall_at=0, stall_ms=20_000)

    def spoil_manifests(self) -> None:
        self._misbehave("manifest", corrupt=30)

    def inflate_manifests(self) -> None:
        self._misbehave("manifest", headers={"Content-Length": str(4 * 1024 * 1024 + 1)})

    def list_oddly(self, subject: Digest) -> None:
        self._misbehave("referrers", also_list="none")

    def _misbehave(self, kind: str, **effects: object) -> None:
        self._rules.append({"match": {"kind": kind}, "do": effects})
        self._bed.control.set_faults(self._rules)

    def _ours(self, request: dict[str, object]) -> bool:
        return bool(request["counted"]) or request["kind"] == "data"


class TestRegistryOverHttp(RegistryContract):
    @pytest.fixture
    def bed(self, bed: Bed) -> Iterator[RegistryBed]:
        with bed.open(patience=3) as source:
            yield RegistryOverHttp(bed, source)
