"""The index behind a referrers tag: the same for everyone, complete, and never over 4 MiB."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrmirror.errors import TooLarge
from acrmirror.oci import (
    MAX_MANIFEST_SIZE,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    merge_referrers,
    parse_manifest,
    referrers_index,
)
from acrmirror.reference import Digest


def referrer(content: bytes, artifact_type: str | None = "application/vnd.sig", **annotations: str) -> Descriptor:
    return Descriptor(OCI_MANIFEST, Digest.of(content), 100, artifact_type, annotations)


referrers = st.builds(
    lambda number, artifact_type, notes: Descriptor(
        OCI_MANIFEST, Digest.of(b"%d" % number), number, artifact_type, notes
    ),
    st.integers(0, 20),
    st.sampled_from([None, "a/b", "c/d"]),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@given(st.lists(referrers), st.randoms())
def test_the_bytes_do_not_depend_on_order_or_repeats(entries: list[Descriptor], order: random.Random) -> None:
    shuffled = [*entries, *entries]
    order.shuffle(shuffled)
    assert referrers_index(shuffled) == referrers_index(entries)


@given(st.lists(referrers), st.lists(referrers), st.lists(referrers))
def test_merging_is_a_union_in_any_order_that_never_shrinks(
    a: list[Descriptor], b: list[Descriptor], c: list[Descriptor]
) -> None:
    one, other = merge_referrers(merge_referrers(a, b), c), merge_referrers(c, merge_referrers(b, a))
    assert one == other
    digests = [str(entry.digest) for entry in one]
    assert digests == sorted(set(digests))
    assert set(digests) == {str(entry.digest) for entry in (*a, *b, *c)}


@given(st.lists(referrers))
def test_the_index_reads_back_as_it_was_written(entries: list[Descriptor]) -> None:
    manifest = parse_manifest(referrers_index(entries), OCI_INDEX)
    assert manifest.manifests == merge_referrers(entries)
    assert manifest.subject is None


def test_only_what_a_list_of_referrers_shows_is_written() -> None:
    entry = Descriptor(OCI_MANIFEST, Digest.of(b"x"), 1, "a/b", {"k": "é"}, Platform("linux", "arm64"), ("u",), b"x")
    document = json.loads(referrers_index([entry]))
    assert document == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                "mediaType": OCI_MANIFEST,
                "digest": str(entry.digest),
                "size": 1,
                "artifactType": "a/b",
                "annotations": {"k": "é"},
            }
        ],
    }


def test_an_empty_list_is_an_index_without_entries() -> None:
    assert json.loads(referrers_index([]))["manifests"] == []


def test_the_entry_that_says_more_wins() -> None:
    poor, rich = referrer(b"x", None), referrer(b"x", "a/b", k="v")
    assert merge_referrers([poor], [rich]) == merge_referrers([rich], [poor]) == (rich,)


def test_over_4_mib_the_oldest_lose_their_annotations_first() -> None:
    created = "org.opencontainers.image.created"
    # Plain text would sort these two the other way round.
    oldest = referrer(b"oldest", None, **{created: "2024-01-01T00:00:00Z", "pad": "x" * 1_500_000})
    newest = referrer(b"newest", None, **{created: "2024-01-01T00:00:00.2Z", "pad": "x" * 1_500_000})
    unknown = referrer(b"unknown", None, pad="é" * 750_000)
    written = referrers_index([oldest, newest, unknown])
    assert len(written) <= MAX_MANIFEST_SIZE
    kept = {entry.digest: bool(entry.annotations) for entry in parse_manifest(written, OCI_INDEX).manifests}
    assert kept == {oldest.digest: True, newest.digest: True, unknown.digest: False}
    more = referrer(b"more", None, **{created: "2025-01-01T00:00:00Z", "pad": "x" * 1_500_000})
    kept = {
        entry.digest: bool(entry.annotations)
        for entry in parse_manifest(referrers_index([oldest, newest, unknown, more]), OCI_INDEX).manifests
    }
    assert kept == {oldest.digest: False, newest.digest: True, unknown.digest: False, more.digest: True}


def test_exactly_4_mib_keeps_every_annotation() -> None:
    room = MAX_MANIFEST_SIZE - len(referrers_index([referrer(b"x", None, pad="")]))
    full = referrers_index([referrer(b"x", None, pad="y" * room)])
    assert len(full) == MAX_MANIFEST_SIZE
    assert parse_manifest(full, OCI_INDEX).manifests[0].annotations
    over = referrers_index([referrer(b"x", None, pad="y" * (room + 1))])
    assert not parse_manifest(over, OCI_INDEX).manifests[0].annotations


def test_more_entries_than_fit_are_refused() -> None:
    entries = [referrer(b"%d" % number, "application/" + "x" * 200) for number in range(12_000)]
    with pytest.raises(TooLarge, match="12000 referrers"):
        referrers_index(entries)
