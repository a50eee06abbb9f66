"""Listings of the mirror, page by page, and links to single blobs."""

import json
import ssl
from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.errors import Malformed
from acrmirror.history import Observation
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.mirror.listing import Listing
from acrmirror.moments import Moment
from acrmirror.oci import OCI_MANIFEST, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest, Reference
from standins.foundation import Account
from testkit.stack import CONTAINER

LAYOUT = Layout()

AT = Moment("2026-04-25T21:39:47.276585742Z")
LATER = Moment("2026-04-26T21:39:47.000000000Z")
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}


@pytest.fixture
def listing(store: MirrorStore) -> Listing:
    return store.listing


def manifest(name: str, subject: Digest | None = None) -> Manifest:
    body: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": EMPTY,
        "layers": [],
        "annotations": {"name": name},
    }
    if subject is not None:
        body["subject"] = {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 7}
    raw = json.dumps(body).encode()
    return parse_manifest(raw, OCI_MANIFEST, Digest.of(raw))


def put(store: MirrorStore, repository: str, name: str, *tags: str, at: Moment = AT) -> Descriptor:
    made = manifest(name)
    store.manifests.write(repository, made)
    for tag in tags:
        store.tags.set(repository, tag, made.descriptor(), at, store.tags.read(repository, tag))
    return made.descriptor()


def all_tags(listing: Listing, repository: str, count: int) -> list[str]:
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = listing.tags(repository, count, cursor)
        assert len(page.tags) <= count
        names += [it.name for it in page.tags]
        cursor = page.cursor
        if cursor is None:
            return names


def test_repositories_are_found_at_any_depth_and_gone_on_from_any(store: MirrorStore, listing: Listing) -> None:
    assert list(listing.repositories()) == []
    ordered = ["a", "a-b", "a-b/c", "a.b", "a/b", "a/b/c", "a/c", "a0", "base/os", "z"]
    for name in reversed(ordered):
        put(store, name, name, "latest")
    assert list(listing.repositories()) == ordered
    for number, name in enumerate(ordered):
        assert list(listing.repositories(after=name)) == ordered[number + 1 :]
    assert list(listing.repositories(after="a/zz")) == ["a0", "base/os", "z"]
    assert list(listing.repositories(after="a-")) == ordered[1:]
    asked: list[str] = []

    def enters(name: str) -> bool:
        asked.append(name)
        return "a/b/".startswith(f"{name}/") or name.startswith("a/b")

    assert list(listing.repositories(enters=enters)) == ["a", "a/b", "a/b/c"]
    assert "a-b/c" not in asked, "what is not entered is not listed"
    assert listing.has_repository("a/b")
    assert not listing.has_repository("base")


def test_a_path_with_an_empty_part_is_no_repository_and_hides_none(
    store: MirrorStore, listing: Listing, container: ContainerClient
) -> None:
    put(store, "team/app", "one", "v1")
    for path in ("/stray/_manifests/link", "team//_manifests/link"):
        container.upload_blob(f"{LAYOUT.repository('')}/{path}", b"written by something else")
    assert list(listing.repositories()) == ["team/app"]


def test_a_prefix_is_not_part_of_names(account: Account, store: MirrorStore) -> None:
    with MirrorStore.open(
        account.blob_endpoint, CONTAINER, account.identity.credential(), prefix="one/x", trust_bundle=account.ca
    ) as prefixed:
        put(prefixed, "team/app", "prefixed", "v1")
        put(store, "elsewhere", "other", "v1")
        listing = prefixed.listing
        assert list(listing.repositories()) == ["team/app"]
        assert [it.name for it in listing.tags("team/app", 10).tags] == ["v1"]


def test_tags_come_with_what_their_links_say(store: MirrorStore, listing: Listing) -> None:
    one = put(store, "team/app", "one", "v1", "v2")
    two = put(store, "team/app", "two", "v2", at=LATER)
    page = listing.tags("team/app", 100)
    assert page.cursor is None
    assert [(it.name, it.digest, it.size, it.time) for it in page.tags] == [
        ("v1", one.digest, one.size, AT),
        ("v2", two.digest, two.size, LATER),
    ]


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_every_tag_is_on_one_page(store: MirrorStore, listing: Listing, count: int) -> None:
    names = [*(f"v{number}" for number in range(7)), "w-x", "w"]
    for name in ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th"):
        put(store, "team/app", name, *names)
    assert all_tags(listing, "team/app", count) == names


def test_a_cursor_that_no_page_gave_is_refused(listing: Listing) -> None:
    with pytest.raises(Malformed):
        listing.tags("team/app", 10, "né")
    with pytest.raises(Malformed):
        listing.tags("team/app", 10, "AAAA")


def test_the_mirrors_own_referrers_tags_are_hidden(store: MirrorStore, listing: Listing) -> None:
    subject = put(store, "team/app", "subject", "v1")
    signature = manifest("signature", subject.digest)
    store.manifests.write("team/app", signature)
    store.referrers.add("team/app", subject.digest, [signature.descriptor()], AT)
    assert all_tags(listing, "team/app", 10) == ["v1"]
    tag = subject.digest.referrers_tag
    store.history.observe(Reference("team/app", tag), Observation(AT, signature.digest, "event", "event"))
    assert all_tags(listing, "team/app", 10) == [tag, "v1"]


def get(url: str, ca: str, method: str = "GET", span: str | None = None) -> tuple[int, bytes]:
    request = Request(url, method=method, headers={"Range": span} if span else {})
    if method == "PUT":
        request.data = b"x"
        request.add_header("x-ms-blob-type", "BlockBlob")
    try:
        with urlopen(request, context=ssl.create_default_context(cafile=ca)) as response:
            return response.status, response.read()
    except HTTPError as error:
        return error.code, error.read()


def test_a_link_reads_one_blob_and_nothing_else(account: Account, store: MirrorStore) -> None:
    one, two = manifest("one"), manifest("two")
    for made in (one, two):
        store.manifests.write("team/app", made)
    link = store.signed_urls.blob(one.digest)
    ca = str(account.ca)
    assert get(link.url, ca) == (200, one.raw)
    assert get(link.url, ca, span="bytes=1-3") == (206, one.raw[1:4])
    assert get(link.url, ca, method="PUT")[0] == 403
    other = link.url.replace(LAYOUT.blob_data(one.digest), LAYOUT.blob_data(two.digest))
    assert other != link.url
    assert get(other, ca)[0] == 403
    query = parse_qs(urlsplit(link.url).query)
    assert (query["spr"], query["sp"], query["sr"]) == (["https"], ["r"], ["b"])
    assert 0 < (link.expires - datetime.now(UTC)).total_seconds() <= 1200
