"""A registry that is pushed to keeps the promises that copying counts on, however unkind it is (rules T2, T3)."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from acrmirror.errors import Denied, DigestMismatch, Malformed, MirrorError, Permanent, Throttled, Unavailable
from acrmirror.moments import Moment
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest
from acrmirror.registry import Limits, Redirects, RegistryTarget, Session
from acrmirror.registry.pushing import SoftDeleted
from tests.contracts import ContentBed, ContentContract
from tests.contracts.blobs import commit, content, described, opened, stage, write
from tests.integration.registry.conftest import Bed

CHUNK = 100_000
AT = Moment("2026-04-25T21:39:47.000000000Z")


class Pushed(ContentBed):
    block = CHUNK

    def __init__(self, bed: Bed, session: Session) -> None:
        self.repository, self.another = (f"pushed/{uuid.uuid4().hex}" for _ in range(2))
        self.bed = bed
        self.session = session
        self.holders: list[str] = []
        self.arrived: list[Digest] = []
        self.target: RegistryTarget = self.into(self.repository)

    def into(self, repository: str, chunk: int = CHUNK) -> RegistryTarget:
        return RegistryTarget(
            self.session, repository, None, lambda _: self.holders, lambda it: self.arrived.append(it.digest), chunk
        )

    def stored(self, digest: Digest) -> bytes | None:
        with self.bed.open() as source, self.bed.pusher() as pusher:
            if not pusher.has_blob(self.repository, digest):
                return None
            size = self._size(digest)
            buffer = bytearray(size)
            with source.blob(self.repository, Descriptor("", digest, size)) as reader:
                reader.read_into(0, memoryview(buffer), lambda count: None)
            return bytes(buffer)

    def _size(self, digest: Digest) -> int:
        answer = self.session.send("HEAD", f"/v2/{self.repository}/blobs/{digest}", "*/*", None)
        return int(answer.headers["Content-Length"])

    def misbehave(self, method: str, kind: str, match: dict[str, object] | None = None, **effects: object) -> None:
        self.bed.control.set_faults([{"match": {"method": method, "kind": kind, **(match or {})}, "do": effects}])

    def sent(self) -> list[str]:
        return [it for it in self.bed.calls() if it.split()[0] not in ("GET", "HEAD")]


@pytest.fixture
def pushed(bed: Bed) -> Iterator[Pushed]:
    settings = bed.settings()
    redirects = Redirects(settings.redirect_hosts, True)
    credential = bed.foundation.identity.credential()
    limits = Limits(patience=3)
    audience, trust = settings.registry_audience, settings.trust_bundle
    with Session(bed.control.host, credential, audience, redirects, trust, limits, pushes=True) as session:
        yield Pushed(bed, session)


class TestPushedContent(ContentContract):
    @pytest.fixture
    def bed(self, pushed: Pushed) -> ContentBed:
        return pushed


def image(pushed: Pushed, name: str, **more: Any) -> Manifest:
    """A manifest whose one blob is pushed."""
    blob = pushed.target.blobs.ingest(described(name.encode()))
    if blob is not None:
        commit(blob, name.encode())
    return manifest(name, **more)


def manifest(name: str, **more: Any) -> Manifest:
    config = {"mediaType": "application/json", "digest": str(Digest.of(name.encode())), "size": len(name)}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], **more}
    return parse_manifest(json.dumps(body, indent=1).encode(), OCI_MANIFEST)


def index(*children: Manifest) -> Manifest:
    listed = [{"mediaType": it.media_type, "digest": str(it.digest), "size": it.size} for it in children]
    return parse_manifest(
        json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode(), OCI_INDEX
    )


def refers_to(subject: Manifest) -> dict[str, Any]:
    return {"subject": {"mediaType": subject.media_type, "digest": str(subject.digest), "size": subject.size}}


# blobs


def test_a_small_blob_takes_three_requests_and_a_second_push_one(pushed: Pushed) -> None:
    data = content(CHUNK)
    write(pushed, data)
    assert pushed.bed.calls() == ["HEAD blob 404", "POST upload 202", "PUT upload 201"]
    pushed.bed.control.reset_requests()
    assert pushed.into(pushed.repository).blobs.ingest(described(data)) is None
    assert pushed.bed.calls() == ["HEAD blob 200"]


def test_a_large_blob_goes_in_chunks_that_say_their_length(pushed: Pushed) -> None:
    """A single body over about 20 MB is refused, and so is a chunk without a Content-Length."""
    data = content(20_000_001)
    target = pushed.into(pushed.repository, 16 * 1024 * 1024)
    way_in = target.blobs.ingest(described(data))
    assert way_in is not None
    digest, sent = stage(way_in, data)
    assert sent == 2
    assert way_in.commit(digest, lambda missing: None)
    assert pushed.sent() == ["POST upload 202", "PATCH upload 202", "PATCH upload 202", "PUT upload 201"]
    assert target.blobs.has(described(data))


def test_chunks_go_out_in_their_order_whichever_thread_is_first(pushed: Pushed) -> None:
    data = content(5 * CHUNK)
    way_in = opened(pushed, described(data))

    def send(index: int) -> bool:
        offset, length = way_in.block(index)
        return way_in.stage(index, memoryview(data)[offset : offset + length], b"")

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(send, reversed(range(5))))
    assert way_in.commit(Digest.of(data), lambda missing: None)
    assert pushed.stored(Digest.of(data)) == data


def test_a_chunk_that_fails_ends_the_wait_of_those_behind_it(pushed: Pushed) -> None:
    way_in = opened(pushed, described(content(3 * CHUNK)))
    pushed.misbehave("PATCH", "upload", status=400)
    with ThreadPoolExecutor(2) as pool:
        behind = pool.submit(way_in.stage, 1, memoryview(content(CHUNK)), b"")
        with pytest.raises(Permanent):
            way_in.stage(0, memoryview(content(CHUNK)), b"")
        with pytest.raises(Unavailable):
            behind.result(timeout=20)


@pytest.mark.parametrize("status", [429, 503])
def test_a_chunk_that_was_not_taken_is_sent_again(pushed: Pushed, status: int) -> None:
    data = content(3 * CHUNK)
    pushed.misbehave("PATCH", "upload", {"nth": 2}, status=status, retry_after=0.1)
    write(pushed, data)
    assert pushed.stored(Digest.of(data)) == data
    assert pushed.sent().count(f"PATCH upload {status}") == 1


def test_a_chunk_whose_answer_was_lost_is_not_sent_twice(pushed: Pushed) -> None:
    """It arrived: the registry would refuse it, or take it for the next one."""
    data = content(3 * CHUNK)
    pushed.misbehave("PATCH", "upload", {"nth": 2}, lose_answer=True)
    write(pushed, data)
    assert pushed.stored(Digest.of(data)) == data
    assert pushed.sent().count("PATCH upload 202") == 3


def test_an_upload_that_the_registry_forgot_is_begun_again_by_the_next_attempt(pushed: Pushed) -> None:
    data = content(3 * CHUNK)
    way_in = opened(pushed, described(data))
    pushed.misbehave("PATCH", "upload", {"nth": 2}, status=404)
    with pytest.raises(Unavailable, match="does not know the upload"):
        stage(way_in, data)
    pushed.bed.control.clear_faults()
    write(pushed, data)
    assert pushed.stored(Digest.of(data)) == data


def test_a_blob_whose_last_answer_was_lost_is_found(pushed: Pushed) -> None:
    data = content(10)
    pushed.misbehave("PUT", "upload", {"count": 1}, lose_answer=True)
    write(pushed, data)
    assert pushed.sent().count("PUT upload 201") == 1
    assert pushed.arrived == [Digest.of(data)]


def test_bytes_that_were_damaged_on_their_way_are_told(pushed: Pushed) -> None:
    way_in = opened(pushed, described(content(10)))
    with pytest.raises(DigestMismatch):
        way_in.put(memoryview(content(10, seed=2)), Digest.of(content(10)))


def test_a_body_that_something_refuses_for_its_size_is_told(pushed: Pushed) -> None:
    pushed.misbehave("PATCH", "upload", status=413)
    with pytest.raises(Permanent, match="let 16 MiB through"):
        write(pushed, content(2 * CHUNK))


def test_what_arrived_is_told_once(pushed: Pushed) -> None:
    data = content(3 * CHUNK)
    write(pushed, data)
    assert pushed.arrived == [Digest.of(data)]


# mounts


def test_a_blob_of_another_repository_is_mounted_and_not_sent(pushed: Pushed) -> None:
    data = content(10)
    write(pushed, data)
    pushed.holders.append(pushed.repository)
    pushed.bed.control.reset_requests()
    into = pushed.into(pushed.another)
    assert into.blobs.ingest(described(data)) is None
    assert pushed.bed.calls() == ["HEAD blob 404", "POST upload 201"]
    assert into.blobs.linked(pushed.another, Digest.of(data))


def test_a_mount_that_does_not_succeed_is_an_upload(pushed: Pushed) -> None:
    data = content(10)
    pushed.holders.append(pushed.another)
    write(pushed, data)
    assert pushed.sent() == ["POST upload 202", "PUT upload 201"]


def test_a_mount_that_is_not_allowed_is_an_upload(pushed: Pushed) -> None:
    client = pushed.bed.foundation.identity.client_id
    pushed.bed.control.set_grants({client: {"repositories": [pushed.repository], "actions": ["pull", "push"]}})
    try:
        pushed.holders.append(pushed.another)
        write(pushed, content(10))
    finally:
        pushed.bed.control.set_grants({})
    assert pushed.sent() == ["POST upload 202", "PUT upload 201"]


# manifests, tags and referrers


def test_a_manifest_keeps_its_bytes_and_its_repository(pushed: Pushed) -> None:
    one = image(pushed, "one")
    assert pushed.target.manifests.revision(pushed.repository, one.digest) is None
    pushed.target.manifests.write(pushed.repository, one)
    found = pushed.target.manifests.revision(pushed.repository, one.digest)
    assert found is not None
    assert (found.descriptor.media_type, found.descriptor.size, found.whole) == (OCI_MANIFEST, one.size, True)
    assert pushed.target.manifests.read(pushed.repository, found.descriptor).raw == one.raw
    assert pushed.target.manifests.revision(pushed.another, one.digest) is None


def test_an_index_whose_child_was_removed_is_not_complete(pushed: Pushed) -> None:
    """Registries let children be purged from under their indexes."""
    child, other = image(pushed, "child"), image(pushed, "other")
    parent = index(child, other)
    for each in (child, other, parent):
        pushed.target.manifests.write(pushed.repository, each)
    assert pushed.target.manifests.revision(pushed.repository, parent.digest) is not None
    with pushed.bed.pusher() as pusher:
        pusher.delete_manifest(pushed.repository, other.digest)
    assert pushed.target.manifests.revision(pushed.repository, parent.digest) is None


def test_a_tag_is_where_it_was_set(pushed: Pushed) -> None:
    one, two = image(pushed, "one"), image(pushed, "two")
    assert pushed.target.tags.where(pushed.repository, "v1") is None
    for each in (one, two):
        pushed.target.tags.set(pushed.repository, "v1", each)
        assert pushed.target.tags.where(pushed.repository, "v1") == each.digest


def test_a_registry_that_lists_referrers_itself_is_sent_no_list(pushed: Pushed) -> None:
    subject = image(pushed, "subject")
    signature = image(pushed, "signature", **refers_to(subject))
    pushed.target.manifests.write(pushed.repository, signature)
    assert pushed.target.referrers.add(pushed.repository, subject.digest, [signature.descriptor()], AT)
    assert pushed.target.tags.where(pushed.repository, subject.digest.referrers_tag) is None


def test_for_another_registry_the_list_is_written_under_the_referrers_tag(pushed: Pushed) -> None:
    subject = image(pushed, "subject")
    signatures = [image(pushed, name, **refers_to(subject)) for name in ("one", "two")]
    pushed.misbehave("PUT", "manifest", headers={"OCI-Subject": None})
    for each in signatures:
        pushed.target.manifests.write(pushed.repository, each)
        assert pushed.target.referrers.add(pushed.repository, subject.digest, [each.descriptor()], AT)
    listed = pushed.target.manifests.find(pushed.repository, subject.digest.referrers_tag)
    assert listed is not None
    entries = pushed.target.manifests.read(pushed.repository, listed).manifests
    assert {it.digest for it in entries} == {it.digest for it in signatures}


def test_a_digest_that_is_soft_deleted_is_told_with_what_brings_it_back(pushed: Pushed) -> None:
    one = image(pushed, "one")
    pushed.target.manifests.write(pushed.repository, one)
    pushed.bed.control.set_soft_delete(True)
    try:
        with pushed.bed.pusher() as pusher:
            pusher.delete_manifest(pushed.repository, one.digest)
    finally:
        pushed.bed.control.set_soft_delete(False)
    with pytest.raises(SoftDeleted) as told:
        pushed.target.manifests.write(pushed.repository, one)
    assert f"az acr manifest restore --registry localhost:{pushed.bed.control.host.partition(':')[2]}" in str(
        told.value
    )
    assert f"{pushed.repository}@{one.digest}" in told.value.remedy


def test_what_a_tag_can_not_name_is_told(pushed: Pushed) -> None:
    """A registry names what is pushed under a tag by its sha256."""
    one = image(pushed, "one")
    other = parse_manifest(one.raw, OCI_MANIFEST, Digest.of(one.raw, "sha512"))
    pushed.target.manifests.write(pushed.repository, other)
    with pytest.raises(Malformed, match="by its digest"):
        pushed.target.tags.set(pushed.repository, "v1", other)


# what is refused


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (429, Throttled), (503, Unavailable)])
def test_a_refusal_is_told_by_whatever_was_asked(pushed: Pushed, status: int, kind: type[MirrorError]) -> None:
    one, begun = image(pushed, "one"), opened(pushed, described(content(20)))
    pushed.bed.control.set_faults([{"match": {"kind": ["blob", "upload", "manifest"]}, "do": {"status": status}}])
    target = pushed.target
    calls: dict[str, Callable[[], object]] = {
        "has": lambda: target.blobs.has(described(content(30))),
        "ingest": lambda: target.blobs.ingest(described(content(30))),
        "linked": lambda: target.blobs.linked(pushed.another, one.digest),
        "put": lambda: begun.put(memoryview(content(20)), Digest.of(content(20))),
        "revision": lambda: target.manifests.revision(pushed.repository, one.digest),
        "write": lambda: target.manifests.write(pushed.repository, one),
        "where": lambda: target.tags.where(pushed.repository, "v1"),
        "set": lambda: target.tags.set(pushed.repository, "v1", one),
    }
    with ThreadPoolExecutor(len(calls)) as pool:
        asked = {name: pool.submit(call) for name, call in calls.items()}
        raised = {name: call.exception() for name, call in asked.items()}
    assert {name: type(error) for name, error in raised.items() if not isinstance(error, kind)} == {}


def test_an_identity_that_may_only_pull_is_told_the_role_to_push(pushed: Pushed) -> None:
    client = pushed.bed.foundation.identity.client_id
    pushed.bed.control.set_grants({client: {"repositories": ["*"], "actions": ["pull"]}})
    try:
        with pytest.raises(Denied, match=r"AcrPush, or Container Registry Repository Writer"):
            write(pushed, content(10))
    finally:
        pushed.bed.control.set_grants({})
