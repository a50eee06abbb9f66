"""An audit of thousands of blobs, whose worker is killed twice on the way: all is read, and little of it twice."""

import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPSConnection
from urllib.parse import urlsplit

import pytest

from acrmirror.mirror import Layout
from acrmirror.oci import EMPTY_JSON, OCI_EMPTY, OCI_MANIFEST
from acrmirror.reference import Digest
from acrmirror.work import Audit
from standins.foundation import STORAGE_AUDIENCE, Account, Foundation
from standins.stack import Stack
from testkit.stack import CONTAINER
from tests.integration.auditing import Audited, audited
from tests.integration.crashing import Crashing

LAYOUT = Layout()
LAYERS = 1600
EACH = 20
"""Layers of one image."""
REPOSITORY = "team/small"
WRITERS = 3
TYPE = "application/vnd.oci.image.layer.v1.tar"

pytestmark = pytest.mark.scale


def content() -> dict[str, tuple[bytes, dict[str, str]]]:
    """Every name that the mirror has of images with small layers, with its bytes and metadata."""
    found: dict[str, tuple[bytes, dict[str, str]]] = {}

    def add(body: bytes) -> dict[str, object]:
        digest = Digest.of(body)
        found[LAYOUT.blob_data(digest)] = (body, {})
        found[LAYOUT.layer_link(REPOSITORY, digest)] = (str(digest).encode(), {})
        return {"mediaType": TYPE, "digest": str(digest), "size": len(body)}

    config = add(EMPTY_JSON) | {"mediaType": OCI_EMPTY}
    for image in range(LAYERS // EACH):
        layers = [add(f"layer {image * EACH + number}\n".encode() * 50) for number in range(EACH)]
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
        raw = json.dumps(body).encode()
        digest = Digest.of(raw)
        beside = {"media_type": OCI_MANIFEST, "size": str(len(raw))}
        found[LAYOUT.blob_data(digest)] = (raw, {})
        found[LAYOUT.revision_link(REPOSITORY, digest)] = (str(digest).encode(), beside)
        found[LAYOUT.tag_link(REPOSITORY, f"v{image}")] = (str(digest).encode(), beside | {"digest": str(digest)})
        found[LAYOUT.tag_index_link(REPOSITORY, f"v{image}", digest)] = (str(digest).encode(), {})
    return found


def write(account: Account, names: dict[str, tuple[bytes, dict[str, str]]]) -> None:
    """As the mirror does, without the SDK, which would take minutes."""
    endpoint = urlsplit(account.blob_endpoint)
    token = account.identity.credential().get_token(STORAGE_AUDIENCE + "/.default").token
    context = ssl.create_default_context(cafile=str(account.ca))
    common = {"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob"}
    rest = list(names.items())

    def send(some: list[tuple[str, tuple[bytes, dict[str, str]]]]) -> None:
        connection = HTTPSConnection(endpoint.hostname or "", endpoint.port, context=context)
        for name, (body, metadata) in some:
            headers = common | {f"x-ms-meta-{key}": value for key, value in metadata.items()}
            connection.request("PUT", f"{endpoint.path}/{CONTAINER}/{name}", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(send, [rest[start::WRITERS] for start in range(WRITERS)]))


def kill(mirror: Audited, audit: Audit, *, at: int) -> int:
    """Runs a slice in a process that is killed at that write to storage; how many blobs had been hashed by then, as
    far as that is known."""
    with Crashing(mirror.environment) as crashing:
        assert crashing.call("dispatch.run", audit.to_json(), 1, at=at) is None
    return mirror.app.audits.get(audit.id).progress.counts["blobs"]


def test_thousands_of_blobs_are_read_though_its_worker_is_killed_twice(
    bare_stack: Stack, account: Account, foundation: Foundation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bare_stack.identity.environment().items():
        monkeypatch.setenv(name, value)
    names = content()
    begun = time.monotonic()
    write(account, names)
    print(f"wrote {len(names)} names in {time.monotonic() - begun:.0f} s")
    blobs = {name: body for name, (body, _) in names.items() if name.endswith("/data")}
    flipped = sorted(blobs)[len(blobs) // 2]
    with audited(bare_stack, account, foundation) as mirror:
        mirror.overwrite(flipped, bytes([blobs[flipped][0] ^ 1]) + blobs[flipped][1:])
        asked = mirror.app.audits.ask()
        audit = Audit(asked.id, asked.asked)
        # The first writes are of the audit itself; those behind them tell how far it is, each after hundreds of blobs.
        first = kill(mirror, audit, at=4)
        second = kill(mirror, audit, at=3)
        assert 0 < first < second < len(blobs)
        begun = time.monotonic()
        mirror.run_to_end(audit)
        shown = mirror.app.audits.get(audit.id)
        print(f"{len(blobs) - second} blobs and all links in {time.monotonic() - begun:.0f} s")
    report = shown.report
    assert report is not None
    assert report.counts == {
        "blobs": len(blobs),
        "links": sum("_layers" in it or "/index/" in it for it in names),
        "manifests": LAYERS // EACH,
        "tags": LAYERS // EACH,
        "other": 0,
        "passed": 0,
    }
    assert report.size == sum(len(it) for it in blobs.values())
    assert [it.path for it in report.faults if it.path.endswith("/data")] == [flipped]
    # The registry of this stack never had it.
    assert not report.proven
    assert len(report.broken) == 1
