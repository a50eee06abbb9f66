"""A page of the referrers API with an entry that can't be read: the others are read, and that one is told."""

import json
from collections.abc import Iterator

import pytest

from acrmirror.errors import Malformed
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST
from acrmirror.reference import Digest
from acrmirror.registry import Registry
from tests.integration.hostile import Asked, hostile
from tests.integration.registry.conftest import Bed

SUBJECT = Digest.of(b"subject")


def entry(number: int, **more: object) -> dict[str, object]:
    """`None` takes a field away."""
    fields = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(bytes([number]))), "size": 1, **more}
    return {name: value for name, value in fields.items() if value is not None}


GOOD = [entry(1), entry(2, artifactType="application/vnd.sbom"), entry(3)]
ODD = {
    "no digest": entry(9, digest=None),
    "an unknown algorithm": entry(9, digest="md5:d41d8cd98f00b204e9800998ecf8427e"),
    "a digest that is none": entry(9, digest="sha256:short"),
    "no size": entry(9, size=None),
    "a size below 0": entry(9, size=-1),
    "no type": entry(9, mediaType=None),
    "a type of no manifest": entry(9, mediaType="text/plain"),
    "annotations that are a list": entry(9, annotations=[1]),
    "a key in another spelling": entry(9, Digest="x"),
    "a text": "sha256",
    "null": None,
}


def page(*entries: object, **more: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}).encode()


@pytest.fixture
def pages() -> list[bytes]:
    """What the registry answers, page by page; a test fills it."""
    return []


@pytest.fixture
def registry(bed: Bed, pages: list[bytes]) -> Iterator[Registry]:
    def answer(asked: Asked) -> None:
        path, _, query = asked.path.partition("?")
        number = int(query.removeprefix("last=") or 0)
        more = {"Link": f'<{path}?last={number + 1}>; rel="next"'} if number + 1 < len(pages) else {}
        asked.say(pages[number], Content_Type=OCI_INDEX, **more)

    with hostile(bed.foundation.certificates.server, answer) as server:
        with bed.open(anonymous=True, registry=server.host) as opened:
            yield opened


@pytest.mark.parametrize("name", ODD)
def test_one_odd_entry_is_told_and_the_others_of_its_page_are_read(
    registry: Registry, pages: list[bytes], name: str
) -> None:
    pages += [page(GOOD[0], ODD[name], GOOD[1]), page(GOOD[2])]
    told: list[Malformed] = []
    found = [str(it.digest) for it in registry.referrers("odd/a", SUBJECT, told.append)]
    assert found == [it["digest"] for it in GOOD]
    (error,) = told
    assert f"/v2/odd/a/referrers/{SUBJECT}" in error.asked
    assert "manifests[1]" in error.answered


def test_odd_entries_count_as_entries(registry: Registry, pages: list[bytes]) -> None:
    pages += [page(*[ODD["null"]] * 6_000)] * 2
    told: list[Malformed] = []
    with pytest.raises(Malformed, match="more than 10000"):
        list(registry.referrers("odd/many", SUBJECT, told.append))
    assert len(told) == 6_000


def test_whoever_does_not_want_to_be_told_gets_the_error(registry: Registry, pages: list[bytes]) -> None:
    pages += [page(ODD["no digest"])]
    with pytest.raises(Malformed, match="digest is missing"):
        list(registry.referrers("odd/b", SUBJECT))


@pytest.mark.parametrize(
    "body", [b"[]", b"{", page(schemaVersion=1), page(mediaType="text/plain"), page(config={}), page()[:-1]], ids=str
)
def test_a_page_that_is_no_index_is_an_error(registry: Registry, pages: list[bytes], body: bytes) -> None:
    pages += [body]
    told: list[Malformed] = []
    with pytest.raises(Malformed):
        list(registry.referrers("odd/c", SUBJECT, told.append))
    assert told == []
