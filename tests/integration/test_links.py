"""Links into storage: each reads one blob, for a while, and does nothing else."""

import ssl
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.mirror import Layout, MirrorStore, signed_urls
from acrmirror.mirror.signed_urls import SignedUrls
from acrmirror.reference import Digest
from acrmirror.storage import SignedUrl
from standins.foundation import Account
from standins.process import wait_for
from testkit.stack import CONTAINER

LAYOUT = Layout()

ONE, OTHER = Digest.of(b"one"), Digest.of(b"other")


@pytest.fixture
def made(store: MirrorStore, container: ContainerClient) -> SignedUrls:
    """With two blobs in the mirror."""
    container.upload_blob(LAYOUT.blob_data(ONE), b"one")
    container.upload_blob(LAYOUT.blob_data(OTHER), b"other")
    return store.signed_urls


def ask(account: Account, url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=str(account.ca))
    request = Request(url, body, {"x-ms-blob-type": "BlockBlob"} if method == "PUT" else {}, method=method)
    try:
        with urlopen(request, context=context, timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def signed(link: SignedUrl) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link.url).query).items()}


def test_a_link_says_what_it_is_for(made: SignedUrls) -> None:
    link = made.blob(ONE)
    said = signed(link)
    assert (said["sr"], said["sp"], said["spr"]) == ("b", "r", "https")
    ends = datetime.fromisoformat(said["se"].replace("Z", "+00:00"))
    assert abs(ends - link.expires) < timedelta(seconds=1)
    assert ends <= datetime.now(UTC) + signed_urls.LIFETIME <= datetime.now(UTC) + timedelta(minutes=21)
    assert "skoid" in said, "signed by the app's identity, and not by a key of the account"


def test_it_reads_its_blob_and_no_other(made: SignedUrls, account: Account) -> None:
    url = made.blob(ONE).url
    assert ask(account, url) == (200, b"one")
    assert ask(account, url, "HEAD")[0] == 200
    path, _, query = url.partition("?")
    assert ask(account, f"{path.replace(ONE.encoded, OTHER.encoded)}?{query}")[0] == 403
    below = f"{account.blob_endpoint}/{CONTAINER}/{LAYOUT.blob_data(OTHER)}"
    assert ask(account, f"{below}?{query}")[0] == 403
    assert ask(account, f"{account.blob_endpoint}/{CONTAINER}?restype=container&comp=list&{query}")[0] == 403


def test_it_writes_nothing(made: SignedUrls, account: Account) -> None:
    url = made.blob(ONE).url
    assert ask(account, url, "PUT", b"changed")[0] == 403
    assert ask(account, f"{url}&comp=block&blockid=AAAA", "PUT", b"changed")[0] == 403
    assert ask(account, f"{url}&comp=metadata", "PUT")[0] == 403
    assert ask(account, url, "DELETE")[0] == 403
    assert ask(account, url) == (200, b"one")


@pytest.mark.parametrize("part", ["se", "sp", "spr", "st"])
def test_what_it_says_cannot_be_changed(made: SignedUrls, account: Account, part: str) -> None:
    url = made.blob(ONE).url
    wanted = {"se": "2099-01-01T00%3A00%3A00Z", "sp": "rw", "spr": "https%2Chttp", "st": "2020-01-01T00%3A00%3A00Z"}
    query = url.partition("?")[2]
    changed = "&".join(f"{part}={wanted[part]}" if it.startswith(f"{part}=") else it for it in query.split("&"))
    assert changed != query
    assert ask(account, url.replace(query, changed))[0] == 403


def test_it_ends(made: SignedUrls, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (2, 8, 32):  # on a machine that is busy the first may be over before it is asked
        monkeypatch.setattr(signed_urls, "LIFETIME", timedelta(seconds=seconds))
        link = made.blob(ONE)
        if ask(account, link.url) == (200, b"one"):
            break
    else:
        pytest.fail("no link was ever good")
    assert wait_for(lambda: ask(account, link.url)[0] == 403, 60)
    assert datetime.now(UTC) > link.expires - timedelta(seconds=1)
    assert ask(account, made.blob(ONE).url) == (200, b"one")
