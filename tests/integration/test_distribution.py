"""The distribution pull API over a mirror in storage, asked in the test's own process."""

import json
import ssl
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.mirror import MirrorStore
from acrmirror.oci import OCI_INDEX
from acrmirror.patterns import Patterns
from acrmirror.reference import Digest
from acrmirror.serve.access import Access
from standins.foundation import Account, Foundation
from testkit.images import SHAPES, Image, cosign, oci_image, sbom, signature, together
from testkit.stack import CONTAINER
from tests.integration.filled_mirror import AT, fill, set_tag
from tests.integration.pull_client import REGISTRY, Client, following
from tests.integration.storage_proxy import StorageProxy
from tests.integration.written_mirror import V2, current, data, link

ABSENT = Digest.of(b"nowhere")


@pytest.fixture
def ask(store: MirrorStore) -> Client:
    return Client(store)


@pytest.fixture
def image(store: MirrorStore) -> Image:
    return fill(store, "team/app", oci_image("served", tag="v1"))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_of_every_shape_is_given_back_as_it_is(store: MirrorStore, ask: Client, shape: str) -> None:
    image = fill(store, "team/app", SHAPES[shape]())
    for stored in image.manifests:
        for reference in (str(stored.descriptor.digest), stored.tag):
            if reference is None:
                continue
            got, head = ask(f"team/app/manifests/{reference}"), ask(f"team/app/manifests/{reference}", "HEAD")
            assert (got.status, got.body) == (200, stored.raw)
            assert got.headers["Content-Type"] == stored.descriptor.media_type
            assert got.headers["Docker-Content-Digest"] == str(stored.descriptor.digest)
            assert got.headers["Content-Length"] == str(len(stored.raw))
            assert (head.status, head.body, head.headers) == (200, b"", got.headers)
    for blob in image.blobs:
        path = f"team/app/blobs/{blob.descriptor.digest}"
        got, head = ask(path), ask(path, "HEAD")
        assert (got.status, got.body, got.headers["Content-Length"]) == (307, b"", "0")
        assert head.status == 200
        assert head.headers["Content-Length"] == str(blob.descriptor.size)
        assert head.headers["Docker-Content-Digest"] == str(blob.descriptor.digest)


def test_a_link_to_a_layer_is_good_for_that_one_and_for_reading(account: Account, ask: Client, image: Image) -> None:
    context = ssl.create_default_context(cafile=str(account.ca))
    one, other = image.blobs[:2]
    url = ask(f"team/app/blobs/{one.descriptor.digest}").headers["Location"]
    with urlopen(url, context=context) as answer:
        assert answer.read() == one.content.read()
        assert answer.headers["Content-Encoding"] is None
    elsewhere = urlsplit(url)._replace(path=f"{urlsplit(url).path.partition(V2)[0]}{data(other.descriptor.digest)}")
    for refused in (Request(elsewhere.geturl()), Request(url, b"", {"x-ms-blob-type": "BlockBlob"}, method="PUT")):
        with pytest.raises(HTTPError, match="403"):
            urlopen(refused, context=context)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("team/app/manifests/nope", (404, "MANIFEST_UNKNOWN")),
        (f"team/app/manifests/{ABSENT}", (404, "MANIFEST_UNKNOWN")),
        ("team/app/manifests/.no-tag", (404, "MANIFEST_UNKNOWN")),
        ("team/app/manifests/sha256:abc", (404, "MANIFEST_UNKNOWN")),
        ("team/none/manifests/v1", (404, "MANIFEST_UNKNOWN")),
        (f"team/app/blobs/{ABSENT}", (404, "BLOB_UNKNOWN")),
        ("team/app/blobs/latest", (404, "BLOB_UNKNOWN")),
        ("team/none/tags/list", (404, "NAME_UNKNOWN")),
        (f"team/none/referrers/{ABSENT}", (404, "NAME_UNKNOWN")),
        ("team/app/referrers/v1", (400, "DIGEST_INVALID")),
        ("Team/App/tags/list", (404, "NAME_INVALID")),
        ("team//app/manifests/v1", (404, "NAME_INVALID")),
        ("team%252Fapp/manifests/v1", (404, "NAME_INVALID")),
        ("team/app", (404, "UNSUPPORTED")),
        ("manifests/v1", (404, "UNSUPPORTED")),
        ("_catalog/x", (404, "UNSUPPORTED")),
    ],
)
def test_what_is_not_there_is_a_miss_that_says_so(
    ask: Client, image: Image, path: str, answer: tuple[int, str]
) -> None:
    assert image.tag == "v1"
    assert ask.code(path) == answer
    head = ask(path, "HEAD")
    assert (head.status, head.body) == (answer[0], b"")


def test_paths_are_taken_as_clients_send_them(ask: Client, image: Image) -> None:
    paths = ("team%2Fapp/manifests/v1", "team/app/manifests/v1/", "demo.azurecr.io/team/app/manifests/v1")
    for path in paths:
        assert ask(path, ns=REGISTRY).body == image.manifest(image.root.digest).raw
    assert ask("").status == ask("/").status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_it_takes_nothing(ask: Client, image: Image, method: str) -> None:
    for path in (
        "team/app/manifests/v1",
        "team/app/blobs/uploads/",
        f"team/app/blobs/{image.blobs[0].descriptor.digest}",
    ):
        assert ask.code(path, method) == (405, "UNSUPPORTED")
        assert ask(path, method).headers["Allow"] == "GET, HEAD"


def test_tags_come_in_their_order_page_by_page(store: MirrorStore, ask: Client, image: Image) -> None:
    tags = ["1", "V1", "a", "v1", "v1-x", "v1.0", "v10"]
    for tag in tags:
        set_tag(store, "team/app", tag, image.root, AT)
    assert ask.json("team/app/tags/list") == {"name": "team/app", "tags": tags}
    found: list[str] = []
    query = {"n": "3"}
    while query:
        reply = ask("team/app/tags/list", **query)
        page = json.loads(reply.body)["tags"]
        assert len(page) <= 3
        found += page
        query = following(reply, "/v2/team/app/tags/list")
    assert found == tags
    assert ask.json("team/app/tags/list", last="v1") == {"name": "team/app", "tags": ["v1-x", "v1.0", "v10"]}
    assert ask.json("team/app/tags/list", n="2,3")["tags"] == tags[:2], "the first of two counts"
    empty = ask("team/app/tags/list", n="0")
    assert json.loads(empty.body)["tags"] == []
    assert "Link" not in empty.headers
    for wrong in ("x", "-1", "٣"):
        assert ask.code("team/app/tags/list", n=wrong) == (400, "PAGINATION_NUMBER_INVALID")


def test_the_catalogue_is_in_order_and_goes_on(store: MirrorStore, ask: Client) -> None:
    names = ["a", "a-b", "a.b", "a/b", "z"]
    for name in names:
        fill(store, name, oci_image("same", tag="v1"))
    assert ask.json("_catalog") == {"repositories": names}
    reply = ask("_catalog", n="4")
    assert json.loads(reply.body) == {"repositories": names[:4]}
    assert following(reply, "/v2/_catalog") == {"n": "4", "last": "a%2Fb"}
    assert ask.json("_catalog", n="4", last="a/b") == {"repositories": ["z"]}


def test_referrers_come_by_type_and_their_tags_are_hidden(store: MirrorStore, ask: Client, image: Image) -> None:
    signed, listed = signature("served", image.root), sbom("served", image.root)
    fill(store, "team/app", together(signed, listed, cosign("served", image.root)))
    subject = image.root.digest
    path = f"team/app/referrers/{subject}"
    reply = ask(path)
    assert reply.headers["Content-Type"] == OCI_INDEX
    index = json.loads(reply.body)
    assert {it["digest"] for it in index["manifests"]} == {str(signed.root.digest), str(listed.root.digest)}
    assert "OCI-Filters-Applied" not in reply.headers
    wanted = next(it["artifactType"] for it in index["manifests"] if it["digest"] == str(signed.root.digest))
    filtered = ask(path, artifactType=wanted)
    assert [it["digest"] for it in json.loads(filtered.body)["manifests"]] == [str(signed.root.digest)]
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    assert json.loads(ask(path, artifactType="application/nothing").body)["manifests"] == []
    assert json.loads(ask(f"team/app/referrers/{ABSENT}").body)["manifests"] == [], "of a repository that is there"
    assert ask.json("team/app/tags/list")["tags"] == [f"sha256-{subject.encoded}.sig", "v1"]


def test_a_blob_is_served_by_its_repository_s_own_link_alone(ask: Client, image: Image) -> None:
    digest = image.blobs[0].descriptor.digest
    for method in ("GET", "HEAD"):
        assert ask(f"team/app/blobs/{digest}", method).status in (200, 307)
        assert ask(f"other/app/blobs/{digest}", method).status == 404


def test_damaged_content_is_a_miss(ask: Client, image: Image, container: ContainerClient) -> None:
    """A client that has it from elsewhere, too, looks there after a 404 alone."""
    raw = image.manifest(image.root.digest).raw
    container.upload_blob(data(image.root.digest), raw.replace(b"{", b"[", 1), overwrite=True)
    assert ask.code("team/app/manifests/v1") == (404, "MANIFEST_UNKNOWN")
    container.delete_blob(data(image.root.digest))
    assert ask.code("team/app/manifests/v1") == (404, "MANIFEST_UNKNOWN")
    container.upload_blob(data(image.root.digest), raw)
    assert ask("team/app/manifests/v1").status == 200
    container.upload_blob(current("team/app", "v1"), b"no digest", overwrite=True)
    assert ask.code("team/app/manifests/v1") == (404, "MANIFEST_UNKNOWN")


def test_links_of_earlier_versions_that_tell_no_size_are_served(
    ask: Client, image: Image, container: ContainerClient
) -> None:
    blob = image.blobs[0].descriptor
    container.upload_blob(link("team/app", "_layers", blob.digest), str(blob.digest), overwrite=True)
    assert ask(f"team/app/blobs/{blob.digest}", "HEAD").headers["Content-Length"] == str(blob.size)
    other = image.blobs[1].descriptor
    container.upload_blob(link("team/app", "_layers", other.digest), str(other.digest), overwrite=True)
    container.delete_blob(data(other.digest))
    assert ask(f"team/app/blobs/{other.digest}", "HEAD").status == 404


def test_who_may_see_a_part_sees_nothing_else(store: MirrorStore, image: Image) -> None:
    fill(store, "secret/app", together(image, signature("served", image.root)))
    ask = Client(store, Access(Patterns.parse(["team/*", "!team/no*"], REGISTRY)))
    fill(store, "team/not", image)
    assert ask.json("_catalog") == {"repositories": ["team/app"]}
    assert ask("team/app/manifests/v1").status == 200
    everything = Client(store)
    for hidden in ("secret/app", "team/not"):
        for path in (
            "manifests/v1",
            f"manifests/{image.root.digest}",
            f"blobs/{image.blobs[0].descriptor.digest}",
            "tags/list",
            f"referrers/{image.root.digest}",
        ):
            assert everything(f"{hidden}/{path}").status in (200, 307)
            refused = ask(f"{hidden}/{path}")
            missed = everything(f"none/app/{path}")
            assert (refused.status, refused.body.replace(hidden.encode(), b"none/app")) == (404, missed.body)


@pytest.fixture
def counted(account: Account, foundation: Foundation, store: MirrorStore) -> Iterator[tuple[Client, StorageProxy]]:
    """A client whose calls to storage are counted."""
    del store
    with StorageProxy(account.ca, foundation.certificates.server) as proxy:
        proxy.upstream = account.blob_endpoint
        credential = account.identity.credential()
        with MirrorStore.open(proxy.endpoint, CONTAINER, credential, trust_bundle=account.ca) as opened:
            yield Client(opened), proxy


def test_what_does_not_change_is_asked_for_once(counted: tuple[Client, StorageProxy], image: Image) -> None:
    ask, proxy = counted

    def calls(path: str, method: str = "GET") -> int:
        before = len(proxy.asked)
        assert ask(path, method).status in (200, 307)
        return len(proxy.asked) - before

    digest, (first, second) = image.root.digest, (it.descriptor.digest for it in image.blobs[:2])
    assert calls("team/app/manifests/v1") == 3
    assert calls("team/app/manifests/v1") == 1
    assert calls("team/app/manifests/v1", "HEAD") == 1
    assert calls(f"team/app/manifests/{digest}") == calls(f"team/app/manifests/{digest}", "HEAD") == 0
    assert calls(f"team/app/blobs/{first}") == 2, "one of these is the key for links, for hours"
    assert calls(f"team/app/blobs/{first}") == calls(f"team/app/blobs/{first}", "HEAD") == 0
    assert calls(f"team/app/blobs/{second}", "HEAD") == 1
    assert calls(f"team/app/blobs/{second}") == 0


def test_storage_that_is_away_is_told_in_the_specification_s_form(account: Account, image: Image) -> None:
    del image
    credential = account.identity.credential()
    with MirrorStore.open(account.blob_endpoint, "nothing", credential, trust_bundle=account.ca) as elsewhere:
        reply = Client(elsewhere)("team/app/manifests/v1")
    assert reply.status == 503
    assert json.loads(reply.body)["errors"][0]["code"] == "UNAVAILABLE"
    assert int(reply.headers["Retry-After"]) > 0
