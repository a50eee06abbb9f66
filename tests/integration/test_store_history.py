"""History: its order, names of its first form, and every tag's link made anew from it alone."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.history import Observation, TagEvent
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.mirror.rebuilding import last_in_mirror, rebuild_tags
from acrmirror.moments import Moment, from_datetime
from acrmirror.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, parse_manifest, referrers_index
from acrmirror.reference import Digest, Reference

LAYOUT = Layout()

SECOND = Moment("2026-04-25T21:39:47.000000000Z")
LATER = Moment("2026-04-25T21:40:01.000000000Z")
V1 = Reference("team/app", "v1")


def put(store: MirrorStore, name: str) -> Descriptor:
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    raw = json.dumps(body | {"annotations": {"name": name}}).encode()
    made = parse_manifest(raw, OCI_MANIFEST, Digest.of(raw))
    store.manifests.write("team/app", made)
    return made.descriptor()


def set_tag(store: MirrorStore, tag: str, descriptor: Descriptor, at: Moment, job: str = "job") -> None:
    """As a job does it: the link is read, the answer is observed, the link is written."""
    current = store.tags.read("team/app", tag)
    sequence = current.sequence + 1 if current is not None else 1
    store.history.observe(Reference("team/app", tag), Observation.of_resolve(descriptor, at, job, sequence))
    store.tags.set("team/app", tag, descriptor, at, current)


def resolved(descriptor: Descriptor, at: Moment, sequence: int = 1, *, provisional: bool = False) -> Observation:
    seen = Observation.of_resolve(descriptor, at, f"job-{sequence}", sequence)
    return replace(seen, provisional=provisional)


def observed(store: MirrorStore, *seen: Observation) -> None:
    for it in seen:
        store.history.observe(V1, it)


def rebuilt(store: MirrorStore) -> Digest | None:
    return rebuild_tags(store, "team/app").get("v1")


def where(store: MirrorStore, tag: str) -> Digest | None:
    state = store.tags.read("team/app", tag)
    return state.digest if state is not None else None


def test_answers_of_one_second_keep_their_order(store: MirrorStore) -> None:
    """By digest alone they would be in that order both times."""
    one, two = put(store, "one"), put(store, "two")
    for tag, line in (("v1", [one, two]), ("v2", [two, one]), ("v3", [one, two] * 6)):
        for number, descriptor in enumerate(line):
            set_tag(store, tag, descriptor, SECOND, f"job-{len(line) - number}")
        assert [it.digest for it in store.history.of_tag("team/app", tag)] == [it.digest for it in line]


def test_whose_clock_it_was_is_told(store: MirrorStore) -> None:
    one = put(store, "one")
    store.history.observe(V1, Observation(SECOND, one.digest, "job", "resolve", clock="mirror"))
    store.history.observe(V1, Observation(LATER, one.digest, "job", "resolve"))
    assert [it.clock for it in store.history.of_tag("team/app", "v1")] == ["mirror", "registry"]


def test_names_of_the_first_form_are_read(store: MirrorStore, container: ContainerClient) -> None:
    one, two = put(store, "one"), put(store, "two")
    folder = LAYOUT.tag_history("team/app", "v1")
    for at, digest, identity in ((SECOND, one.digest, "a-b-1"), (LATER, Digest("sha512", "0" * 128), "2")):
        name = f"{folder}/{at}-{digest.algorithm}-{digest.encoded}-{identity}"
        container.upload_blob(name, b"{}", metadata={"kind": "resolve"})
    store.history.observe(V1, Observation(LATER, two.digest, "3", "resolve", sequence=7))
    found = [(it.at, it.identity, it.sequence, it.clock) for it in store.history.of_tag("team/app", "v1")]
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
    store.history.observe(V1, pushed)
    tags = ["v1", "v1.", "v1.1", "w"]
    before = {tag: where(store, tag) for tag in tags}
    container.delete_blob(LAYOUT.tag_link("team/app", "v1"))
    container.delete_blob(LAYOUT.tag_link("team/app", "v1.1"))
    container.upload_blob(LAYOUT.tag_link("team/app", "w"), b"damaged", overwrite=True)
    assert rebuild_tags(store, "team/app") == before
    assert {tag: where(store, tag) for tag in tags} == before
    state = store.tags.read("team/app", "v1")
    assert state is not None
    assert (state.at, state.event) == (SECOND, TagEvent(LATER, pushed.digest))


def test_a_link_that_is_right_is_left_as_it_is(store: MirrorStore) -> None:
    set_tag(store, "v1", put(store, "one"), SECOND)
    before = store.tags.read("team/app", "v1")
    rebuild_tags(store, "team/app")
    assert store.tags.read("team/app", "v1") == before


def test_a_push_that_failed_is_not_where_a_tag_is(store: MirrorStore) -> None:
    one = put(store, "one")
    set_tag(store, "v1", one, SECOND)
    store.history.observe(V1, Observation(LATER, Digest.of(b"refused"), "event", "event"))
    store.history.observe(Reference("team/app", "v2"), Observation(LATER, Digest.of(b"refused"), "event", "event"))
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
    store.manifests.write("team/app", listed)
    store.history.observe(Reference("team/app", tag), Observation(SECOND, listed.digest, "event", "event"))
    store.referrers.merge_tag("team/app", tag, listed, SECOND, None)
    assert store.referrers.add("team/app", subject.digest, [more], SECOND)
    before = where(store, tag)
    container.upload_blob(LAYOUT.tag_link("team/app", tag), b"damaged", overwrite=True)
    rebuild_tags(store, "team/app")
    assert where(store, tag) == before


MINUTES_LATER = Moment("2026-04-25T21:45:00.000000000Z")
WINDOW_OVER = Moment("2026-04-25T22:12:00.000000000Z")
IN_2038 = Moment("2038-01-19T03:14:07.000000000Z")


def test_an_answer_that_was_provisional_is_marked_and_passed_over(store: MirrorStore) -> None:
    old, new = put(store, "old"), put(store, "new")
    push = Observation(SECOND, new.digest, "event", "event")
    observed(store, push, resolved(new, LATER), resolved(old, MINUTES_LATER, 2, provisional=True))
    assert [it.provisional for it in store.history.of_tag("team/app", "v1")] == [False, False, True]
    assert rebuilt(store) == new.digest
    observed(store, resolved(old, WINDOW_OVER, 3))
    assert rebuilt(store) == old.digest


def test_an_answer_that_came_before_the_event_it_contradicts_is_not_taken(store: MirrorStore) -> None:
    """A pull asked a replica that was behind, and the push's event came late: nothing is marked."""
    old, new = put(store, "old"), put(store, "new")
    observed(store, resolved(old, LATER), Observation(SECOND, new.digest, "event", "event"))
    last = last_in_mirror(store, "team/app", "v1")
    assert last is not None
    assert (last.seen.digest, last.event) == (new.digest, TagEvent(SECOND, new.digest))


def test_an_answer_that_agrees_with_the_newest_event_or_comes_after_its_window_holds(store: MirrorStore) -> None:
    one, two, three = put(store, "one"), put(store, "two"), put(store, "three")
    observed(store, Observation(SECOND, one.digest, "e1", "event"), Observation(LATER, two.digest, "e2", "event"))
    observed(store, resolved(two, MINUTES_LATER))
    assert rebuilt(store) == two.digest
    observed(store, resolved(three, WINDOW_OVER))
    assert rebuilt(store) == three.digest


def test_what_was_not_believed_is_better_than_no_tag(store: MirrorStore) -> None:
    """So was the link: what the event names never got into the mirror."""
    one = put(store, "one")
    observed(store, Observation(SECOND, Digest.of(b"never copied"), "event", "event"))
    observed(store, resolved(one, LATER, provisional=True))
    assert rebuilt(store) == one.digest


@pytest.mark.parametrize("kind", ["resolve", "event"])
def test_a_time_far_ahead_that_an_older_version_wrote_fixes_no_tag(store: MirrorStore, kind: str) -> None:
    old, new = put(store, "old"), put(store, "new")
    observed(store, Observation(IN_2038, old.digest, "job", kind), resolved(new, LATER))
    last = last_in_mirror(store, "team/app", "v1")
    assert last is not None
    assert (last.seen.digest, last.event) == (new.digest, None)
    soon = from_datetime(datetime.now(UTC) + timedelta(minutes=4))
    observed(store, resolved(old, soon, 2))
    assert rebuilt(store) == old.digest


def test_a_tag_that_has_only_a_time_far_ahead_is_rebuilt_with_the_time_of_now(store: MirrorStore) -> None:
    one = put(store, "one")
    observed(store, Observation(IN_2038, one.digest, "job", "resolve"))
    assert rebuilt(store) == one.digest
    state = store.tags.read("team/app", "v1")
    assert state is not None
    assert state.at <= from_datetime(datetime.now(UTC))
