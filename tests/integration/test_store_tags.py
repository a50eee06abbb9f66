"""Links, tags by compare-and-swap, the referrers tag, and history."""

import json
import threading

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.errors import Conflict, TagMoved, UnkeptName
from acrmirror.history import Observation, TagEvent
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.moments import Moment
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, parse_manifest, referrers_index
from acrmirror.reference import Digest, Reference
from standins.foundation import Account, Foundation
from testkit.stack import CONTAINER
from tests.integration.storage_proxy import StorageProxy

LAYOUT = Layout()

AT = Moment("2026-04-25T21:39:47.276585742Z")
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}


def manifest(name: str, subject: Digest | None = None) -> Manifest:
    body: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example",
        "config": EMPTY,
        "layers": [],
        "annotations": {"name": name},
    }
    if subject is not None:
        body["subject"] = {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 7}
    raw = json.dumps(body).encode()
    return parse_manifest(raw, OCI_MANIFEST, Digest.of(raw))


def put(store: MirrorStore, name: str) -> Descriptor:
    made = manifest(name)
    store.manifests.write("team/app", made)
    return made.descriptor()


def test_a_manifest_stands_with_its_media_type_once_it_is_linked(store: MirrorStore) -> None:
    made = manifest("one")
    assert store.manifests.find("team/app", made.digest) is None
    store.manifests.write("team/app", made)
    found = store.manifests.find("team/app", made.digest)
    assert found is not None
    assert (found.media_type, found.size) == (OCI_MANIFEST, made.size)
    assert store.manifests.read("team/app", found).raw == made.raw
    assert store.manifests.find("team/other", made.digest) is None


def test_a_tag_moves_only_from_where_it_was_read(store: MirrorStore) -> None:
    one, two, three = (put(store, name) for name in ("one", "two", "three"))
    assert store.tags.read("team/app", "v1") is None
    store.tags.set("team/app", "v1", one, AT, None)
    with pytest.raises(TagMoved):
        store.tags.set("team/app", "v1", two, AT, None)
    read = store.tags.read("team/app", "v1")
    assert read is not None
    assert read.digest == one.digest
    store.tags.set("team/app", "v1", two, AT, read)
    with pytest.raises(TagMoved):
        store.tags.set("team/app", "v1", three, AT, read)


def test_writing_the_same_digest_again_moves_the_etag(store: MirrorStore) -> None:
    """Else a job that resolved an older digest could write it over one that a later job found equal (A→B→A)."""
    one = put(store, "one")
    store.tags.set("team/app", "v1", one, AT, None)
    before = store.tags.read("team/app", "v1")
    store.tags.set("team/app", "v1", one, AT, before)
    after = store.tags.read("team/app", "v1")
    assert before is not None
    assert after is not None
    assert before.etag != after.etag
    with pytest.raises(TagMoved):
        store.tags.set("team/app", "v1", one, AT, before)


def test_a_tags_link_carries_what_a_listing_shows(store: MirrorStore, account: Account) -> None:
    one = put(store, "one")
    store.tags.set("team/app", "v1", one, AT, None)
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container:
        properties = container.get_blob_client(LAYOUT.tag_link("team/app", "v1")).get_blob_properties()
    assert properties.metadata == {
        "digest": str(one.digest),
        "media_type": OCI_MANIFEST,
        "size": str(one.size),
        "time": AT,
        "sequence": "1",
    }


def test_the_newest_event_stays_with_the_link_whoever_writes_it(store: MirrorStore) -> None:
    one, two = put(store, "one"), put(store, "two")
    older, newer = TagEvent(Moment("2026-04-25T21:39:40.000000000Z"), one.digest), TagEvent(AT, two.digest)
    for number, event in enumerate([None, newer, older, None]):
        store.tags.set("team/app", "v1", one, AT, store.tags.read("team/app", "v1"), event)
        state = store.tags.read("team/app", "v1")
        assert state is not None
        assert (state.digest, state.at, state.sequence) == (one.digest, AT, number + 1)
        assert state.event == (newer if number else None)


def test_a_link_that_the_mirror_did_not_write_has_no_event(store: MirrorStore, account: Account) -> None:
    one = put(store, "one")
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container:
        blob = container.get_blob_client(LAYOUT.tag_link("team/app", "v1"))
        for metadata in ({}, {"event_digest": "sha256:1", "event_time": AT}, {"event_digest": str(one.digest)}):
            blob.upload_blob(str(one.digest), overwrite=True, metadata={**metadata, "sequence": "many"})
            state = store.tags.read("team/app", "v1")
            assert state is not None
            assert (state.digest, state.event, state.sequence) == (one.digest, None, 0)


def test_a_tag_that_ends_in_a_dot_is_read_back(store: MirrorStore) -> None:
    one = put(store, "one")
    store.tags.set("team/app", "v1.", one, AT, None)
    read = store.tags.read("team/app", "v1.")
    assert read is not None
    assert read.digest == one.digest


@pytest.mark.parametrize("reads_too", [False, True])
def test_a_storage_that_cuts_the_dot_off_is_found_out_before_another_tag_moves(
    account: Account, foundation: Foundation, store: MirrorStore, reads_too: bool
) -> None:
    """It would be `v1` that `v1.` is written over."""
    one, two = put(store, "one"), put(store, "two")
    store.tags.set("team/app", "v1", one, AT, None)

    def cut(method: str, path: str, body: bytes) -> tuple[str, bytes]:
        return path.replace("/v1./", "/v1/") if reads_too or method == "PUT" else path, body

    with StorageProxy(account.ca, foundation.certificates.server) as proxy:
        proxy.upstream, proxy.alter = account.blob_endpoint, cut
        credential = account.identity.credential()
        with MirrorStore.open(proxy.endpoint, CONTAINER, credential, trust_bundle=account.ca) as odd:
            read = odd.tags.read("team/app", "v1.")
            with pytest.raises(UnkeptName, match="ends in a dot"):
                odd.tags.set("team/app", "v1.", two, AT, read)
            for kind in ("event", "resolve"):
                with pytest.raises(UnkeptName, match="ends in a dot"):
                    odd.history.observe(Reference("team/app", "v1."), Observation(AT, two.digest, "late", kind))
    kept = store.tags.read("team/app", "v1")
    assert kept is not None
    assert kept.digest == one.digest
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container:
        under = [*container.list_blob_names(name_starts_with=LAYOUT.tag_history("team/app", "v1"))]
        under += container.list_blob_names(name_starts_with=LAYOUT.tag_indexes("team/app", "v1"))
    assert [name for name in under if two.digest.encoded in name] == []


def test_a_prefix_keeps_registries_apart_and_shares_blobs(store: MirrorStore, account: Account) -> None:
    with MirrorStore.open(
        account.blob_endpoint, CONTAINER, account.identity.credential(), prefix="west", trust_bundle=account.ca
    ) as west:
        one = put(west, "one")
        west.tags.set("team/app", "v1", one, AT, None)
        assert store.tags.read("team/app", "v1") is None
        read = store.tags.read("west/team/app", "v1")
        assert read is not None
        assert read.digest == one.digest


DAMAGE = [b"", b"not a digest", b"\xff\xfe", b"sha256:abc"]


def damage(account: Account, name: str, body: bytes = b"not a digest") -> None:
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container:
        container.get_blob_client(name).upload_blob(body, overwrite=True)


@pytest.mark.parametrize("body", DAMAGE, ids=repr)
def test_a_damaged_tag_is_set_anew_by_whoever_read_it_damaged(
    store: MirrorStore, account: Account, body: bytes
) -> None:
    one, two = (put(store, name) for name in ("one", "two"))
    store.tags.set("team/app", "v1", one, AT, None)
    damage(account, LAYOUT.tag_link("team/app", "v1"), body)
    damaged = store.tags.read("team/app", "v1")
    assert damaged is not None
    assert damaged.digest is None
    store.tags.set("team/app", "v1", two, AT, damaged)
    with pytest.raises(TagMoved):
        store.tags.set("team/app", "v1", one, AT, damaged)
    mended = store.tags.read("team/app", "v1")
    assert mended is not None
    assert mended.digest == two.digest


def test_a_damaged_link_of_a_layer_is_written_anew_when_asked(store: MirrorStore, account: Account) -> None:
    layer = Descriptor("application/octet-stream", Digest.of(b"layer"), 5)
    store.blobs.link("team/app", layer)
    name = LAYOUT.layer_link("team/app", layer.digest)
    damage(account, name)
    store.blobs.link("team/app", layer)
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container:
        assert container.download_blob(name).readall() == b"not a digest"
        store.blobs.link("team/app", layer, mend=True)
        assert container.download_blob(name).readall() == str(layer.digest).encode()


@pytest.mark.parametrize("names", ["nothing", "what is not there"])
def test_a_damaged_referrers_tag_loses_no_referrer(store: MirrorStore, account: Account, names: str) -> None:
    subject = put(store, "subject")
    signature, report = (manifest(name, subject.digest) for name in ("signature", "report"))
    for made in (signature, report):
        store.manifests.write("team/app", made)
        assert store.referrers.add("team/app", subject.digest, [made.descriptor()], AT)
    body = b"not a digest" if names == "nothing" else str(Digest.of(b"lost")).encode()
    damage(account, LAYOUT.tag_link("team/app", subject.digest.referrers_tag), body)
    later = manifest("later", subject.digest)
    store.manifests.write("team/app", later)
    assert store.referrers.add("team/app", subject.digest, [later.descriptor()], AT)
    tag = store.tags.read("team/app", subject.digest.referrers_tag)
    assert tag is not None
    assert tag.digest is not None
    listed = store.manifests.find("team/app", tag.digest)
    assert listed is not None
    assert {it.digest for it in store.manifests.read("team/app", listed).manifests} == {
        it.digest for it in (signature, report, later)
    }


def test_referrers_are_listed_under_their_subjects_tag(store: MirrorStore) -> None:
    subject = put(store, "image")
    referrers = [manifest(f"signature {number}", subject.digest) for number in range(3)]
    for referrer in referrers:
        store.manifests.write("team/app", referrer)
        assert store.referrers.add("team/app", subject.digest, [referrer.descriptor()], AT)
        once = store.tags.read("team/app", subject.digest.referrers_tag)
        assert store.referrers.add("team/app", subject.digest, [referrer.descriptor()], AT)
        assert store.tags.read("team/app", subject.digest.referrers_tag) == once
    tag = store.tags.read("team/app", subject.digest.referrers_tag)
    assert tag is not None
    assert tag.digest is not None
    index = store.manifests.read("team/app", Descriptor(OCI_INDEX, tag.digest, 0))
    assert [it.digest for it in index.manifests] == sorted((it.digest for it in referrers), key=str)
    assert {it.artifact_type for it in index.manifests} == {"application/vnd.example"}
    assert all(it.annotations for it in index.manifests)


def test_merging_in_parallel_loses_no_referrer(store: MirrorStore) -> None:
    subject = Digest.of(b"a subject that does not stand")
    referrers = [manifest(f"signature {number}", subject) for number in range(8)]
    for referrer in referrers:
        store.manifests.write("team/app", referrer)
    failures: list[Exception] = []

    def add(referrer: Manifest) -> None:
        try:
            store.referrers.add("team/app", subject, [referrer.descriptor()], AT)
        except Conflict as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(referrer,)) for referrer in referrers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    tag = store.tags.read("team/app", subject.referrers_tag)
    assert tag is not None
    assert tag.digest is not None
    index = store.manifests.read("team/app", Descriptor(OCI_INDEX, tag.digest, 0))
    assert len(index.manifests) == 8


def test_a_referrers_tag_of_another_kind_is_left_alone(store: MirrorStore) -> None:
    subject = put(store, "image")
    other = put(store, "no index")
    store.tags.set("team/app", subject.digest.referrers_tag, other, AT, None)
    referrer = manifest("signature", subject.digest)
    store.manifests.write("team/app", referrer)
    assert store.referrers.add("team/app", subject.digest, [referrer.descriptor()], AT) is False
    tag = store.tags.read("team/app", subject.digest.referrers_tag)
    assert tag is not None
    assert tag.digest == other.digest


def test_a_referrers_tag_that_the_registry_made_a_list_of_is_one_here_too(store: MirrorStore) -> None:
    subject, other = put(store, "image"), put(store, "no index")
    name = subject.digest.referrers_tag
    store.tags.set("team/app", name, other, AT, None)
    referrer = manifest("signature", subject.digest)
    store.manifests.write("team/app", referrer)
    raw = referrers_index([referrer.descriptor()])
    theirs = parse_manifest(raw, OCI_INDEX)
    store.manifests.write("team/app", theirs)
    store.referrers.merge_tag("team/app", name, theirs, AT, store.tags.read("team/app", name))
    tag = store.tags.read("team/app", name)
    assert tag is not None
    assert tag.digest == Digest.of(raw)


def test_history_sorts_by_the_registrys_time_and_keeps_each_observation_once(store: MirrorStore) -> None:
    reference = Reference("a", "b")
    moments = [Moment(f"2026-04-25T21:39:{seconds}00000000Z") for seconds in ("47.0", "47.2", "48.0")]
    seen = [Observation(at, Digest.of(at.encode()), f"event-{index}", "event") for index, at in enumerate(moments)]
    for observation in [seen[2], seen[0], seen[1], seen[1]]:
        store.history.observe(reference, observation)
    store.history.observe(Reference("a/b", "c"), Observation(moments[2], Digest.of(b"other"), "x", "resolve"))
    found = list(store.history.of_tag("a", "b"))
    assert [it.digest for it in found] == [it.digest for it in seen]
    assert [it.at for it in found] == moments
    assert {it.kind for it in found} == {"event"}


def test_a_deletion_is_kept_against_the_digest(store: MirrorStore) -> None:
    one = put(store, "one")
    named = Reference("team/app", None, one.digest)
    store.history.observe(named, Observation(AT, one.digest, "deletion-1", "deleted"))
    assert [it.kind for it in store.history.of_digest("team/app", one.digest)] == ["deleted"]
    assert store.manifests.find("team/app", one.digest) is not None
