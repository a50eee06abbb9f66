"""Each row of docs/errors.md that has an HTTP status: provoked, and answered as it says."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from acrmirror.app import App
from acrmirror.http import Request
from acrmirror.http.api import Api
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, parse_manifest
from acrmirror.reference import Digest, Reference
from acrmirror.settings import Settings
from acrmirror.work import Copy
from standins.foundation import Foundation
from standins.policy.refusals import refuse
from standins.relay import Answer
from standins.stack import Stack
from testkit.images import Image, multi_arch, oci_image
from testkit.stack import CONTAINER, mirror_stack
from tests.integration.error_rows import rows
from tests.integration.http_api import Caller, Got
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.storage_proxy import StorageProxy

LAYOUT = Layout()


@dataclass(frozen=True, slots=True)
class Trouble:
    """A stack whose storage can be made to refuse, and a repository that no other case uses."""

    mirror: Mirroring
    call: Caller
    blobs: StorageProxy
    tables: StorageProxy
    repository: str

    def push(self) -> Image:
        return self.mirror.push(self.repository, oci_image(self.repository))

    def bring(self) -> Image:
        image = self.push()
        assert self.call("POST", "pulls", {"image": self.repository, "wait": 30}).status == 200
        return image

    def misbehaving(self, **effects: object) -> Got:
        """What a pull is answered while the registry's manifests come with that."""
        self.push()
        where = {"kind": "manifest", "path": f".*{self.repository}.*"}
        self.mirror.stack.registry.set_faults([{"match": where, "do": effects}])
        return self.call("POST", "pulls", {"image": self.repository})


Case = Callable[[Trouble], Got]
CASES: dict[tuple[str, int], Case] = {}


def answers(code: str, status: int) -> Callable[[Case], Case]:
    def put(case: Case) -> Case:
        assert (code, status) not in CASES
        CASES[code, status] = case
        return case

    return put


@pytest.fixture(scope="module")
def proxied(
    foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, StorageProxy, StorageProxy]]:
    trust, own = foundation.certificates.ca, foundation.certificates.server
    with StorageProxy(trust, own) as blobs, StorageProxy(trust, own) as tables:
        settings = {"MIRROR_BLOB_ENDPOINT": blobs.endpoint, "MIRROR_TABLE_ENDPOINT": tables.endpoint}
        with mirror_stack(foundation=foundation, folder=tmp_path_factory.mktemp("trouble"), settings=settings) as stack:
            blobs.upstream, tables.upstream = stack.account.blob_endpoint, stack.account.table_endpoint
            stack.registry.set_event_manner(hold=True)
            yield stack, blobs, tables


@pytest.fixture
def trouble(proxied: tuple[Stack, StorageProxy, StorageProxy]) -> Iterator[Trouble]:
    stack, blobs, tables = proxied
    with mirroring(stack) as mirror:
        yield Trouble(mirror, Caller.of(stack), blobs, tables, f"errors/{uuid.uuid4().hex[:12]}")
    stack.registry.clear_faults()
    for proxy in (blobs, tables):
        proxy.refuses = lambda method, path: None
        proxy.alter = lambda method, path, body: (path, body)


@answers("invalid-request", 400)
def _(trouble: Trouble) -> Got:
    return trouble.call("POST", "pulls", {"image": "team/app", "wait": 61})


@answers("invalid-reference", 400)
def _(trouble: Trouble) -> Got:
    return trouble.call("POST", "pulls", {"image": "Team/App:1"})


@answers("refused", 400)
def _(trouble: Trouble) -> Got:
    return trouble.call("POST", "pulls", {"image": "example.org/team/app:1"})


@answers("malformed", 400)
def _(trouble: Trouble) -> Got:
    return trouble.call("POST", "pulls", {"image": "team/app", "platforms": ["linux/a/b/c"]})


@answers("denied", 403)
def _(trouble: Trouble) -> Got:
    return trouble.misbehaving(status=403)


@answers("denied", 503)
def _(trouble: Trouble) -> Got:
    trouble.blobs.refuses = lambda method, path: refuse("blob")
    got = trouble.call("GET", "images")
    assert "Storage Blob Data Contributor" in got.json["remedy"]
    return got


@answers("not-found", 404)
def _(trouble: Trouble) -> Got:
    return trouble.call("GET", f"images/{trouble.repository}:1")


@answers("damaged", 502)
def _(trouble: Trouble) -> Got:
    """The link of a manifest is there, and the manifest is not."""
    image = trouble.mirror.push(trouble.repository, oci_image(trouble.repository))
    assert trouble.call("POST", "pulls", {"image": trouble.repository, "wait": 30}).status == 200
    trouble.mirror.container.delete_blob(LAYOUT.blob_data(image.root.digest))
    got = trouble.call("GET", f"images/{trouble.repository}:latest")
    assert "force" in got.json["remedy"]
    return got


@answers("no-such-platform", 404)
def _(trouble: Trouble) -> Got:
    trouble.mirror.push(trouble.repository, multi_arch(trouble.repository, 2))
    assert trouble.call("POST", "pulls", {"image": trouble.repository, "wait": 30}).status == 200
    return trouble.call("GET", f"images/{trouble.repository}:latest/content?platform=linux/s390x")


@answers("method-not-allowed", 405)
def _(trouble: Trouble) -> Got:
    got = trouble.call("PUT", "pulls", {"image": trouble.repository})
    assert got.headers["Allow"] == "GET, HEAD, POST"
    return got


@answers("wrong-state", 409)
def _(trouble: Trouble) -> Got:
    trouble.push()
    done = trouble.call("POST", "pulls", {"image": trouble.repository, "wait": 30})
    return trouble.call("DELETE", f"pulls/{done.json['id']}")


@answers("too-large", 422)
def _(trouble: Trouble) -> Got:
    """An index of more images than one answer tells of."""
    stack = trouble.mirror.stack
    entries = [{"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"%d" % n)), "size": 9} for n in range(501)]
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    credential = stack.identity.credential()
    with MirrorStore.open(stack.account.blob_endpoint, CONTAINER, credential, trust_bundle=stack.ca) as store:
        store.manifests.write(trouble.repository, parse_manifest(raw, OCI_INDEX))
    return trouble.call("GET", f"images/{trouble.repository}@{Digest.of(raw)}")


@answers("throttled", 429)
def _(trouble: Trouble) -> Got:
    got = trouble.misbehaving(status=429, retry_after=7)
    assert got.headers["Retry-After"] == "7"
    return got


@answers("permanent", 500)
def _(trouble: Trouble) -> Got:
    return trouble.misbehaving(status=405)


@answers("digest-mismatch", 502)
def _(trouble: Trouble) -> Got:
    image = trouble.bring()
    trouble.mirror.container.upload_blob(LAYOUT.blob_data(image.root.digest), b"{}", overwrite=True)
    return trouble.call("GET", f"images/{trouble.repository}:latest")


@answers("conflict", 503)
def _(trouble: Trouble) -> Got:
    """A record that others write whenever it is written."""
    job = Copy.of_pull(Reference(trouble.repository, "1"), "conflict")
    records = trouble.mirror.records
    records.add(job)

    def first(method: str, path: str, body: bytes) -> tuple[str, bytes]:
        if method == "PATCH" and job.id in path:
            records.change(job.id, {"message": uuid.uuid4().hex})
        return path, body

    trouble.tables.alter = first
    return trouble.call("DELETE", f"pulls/{job.id}")


@answers("unavailable", 503)
def _(trouble: Trouble) -> Got:
    return trouble.misbehaving(status=500)


@answers("misconfigured", 503)
def _(trouble: Trouble) -> Got:
    """An app that can't read its settings."""
    environment = {**trouble.mirror.stack.app_environment(), "MIRROR_CONTAINER": "No Name"}
    answer = Api(lambda: App.open(Settings.from_environment(environment))).list_repositories(Request("GET"))
    return Got(answer.status, {"Content-Type": answer.media_type, **answer.headers}, answer.body)


EXPECTED = {(row.code, status) for row in rows().values() for status in row.statuses if row.code != "unexpected"}


def test_every_status_has_its_case() -> None:
    assert set(CASES) == EXPECTED


@pytest.mark.parametrize(("code", "status"), sorted(EXPECTED))
def test_what_the_row_says_is_answered(trouble: Trouble, code: str, status: int) -> None:
    got = CASES[code, status](trouble)
    assert (got.status, got.headers["Content-Type"]) == (status, "application/problem+json"), got.raw
    problem = got.json
    assert (problem["code"], problem["type"], problem["status"]) == (code, f"urn:acrmirror:{code}", status)
    assert problem["asked"]
    assert problem["remedy"]
    assert rows()[code].fits(problem["detail"]), problem["detail"]


def test_a_container_that_is_missing_is_named(trouble: Trouble) -> None:
    trouble.blobs.refuses = lambda method, path: Answer(404, [("x-ms-error-code", "ContainerNotFound")])
    got = trouble.call("GET", "images")
    assert (got.status, got.json["code"]) == (503, "unavailable")
    assert f"storage has no container {CONTAINER}" in got.json["detail"]


def test_a_defect_is_answered_by_the_platform(trouble: Trouble) -> None:
    """A record that nobody can have written this way."""
    job = Copy.of_pull(Reference(trouble.repository, "1"), "defect")
    trouble.mirror.records.add(job)
    trouble.mirror.records.change(job.id, {"attempt": -1})
    got = trouble.call("GET", f"pulls/{job.id}")
    assert {got.status} == rows()["unexpected"].statuses
    assert b"Traceback" not in got.raw
