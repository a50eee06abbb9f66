"""A repository with thousands of tags, each moved a few times: what a page of them costs."""

import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPSConnection
from urllib.parse import parse_qs, urlsplit

import pytest

from acrmirror.mirror import Layout, MirrorStore
from acrmirror.moments import Moment
from acrmirror.oci import EMPTY_JSON, OCI_EMPTY, OCI_MANIFEST, Manifest, parse_manifest
from acrmirror.reference import Digest
from standins.foundation import STORAGE_AUDIENCE
from testkit.stack import CONTAINER
from tests.integration.storage_proxy import StorageProxy
from tests.scale.conftest import Watched, WatchedMaker

LAYOUT = Layout()

TAGS, MOVES = 5000, 3
REPOSITORY = "team/many"
AT = Moment("2026-04-25T21:39:47.276585742Z")
PAGE = 100
TRIES = 5
WRITERS = 3

pytestmark = pytest.mark.scale


def manifest(number: int) -> Manifest:
    config = {"mediaType": OCI_EMPTY, "digest": str(Digest.of(EMPTY_JSON)), "size": len(EMPTY_JSON)}
    notes = {"version": str(number)}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], "annotations": notes}
    raw = json.dumps(body).encode()
    return parse_manifest(raw, OCI_MANIFEST, Digest.of(raw))


def fill(bed: Watched) -> list[str]:
    """Tags that were pushed and then moved. The store writes the first of them, and the others are written alike: five
    blobs each, which the SDK would take minutes for."""
    names = sorted(f"build-{number:04d}" for number in range(TAGS))
    account = bed.stack.account
    credential = account.identity.credential()
    with MirrorStore.open(account.blob_endpoint, CONTAINER, credential, trust_bundle=account.ca) as store:
        for number in range(1 + MOVES):
            version = manifest(number)
            store.manifests.write(REPOSITORY, version)
            store.tags.set(REPOSITORY, names[0], version.descriptor(), AT, store.tags.read(REPOSITORY, names[0]))
        written = [
            (it.name, found.body or b"", dict(found.head.metadata))
            for it in store.container.list(f"{LAYOUT.tags(REPOSITORY)}/", "list what was written")
            if (found := store.container.get(it.name, 1024, "read what was written")) is not None
        ]
    assert len(written) == 1 + 1 + MOVES
    endpoint = urlsplit(account.blob_endpoint)
    token = credential.get_token(STORAGE_AUDIENCE + "/.default").token
    context = ssl.create_default_context(cafile=str(account.ca))

    def write(some: list[str]) -> None:
        connection = HTTPSConnection(endpoint.hostname or "", endpoint.port, context=context)
        common = {"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob"}
        for name in some:
            for path, body, metadata in written:
                target = f"{endpoint.path}/{CONTAINER}/{path.replace(names[0], name)}"
                headers = common | {f"x-ms-meta-{key}": value for key, value in metadata.items()}
                connection.request("PUT", target, body, headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 201
        connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, [names[1 + start :: WRITERS] for start in range(WRITERS)]))
    return names


def listings(proxy: StorageProxy) -> int:
    """Requests to storage since the last look; all are to be listings."""
    asked, proxy.asked = proxy.asked, []
    assert {tuple(parse_qs(urlsplit(it.target).query).get("comp", [])) for it in asked} == {("list",)}
    return len(asked)


def test_five_thousand_tags_are_listed_page_by_page(watched: WatchedMaker) -> None:
    bed = watched()
    begun = time.monotonic()
    names = fill(bed)
    print(f"filled in {time.monotonic() - begun:.0f} s")
    assert bed.call("GET", "images?n=1").status == 200  # the app is awake
    listings(bed.blobs)

    times = []
    for _ in range(TRIES):
        begun = time.monotonic()
        first = bed.call("GET", f"images/{REPOSITORY}")
        times.append(time.monotonic() - begun)
    asked = listings(bed.blobs)
    print(f"the first page of {PAGE}: {min(times):.3f} to {max(times):.3f} s, {asked} requests to storage for {TRIES}")
    assert [it["tag"] for it in first.json["tags"]] == names[:PAGE]
    assert {it["digest"] for it in first.json["tags"]} == {str(manifest(MOVES).digest)}
    # The slower ones say something of the machine.
    assert min(times) < 3
    # One tells that the path is a repository's, and one has the tags.
    assert asked <= 2 * TRIES

    found, pages, path = [], 0, f"images/{REPOSITORY}?n=1000"
    while path:
        page = bed.call("GET", path)
        found += [it["tag"] for it in page.json["tags"]]
        pages += 1
        path = page.headers["Link"].split(">")[0].removeprefix("</api/v1/") if "Link" in page.headers else ""
    assert found == names
    asked = listings(bed.blobs)
    print(f"all of them: {pages} pages, {asked} requests")
    assert pages <= TAGS / 1000 + 1
    assert asked <= 2 * pages
