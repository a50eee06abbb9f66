"""The registry, the mirror and the claims in memory keep the promises that the real ones keep."""

import pytest

from acrmirror.copying.ports import Claims as Claiming
from acrmirror.errors import Denied, MirrorError, Throttled, Unavailable
from acrmirror.history import Observation
from acrmirror.oci import MAX_MANIFEST_SIZE, OCI_MANIFEST, Descriptor
from acrmirror.reference import Digest, Reference
from tests.contracts import ClaimsContract, RegistryBed, RegistryContract, TargetBed, TargetContract
from tests.in_memory import BLOCK, Claims, ManifestBytes, Mirror, Registry

REFUSALS: dict[int, MirrorError] = {
    403: Denied("read", "it answered 403", "Give a role."),
    429: Throttled("read", "it answered 429", "Wait."),
    503: Unavailable("read", "it answered 503", "Wait."),
}


class RegistryInMemory(RegistryBed):
    repository, another = "team/app", "team/other"

    def __init__(self) -> None:
        self.source = self._registry = Registry()
        self._registry.repositories = {self.repository}

    def push_blob(self, data: bytes) -> Descriptor:
        digest = Digest.of(data)
        self._registry.blobs[digest] = data
        return Descriptor("application/octet-stream", digest, len(data))

    def push_manifest(self, raw: bytes, tag: str | None = None) -> Descriptor:
        return self._registry.push_raw(raw, OCI_MANIFEST, tag)

    def requests(self, kind: str) -> int:
        kinds = {"blob": ("blob", "check")}.get(kind, (kind,))
        return sum(self._registry.times(it) for it in kinds)

    def refuse(self, status: int) -> None:
        self._registry.refusing = REFUSALS[status]

    def stall_blobs(self) -> None:
        self._registry.reads.stalls = True

    def spoil_manifests(self) -> None:
        for digest, served in self._registry.manifests.items():
            self._registry.manifests[digest] = ManifestBytes(served.raw[:-1] + b" ", served.media_type)

    def inflate_manifests(self) -> None:
        for digest, served in self._registry.manifests.items():
            raw = served.raw + b" " * MAX_MANIFEST_SIZE
            self._registry.manifests[digest] = ManifestBytes(raw, served.media_type)

    def list_oddly(self, subject: Digest) -> None:
        self._registry.listed[subject].insert(0, {"mediaType": OCI_MANIFEST, "digest": "none", "size": 2})


class TestRegistryInMemory(RegistryContract):
    @pytest.fixture
    def bed(self) -> RegistryBed:
        return RegistryInMemory()


class MirrorInMemory(TargetBed):
    block = BLOCK

    def __init__(self) -> None:
        self._mirror = Mirror()
        self.target = self._mirror.target

    def stored(self, digest: Digest) -> bytes | None:
        return self._mirror.content.get(digest)

    def overwrite(self, digest: Digest, data: bytes) -> None:
        self._mirror.content[digest] = data

    def drop_staged(self, digest: Digest) -> None:
        self._mirror.staged.pop(digest)

    def damage_tag(self, repository: str, tag: str) -> None:
        state = self._mirror.tags[repository, tag]
        self._mirror.tags[repository, tag] = type(state)(None, state.version, state.at, state.event)

    def observed(self, reference: Reference) -> list[Observation]:
        found = [seen for named, seen in self._mirror.history if named == reference]
        return sorted(found, key=lambda it: (it.at, it.sequence))

    def fail(self, failure: type[Denied | Throttled | Unavailable]) -> None:
        self._mirror.failure = failure("ask storage", "it does not do that now", "Later.")

    def cut_dots(self) -> None:
        self._mirror.cuts_dots = True


class TestMirrorInMemory(TargetContract):
    @pytest.fixture
    def bed(self) -> TargetBed:
        return MirrorInMemory()


class TestClaimsInMemory(ClaimsContract):
    @pytest.fixture
    def ours(self) -> Claiming:
        return Claims()

    @pytest.fixture
    def theirs(self, ours: Claiming) -> Claiming:
        return ours
