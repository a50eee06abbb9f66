"""What storage answers is read up to a bound, and so is what one answer of ours is made from: each case is weighed."""

import json
import uuid
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.mirror import MirrorStore
from acrmirror.moments import Moment
from acrmirror.oci import MAX_MANIFEST_SIZE, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest
from standins.foundation import Account, Foundation
from testkit.stack import CONTAINER
from tests.integration.hostile import MIB, ROOM, Asked, Weighed, bomb, hostile, weigh

AT = Moment("2026-04-25T21:39:47.000000000Z")
MODULE = "tests.integration.mirror_probe"
READS = ("tag", "manifest", "config", "blocks", "tags", "repositories", "history", "link", "records", "record", "queue")


def ask(foundation: Foundation, host: str, *do: str) -> dict[str, Weighed]:
    return weigh(MODULE, {"endpoint": f"https://{host}", "ca": str(foundation.certificates.ca), "do": do})


@pytest.mark.parametrize("manner", ["pour", "pour_chunks", "gzip"])
def test_an_answer_of_storage_has_a_bound(foundation: Foundation, manner: str) -> None:
    packed = bomb()

    def answer(asked: Asked) -> None:
        if manner == "gzip":
            asked.say(packed, 200, Content_Encoding="gzip", Content_Type="application/xml")
        else:
            getattr(asked, manner)(b'<?xml version="1.0"?><a>', b"<b/>")

    with hostile(foundation.certificates.server, answer) as server:
        for do, found in ask(foundation, server.host, *READS).items():
            assert found.code in ("too-large", "malformed", "unavailable"), (do, found)
            assert found.grew < ROOM, (do, found)


def test_of_an_error_of_storage_the_status_is_enough(foundation: Foundation) -> None:
    def answer(asked: Asked) -> None:
        if asked.command == "HEAD":
            asked.say(b"", 403)
        else:
            asked.pour_chunks(b'<?xml version="1.0"?><Error>', b"<b/>", status=403)

    with hostile(foundation.certificates.server, answer) as server:
        for do, found in ask(foundation, server.host, *READS, "has").items():
            assert found.code == "denied", (do, found)
            assert "403" in found.text
            assert found.grew < ROOM, (do, found)


# --- many manifests for one answer


def padded(store: MirrorStore, size: int) -> Descriptor:
    """A manifest of so many bytes in the mirror, unlike any other."""
    config = {"mediaType": "application/vnd.test", "digest": str(Digest.of(b"{}")), "size": 2}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    name = uuid.uuid4().hex
    spare = size - len(json.dumps({**body, "annotations": {"n": name}}))
    return put(store, {**body, "annotations": {"n": name + "x" * spare}}, OCI_MANIFEST).descriptor()


def put(store: MirrorStore, body: dict[str, Any], media_type: str) -> Manifest:
    raw = json.dumps(body).encode()
    manifest = parse_manifest(raw, media_type, Digest.of(raw))
    store.manifests.write("team/app", manifest)
    return manifest


def tagged(store: MirrorStore, sizes: list[int]) -> None:
    """An index of manifests of these sizes, as team/app:v1."""
    children = [padded(store, size) for size in sizes]
    entries = [{"mediaType": it.media_type, "digest": str(it.digest), "size": it.size} for it in children]
    root = put(store, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, OCI_INDEX)
    store.tags.set("team/app", "v1", root.descriptor(), AT, None)


def weighed(account: Account, *do: str) -> dict[str, Weighed]:
    identity = account.identity
    arguments = {
        "endpoint": account.blob_endpoint,
        "ca": str(account.ca),
        "do": do,
        "identity": [identity.endpoint, identity.header, identity.client_id],
    }
    return weigh(MODULE, arguments)


def test_manifests_for_one_answer_are_bounded_in_bytes_together(account: Account, store: MirrorStore) -> None:
    tagged(store, [MAX_MANIFEST_SIZE] * 40)
    for found in weighed(account, "image", "content").values():
        assert found.code == "too-large", found
        assert "8388608 bytes together" in found.text
        assert found.grew < ROOM, found


def test_one_manifest_of_the_largest_size_is_shown(account: Account, store: MirrorStore) -> None:
    tagged(store, [MAX_MANIFEST_SIZE, 1000, 1000])
    found = weighed(account, "image")["image"]
    assert found.code == "", found
    assert found.grew < ROOM, found


def test_in_whose_place_something_huge_is_that_is_damaged(account: Account, store: MirrorStore) -> None:
    tagged(store, [1000])
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container:
        for name in [it for it in container.list_blob_names() if it.endswith(("/current/link", "/data"))]:
            container.get_blob_client(name).upload_blob(bytes(60 * MIB), overwrite=True, max_concurrency=4)
    found = weighed(account, "image")["image"]
    assert "damaged" in found.text, found
    assert found.grew < ROOM, found
