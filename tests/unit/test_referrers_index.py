"""The index behind a referrers tag: the same for everyone, complete, and never over 4 MiB."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrmirror.errors import TooLarge
from acrmirror.oci import (
    DOCKER_MANIFEST_LIST,
    MAX_MANIFEST_SIZE,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Platform,
    is_referrers_index,
    merge_referrers,
    parse_manifest,
    referrers_index,
)
from acrmirror.reference import Digest, is_referrers_tag


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


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("over", [0, 1])
def test_several_entries_are_measured_with_all_that_is_between_them(count: int, over: int) -> None:
    created = "org.opencontainers.image.created"

    def entries(pad: int) -> list[Descriptor]:
        made = [referrer(b"%d" % n, **{created: f"2024-01-0{n + 1}T00:00:00Z", "pad": "é"}) for n in range(count - 1)]
        return [*made, referrer(b"newest", **{created: "2025-01-01T00:00:00Z", "pad": "x" * pad})]

    room = MAX_MANIFEST_SIZE - len(referrers_index(entries(0)))
    written = referrers_index(entries(room + over))
    assert len(written) == MAX_MANIFEST_SIZE if not over else len(written) < MAX_MANIFEST_SIZE
    read = {it.digest: it.annotations for it in parse_manifest(written, OCI_INDEX).manifests}
    assert {it.digest for it in entries(0)} == set(read)
    without = {digest for digest, annotations in read.items() if not annotations}
    assert without == ({Digest.of(b"0")} if over else set())


def test_a_list_that_fits_exactly_without_the_oldest_annotations_keeps_all_others() -> None:
    created = "org.opencontainers.image.created"
    newest = {created: "2025-01-01T00:00:00Z"}
    second = referrer(b"second", **{created: "2024-02-01T00:00:00Z", "pad": "x"})
    oldest = Descriptor(OCI_MANIFEST, Digest.of(b"oldest"), 100, "application/vnd.sig")
    room = MAX_MANIFEST_SIZE - len(referrers_index([oldest, second, referrer(b"newest", **newest, pad="")]))
    full = [second, referrer(b"newest", **newest, pad="x" * room)]
    written = referrers_index([*full, referrer(b"oldest", **{created: "2024-01-01T00:00:00Z"})])
    assert written == referrers_index([*full, oldest])
    assert len(written) == MAX_MANIFEST_SIZE


def test_no_more_entries_lose_their_annotations_than_have_to() -> None:
    created = "org.opencontainers.image.created"
    made = [referrer(b"%d" % n, **{created: f"2024-01-{n + 1:02}T00:00:00Z", "pad": "x" * 1_000_000}) for n in range(8)]
    kept = [it for it in parse_manifest(referrers_index(made), OCI_INDEX).manifests if it.annotations]
    assert {it.digest for it in kept} == {it.digest for it in made[4:]}


ENTRY = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"x")), "size": 1}
PLATFORM = {"platform": {"os": "linux", "architecture": "amd64"}}
LISTS: dict[str, tuple[bool, str, dict[str, object]]] = {
    "of nothing": (True, OCI_INDEX, {"manifests": []}),
    "of referrers": (True, OCI_INDEX, {"manifests": [ENTRY, ENTRY | {"artifactType": "a/b"}]}),
    "of platforms": (False, OCI_INDEX, {"manifests": [ENTRY | PLATFORM]}),
    "with one platform among others": (False, OCI_INDEX, {"manifests": [ENTRY, ENTRY | PLATFORM]}),
    "with a platform of no name": (False, OCI_INDEX, {"manifests": [ENTRY | {"platform": {}}]}),
    "with a subject": (False, OCI_INDEX, {"manifests": [ENTRY], "subject": ENTRY}),
    "of a build cache": (False, OCI_INDEX, {"manifests": [ENTRY, ENTRY | {"mediaType": "application/vnd.layer"}]}),
    "in docker's form": (False, DOCKER_MANIFEST_LIST, {"manifests": [ENTRY]}),
    "that is an image": (False, OCI_MANIFEST, {"config": ENTRY, "layers": []}),
}


@pytest.mark.parametrize(("is_list", "media_type", "body"), LISTS.values(), ids=LISTS)
def test_what_is_a_list_of_referrers(is_list: bool, media_type: str, body: dict[str, object]) -> None:
    raw = json.dumps({"schemaVersion": 2, "mediaType": media_type} | body).encode()
    assert is_referrers_index(parse_manifest(raw, media_type)) is is_list


TAGS = {
    Digest.of(b"").referrers_tag: True,
    Digest.of(b"", "sha512").referrers_tag: True,
    f"{Digest.of(b'').referrers_tag}.sig": False,
    Digest.of(b"").referrers_tag.upper(): False,
    Digest.of(b"").referrers_tag[:-1]: False,
    f"sha256-{'g' * 64}": False,
    f"sha256{'0' * 65}": False,
    f"md5-{'0' * 64}": False,
    "latest": False,
}


@pytest.mark.parametrize(("tag", "is_one"), TAGS.items())
def test_what_is_a_referrers_tag(tag: str, is_one: bool) -> None:
    assert is_referrers_tag(tag) is is_one


def test_more_entries_than_fit_are_refused() -> None:
    entries = [referrer(b"%d" % number, "application/" + "x" * 200) for number in range(12_000)]
    with pytest.raises(TooLarge, match="12000 referrers"):
        referrers_index(entries)
