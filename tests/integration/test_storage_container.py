"""The port to one container: conditional writes are values, and a container that is missing is named by every call."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from azure.storage.blob import BlobServiceClient

from acrmirror.errors import Conflict, StorageMissing, Unavailable
from acrmirror.mirror import MirrorStore
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.storage import PUT_LIMIT, Container, Lost, Written
from standins.foundation import Account, Foundation
from standins.relay import Answer
from testkit.stack import CONTAINER
from tests.integration.storage_proxy import StorageProxy

BLOCK = memoryview(b"block")
ASKED = "do this"


@pytest.fixture
def port(account: Account) -> Iterator[Container]:
    opened = Container.open(account.blob_endpoint, CONTAINER, account.identity.credential(), trust_bundle=account.ca)
    yield opened
    opened.close()


def etag(outcome: Written | Lost) -> str:
    assert isinstance(outcome, Written)
    return outcome.etag


def test_of_two_writers_of_a_new_blob_one_is_first(port: Container) -> None:
    first = etag(port.swap("a", b"1", None, ASKED, {"who": "first"}))
    assert isinstance(port.swap("a", b"2", None, ASKED), Lost)
    found = port.get("a", 10, ASKED)
    assert found is not None
    assert (found.body, found.head.etag, found.head.metadata, found.head.size) == (b"1", first, {"who": "first"}, 1)


def test_a_blob_is_replaced_only_in_the_version_that_was_read(port: Container) -> None:
    first = etag(port.swap("a", b"1", None, ASKED))
    second = etag(port.swap("a", b"1", first, ASKED))
    assert second != first, "also the same bytes make another version"
    assert isinstance(port.swap("a", b"2", first, ASKED), Lost)
    assert isinstance(port.swap("missing", b"2", first, ASKED), Lost)
    assert port.head("missing", ASKED) is None
    third = port.put("a", b"3", ASKED).etag
    head = port.head("a", ASKED)
    assert head is not None
    assert head.etag == third


def test_what_is_staged_is_a_blob_once_it_is_committed(port: Container) -> None:
    port.stage("a", "0001", BLOCK, ASKED)
    assert port.head("a", ASKED) is None
    assert port.staged("a", ASKED) == {"0001": 5}
    assert isinstance(port.commit("a", ["0001", "0002"], None, ASKED), Lost), "a block that nobody staged"
    first = etag(port.commit("a", ["0001"], None, ASKED))
    port.stage("a", "0001", BLOCK, ASKED)
    assert isinstance(port.commit("a", ["0001"], None, ASKED), Lost)
    assert etag(port.commit("a", ["0001"], first, ASKED)) != first
    assert port.staged("a", ASKED) == port.staged("missing", ASKED) == {}


def test_a_blob_is_read_in_the_version_that_was_asked_for(port: Container) -> None:
    data = bytes(range(256)) * 4 * (PUT_LIMIT // 1024)
    first = port.put("a", data, ASKED).etag
    stream = port.stream("a", ASKED)
    assert (b"".join(stream.pieces), stream.head.etag) == (data, first)
    part = port.stream("a", ASKED, offset=3, length=PUT_LIMIT - 4, etag=first)
    assert b"".join(part.pieces) == data[3:-1]
    cut = port.stream("a", ASKED)
    next(cut.pieces)
    port.put("a", data[::-1], ASKED)
    with pytest.raises(Conflict, match="replaced"):
        b"".join(cut.pieces)
    for name in ("a", "missing"):
        with pytest.raises(Conflict, match="replaced"):
            port.stream(name, ASKED, length=10, etag=first)
    with pytest.raises(Unavailable, match="gone"):
        port.stream("missing", ASKED)


def test_of_a_blob_over_the_limit_nothing_is_given(port: Container) -> None:
    port.put("a", b"12345", ASKED)
    found = port.get("a", 4, ASKED)
    assert found is not None
    assert found.body is None
    assert port.get("missing", 4, ASKED) is None


def test_a_listing_has_names_folders_and_pages(port: Container) -> None:
    for name in ("x/a/1", "x/a/2", "x/b/1", "x/c", "y"):
        port.put(name, b"", ASKED, {"of": name.replace("/", "-")})
    assert [it.name for it in port.list("x/", ASKED)] == ["x/a/1", "x/a/2", "x/b/1", "x/c"]
    assert [it.metadata for it in port.list("x/c", ASKED, metadata=True)] == [{"of": "x-c"}]
    assert list(port.folders("x/", ASKED)) == ["a", "b"]
    assert port.holds("x/b", ASKED)
    assert not port.holds("x/d", ASKED)
    page = port.page("x/", 3, None, ASKED)
    assert [it.name for it in page.items] == ["x/a/1", "x/a/2", "x/b/1"]
    last = port.page("x/", 3, page.marker, ASKED)
    assert ([it.name for it in last.items], last.marker) == (["x/c"], None)


CALLS: dict[str, Callable[[Container], object]] = {
    "head": lambda port: port.head("a", ASKED),
    "get": lambda port: port.get("a", 1, ASKED),
    "stream": lambda port: port.stream("a", ASKED),
    "stream of a version": lambda port: port.stream("a", ASKED, length=10, etag='"0x8D"'),
    "put": lambda port: port.put("a", b"", ASKED),
    "swap of what is missing": lambda port: port.swap("a", b"", None, ASKED),
    "swap of a version": lambda port: port.swap("a", b"", '"0x8D"', ASKED),
    "stage": lambda port: port.stage("a", "0001", BLOCK, ASKED),
    "staged": lambda port: port.staged("a", ASKED),
    "commit": lambda port: port.commit("a", ["0001"], None, ASKED),
    "list": lambda port: list(port.list("a", ASKED)),
    "page": lambda port: port.page("a", 10, None, ASKED),
    "folders": lambda port: list(port.folders("a/", ASKED)),
    "holds": lambda port: port.holds("a", ASKED),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_container_that_is_missing_is_named(account: Account, call: Callable[[Container], object]) -> None:
    credential = account.identity.credential()
    port = Container.open(account.blob_endpoint, "nowhere", credential, trust_bundle=account.ca)
    with pytest.raises(Unavailable, match="do this: storage has no container nowhere"):
        call(port)
    port.close()


def test_a_container_that_was_deleted_is_not_taken_for_an_empty_one(account: Account, store: MirrorStore) -> None:
    """Nothing is missing in a mirror that can't be looked at: whoever believed that would copy it all again."""
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as service:
        service.delete_container(CONTAINER)
    for look in (
        lambda: store.blobs.has(Descriptor("application/x", Digest.of(b"x"), 1)),
        lambda: store.manifests.find("team/app", Digest.of(b"x")),
        lambda: store.tags.read("team/app", "v1"),
        lambda: store.blobs.linked("team/app", Digest.of(b"x")),
    ):
        with pytest.raises(Unavailable, match=f"storage has no container {CONTAINER}"):
            look()


def test_a_signed_url_is_good_for_as_long_as_was_asked(port: Container) -> None:
    signed = port.sign("a", timedelta(minutes=3))
    assert "/mirror/a?" in signed.url
    assert "sp=r" in signed.url


def test_a_404_that_may_mean_either_is_a_blob_that_is_missing(account: Account, foundation: Foundation) -> None:
    """`ResourceNotFound` is documented for blobs and for containers: of what is read it is the blob."""
    code = ("x-ms-error-code", "ResourceNotFound")
    said = b"<Error><Code>ResourceNotFound</Code><Message>The specified resource does not exist.</Message></Error>"
    either = Answer(404, [code, ("Content-Type", "application/xml")], said)
    with StorageProxy(account.ca, foundation.certificates.server) as proxy:
        proxy.upstream = account.blob_endpoint
        proxy.refuses = lambda method, path: either
        credential = account.identity.credential()
        with closing(Container.open(proxy.endpoint, CONTAINER, credential, trust_bundle=account.ca)) as port:
            assert port.head("a", ASKED) is None
            assert port.get("a", 10, ASKED) is None
            assert port.staged("a", ASKED) == {}
            with pytest.raises(StorageMissing, match="container mirror"):
                port.put("a", b"1", ASKED)
