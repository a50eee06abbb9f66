"""Lists of referrers in the store: races, whose bytes they have, and what the tag's link says of the registry's own."""

import json
from dataclasses import replace

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.errors import TagMoved
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.moments import Moment
from acrmirror.oci import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, parse_manifest, referrers_index
from acrmirror.reference import Digest

LAYOUT = Layout()

AT = Moment("2026-04-25T21:39:47.276585742Z")
NAME = "team/app"
SUBJECT = Digest.of(b"a subject that need not be there")
TAG = SUBJECT.referrers_tag


def referrer(store: MirrorStore, name: str, subject: Digest = SUBJECT) -> Descriptor:
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example",
        "config": {"mediaType": OCI_EMPTY, "digest": str(Digest.of(b"{}")), "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 7},
        "annotations": {"name": name},
    }
    manifest = parse_manifest(json.dumps(body).encode(), OCI_MANIFEST)
    store.manifests.write(NAME, manifest)
    return manifest.descriptor()


def registrys(store: MirrorStore, *entries: Descriptor) -> Manifest:
    """A list as a client made it: the very bytes are not those that the mirror would write."""
    raw = json.dumps(json.loads(referrers_index(entries)), indent=3).encode()
    manifest = parse_manifest(raw, OCI_INDEX)
    store.manifests.write(NAME, manifest)
    return manifest


def tagged(store: MirrorStore) -> Digest:
    state = store.tags.read(NAME, TAG)
    assert state is not None
    assert state.digest is not None
    return state.digest


def digests(*entries: Descriptor) -> set[Digest]:
    return {it.digest for it in entries}


def test_a_merge_that_was_overtaken_is_begun_anew_and_loses_nothing(store: MirrorStore) -> None:
    one, two = (referrer(store, name) for name in ("one", "two"))
    theirs = registrys(store, one)
    before = store.tags.read(NAME, TAG)
    assert store.referrers.add(NAME, SUBJECT, [two], AT)
    with pytest.raises(TagMoved):
        store.referrers.merge_tag(NAME, TAG, theirs, AT, before)
    store.referrers.merge_tag(NAME, TAG, theirs, AT, store.tags.read(NAME, TAG))
    assert digests(*store.referrers.of(NAME, SUBJECT)) == digests(one, two)


def test_every_merge_moves_the_etag_and_an_addition_without_news_does_not(store: MirrorStore) -> None:
    one = referrer(store, "one")
    theirs = registrys(store, one)
    etags = []
    for _ in range(2):
        store.referrers.merge_tag(NAME, TAG, theirs, AT, store.tags.read(NAME, TAG))
        etags.append(store.tags.read(NAME, TAG))
    assert etags[0] != etags[1]
    assert store.referrers.add(NAME, SUBJECT, [one], AT)
    assert store.referrers.add(NAME, SUBJECT, [], AT)
    assert store.tags.read(NAME, TAG) == etags[1]
    assert tagged(store) == theirs.digest


def test_the_registrys_bytes_stay_as_long_as_nothing_is_missing_there(store: MirrorStore) -> None:
    one, two = (referrer(store, name) for name in ("one", "two"))
    # It says less of its entry than the mirror knows.
    theirs = registrys(store, replace(one, artifact_type=None, annotations={}))
    assert store.referrers.add(NAME, SUBJECT, [one], AT)
    store.referrers.merge_tag(NAME, TAG, theirs, AT, store.tags.read(NAME, TAG))
    assert store.referrers.add(NAME, SUBJECT, [one], AT)
    assert tagged(store) == theirs.digest
    assert store.referrers.add(NAME, SUBJECT, [two], AT)
    merged = {it.digest: it for it in store.referrers.of(NAME, SUBJECT)}
    assert set(merged) == digests(one, two)
    older = registrys(store, two)
    store.referrers.merge_tag(NAME, TAG, older, AT, store.tags.read(NAME, TAG))
    assert digests(*store.referrers.of(NAME, SUBJECT)) == digests(one, two)


def test_a_list_of_the_mirrors_own_takes_what_is_said_of_an_entry_later(store: MirrorStore) -> None:
    one = referrer(store, "one")
    assert store.referrers.add(NAME, SUBJECT, [replace(one, artifact_type=None, annotations={})], AT)
    assert store.referrers.add(NAME, SUBJECT, [one], AT)
    assert store.referrers.of(NAME, SUBJECT) == (one,)


def test_the_link_of_a_larger_list_says_where_the_registry_has_its_own(store: MirrorStore) -> None:
    one, two, three = (referrer(store, name) for name in ("one", "two", "three"))
    listing = store.listing
    assert store.referrers.add(NAME, SUBJECT, [one], AT)
    (entry,) = listing.tags(NAME, 10, hide=False).tags
    assert (entry.registry, entry.at_registry) == (None, tagged(store))
    theirs = registrys(store, two)
    store.referrers.merge_tag(NAME, TAG, theirs, AT, store.tags.read(NAME, TAG))
    for more in ([], [three]):
        assert store.referrers.add(NAME, SUBJECT, more, AT)
        (entry,) = listing.tags(NAME, 10, hide=False).tags
        assert entry.digest == tagged(store) != theirs.digest
        assert entry.at_registry == theirs.digest
        state = store.tags.read(NAME, TAG)
        assert state is not None
        assert state.registry == theirs.digest


def test_a_list_that_was_something_else_meanwhile_has_all_that_it_ever_had(store: MirrorStore) -> None:
    one, two = (referrer(store, name) for name in ("one", "two"))
    assert store.referrers.add(NAME, SUBJECT, [one], AT)
    other = referrer(store, "an image", Digest.of(b"of another subject"))
    store.tags.set(NAME, TAG, other, AT, store.tags.read(NAME, TAG))
    assert store.referrers.of(NAME, SUBJECT) == ()
    assert not store.referrers.add(NAME, SUBJECT, [two], AT)
    assert store.referrers.keep_tag(NAME, TAG, AT) is None
    assert tagged(store) == other.digest
    store.referrers.merge_tag(NAME, TAG, registrys(store, two), AT, store.tags.read(NAME, TAG))
    assert digests(*store.referrers.of(NAME, SUBJECT)) == digests(one, two)


def test_nothing_is_written_for_a_subject_without_referrers(store: MirrorStore) -> None:
    assert store.referrers.add(NAME, SUBJECT, [], AT)
    assert store.referrers.keep_tag(NAME, TAG, AT) is None
    assert store.referrers.of(NAME, SUBJECT) == ()
    assert store.tags.read(NAME, TAG) is None


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_list_that_is_lost_with_all_its_versions_is_found_by_its_subject(
    store: MirrorStore, container: ContainerClient, algorithm: str
) -> None:
    """Of a sha512 digest the tag has only a part; another subject's referrers are not taken for its own."""
    subject = Digest.of(b"subject", algorithm)
    tag = subject.referrers_tag
    made = [referrer(store, name, subject) for name in ("one", "two")]
    referrer(store, "three", Digest.of(b"another", algorithm))
    assert store.referrers.add(NAME, subject, made, AT)
    for name in list(container.list_blob_names(name_starts_with=f"{LAYOUT.tags(NAME)}/")):
        container.delete_blob(name)
    # What can't be read is listed by what its link says.
    container.upload_blob(LAYOUT.blob_data(made[1].digest), b"damaged", overwrite=True)
    digest = store.referrers.keep_tag(NAME, tag, AT)
    assert digest is not None
    listed = {it.digest: it for it in store.referrers.of(NAME, subject)}
    assert listed == {
        made[0].digest: made[0],
        made[1].digest: replace(made[1], artifact_type=None, annotations={}),
    }


def test_a_damaged_list_is_rebuilt_from_its_earlier_versions(store: MirrorStore, container: ContainerClient) -> None:
    """Entries that no manifest's link speaks for are known by the lists alone."""
    strangers = [Descriptor(OCI_MANIFEST, Digest.of(b"%d" % number), 9) for number in range(25)]
    for stranger in strangers:
        assert store.referrers.add(NAME, SUBJECT, [stranger], AT)
    container.upload_blob(LAYOUT.blob_data(tagged(store)), b"damaged", overwrite=True)
    known = digests(*store.referrers.of(NAME, SUBJECT))
    assert digests(*strangers[:-1]) == known
