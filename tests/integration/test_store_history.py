"""History: its order, names of its first form, and every tag's link made anew from it alone."""

import json
from collections.abc import Iterator

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.history import Observation, TagEvent
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, parse_manifest, referrers_index
from acrmirror.reference import Digest, Reference
from acrmirror.store import MirrorStore, layout
from acrmirror.store.rebuilding import last_in_mirror, rebuild_tags
from standins.foundation import Account
from testkit.stack import CONTAINER

SECOND = "2026-04-25T21:39:47.000000000Z"
LATER = "2026-04-25T21:40:01.000000000Z"
V1 = Reference("team/app", "v1")


@pytest.fixture
def store(account: Account) -> Iterator[MirrorStore]:
    with MirrorStore.open(
        account.blob_endpoint, CONTAINER, account.identity.credential(), trust_bundle=account.ca
    ) as opened:
        yield opened


@pytest.fixture
def container(account: Account) -> Iterator[ContainerClient]:
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as opened:
        yield opened


def put(store: MirrorStore, name: str) -> Descriptor:
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    raw = json.dumps(body | {"annotations": {"name": name}}).encode()
    made = parse_manifest(raw, OCI_MANIFEST, Digest.of(raw))
    store.write_manifest("team/app", made)
    return made.descriptor()


def set_tag(store: MirrorStore, tag: str, descriptor: Descriptor, at: str, job: str = "job") -> None:
    """As a job does it: the link is read, the answer is observed, the link is written."""
    current = store.read_tag("team/app", tag)
    sequence = current.sequence + 1 if current is not None else 1
    store.observe(Reference("team/app", tag), Observation.of_resolve(descriptor, at, job, sequence))
    store.tag("team/app", tag, descriptor, at, current)


def where(store: MirrorStore, tag: str) -> Digest | None:
    state = store.read_tag("team/app", tag)
    return state.digest if state is not None else None


def test_answers_of_one_second_keep_their_order(store: MirrorStore) -> None:
    """By digest alone they would be in that order both times."""
    one, two = put(store, "one"), put(store, "two")
    for tag, line in (("v1", [one, two]), ("v2", [two, one]), ("v3", [one, two] * 6)):
        for number, descriptor in enumerate(line):
            set_tag(store, tag, descriptor, SECOND, f"job-{len(line) - number}")
        assert [it.digest for it in store.history("team/app", tag)] == [it.digest for it in line]


def test_whose_clock_it_was_is_told(store: MirrorStore) -> None:
    one = put(store, "one")
    store.observe(V1, Observation(SECOND, one.digest, "job", "resolve", clock="mirror"))
    store.observe(V1, Observation(LATER, one.digest, "job", "resolve"))
    assert [it.clock for it in store.history("team/app", "v1")] == ["mirror", "registry"]


def test_names_of_the_first_form_are_read(store: MirrorStore, container: ContainerClient) -> None:
    one, two = put(store, "one"), put(store, "two")
    folder = layout.tag_history("team/app", "v1")
    for at, digest, identity in ((SECOND, one.digest, "a-b-1"), (LATER, Digest("sha512", "0" * 128), "2")):
        name = f"{folder}/{at}-{digest.algorithm}-{digest.encoded}-{identity}"
        container.upload_blob(name, b"{}", metadata={"kind": "resolve"})
    store.observe(V1, Observation(LATER, two.digest, "3", "resolve", sequence=7))
    found = [(it.at, it.identity, it.sequence, it.clock) for it in store.history("team/app", "v1")]
    assert found == [(SECOND, "a-b-1", 0, "registry"), (LATER, "3", 7, "registry"), (LATER, "2", 0, "registry")]
    last = last_in_mirror(store, "team/app", "v1")
    assert last is not None
    assert last.seen.digest == two.digest


def test_history_alone_rebuilds_every_link(store: MirrorStore, container: ContainerClient) -> None:
    one, two = put(store, "one"), put(store, "two")
    for tag, line in (("v1", [one, two]), ("v1.1", [two, one]), ("v1.", [one]), ("w", [two, one, two])):
        for descriptor in line:
            set_tag(store, tag, descriptor, SECOND)
    pushed = Observation(LATER, Digest.of(b"never copied"), "event", "event")
    store.observe(V1, pushed)
    tags = ["v1", "v1.", "v1.1", "w"]
    before = {tag: where(store, tag) for tag in tags}
    container.delete_blob(layout.tag_link("team/app", "v1"))
    container.delete_blob(layout.tag_link("team/app", "v1.1"))
    container.upload_blob(layout.tag_link("team/app", "w"), b"damaged", overwrite=True)
    assert rebuild_tags(store, "team/app") == before
    assert {tag: where(store, tag) for tag in tags} == before
    state = store.read_tag("team/app", "v1")
    assert state is not None
    assert (state.at, state.event) == (SECOND, TagEvent(LATER, pushed.digest))


def test_a_link_that_is_right_is_left_as_it_is(store: MirrorStore) -> None:
    set_tag(store, "v1", put(store, "one"), SECOND)
    before = store.read_tag("team/app", "v1")
    rebuild_tags(store, "team/app")
    assert store.read_tag("team/app", "v1") == before


def test_a_push_that_failed_is_not_where_a_tag_is(store: MirrorStore) -> None:
    one = put(store, "one")
    set_tag(store, "v1", one, SECOND)
    store.observe(V1, Observation(LATER, Digest.of(b"refused"), "event", "event"))
    store.observe(Reference("team/app", "v2"), Observation(LATER, Digest.of(b"refused"), "event", "event"))
    last = last_in_mirror(store, "team/app", "v1")
    assert last is not None
    assert last.seen.digest == one.digest
    assert rebuild_tags(store, "team/app") == {"v1": one.digest}


def test_a_list_of_referrers_is_rebuilt_with_what_the_mirror_has_beyond(
    store: MirrorStore, container: ContainerClient
) -> None:
    subject, known, more = put(store, "subject"), put(store, "known"), put(store, "more")
    tag = subject.digest.referrers_tag
    raw = referrers_index([known])
    listed = parse_manifest(raw, OCI_INDEX)
    store.write_manifest("team/app", listed)
    store.observe(Reference("team/app", tag), Observation(SECOND, listed.digest, "event", "event"))
    store.merge_referrers_tag("team/app", tag, listed, SECOND, None)
    assert store.add_referrers("team/app", subject.digest, [more], SECOND)
    before = where(store, tag)
    container.upload_blob(layout.tag_link("team/app", tag), b"damaged", overwrite=True)
    rebuild_tags(store, "team/app")
    assert where(store, tag) == before
