"""Where a tag is set when the registry contradicts the newest event: its replicas may be behind (rule L3)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from acrmirror.copying import Context, Copied, copy_image
from acrmirror.copying.lagging import WINDOW
from acrmirror.errors import NotFound, Unavailable, UnkeptName
from acrmirror.history import Observation, TagEvent
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.oci import Descriptor
from acrmirror.reference import Reference
from tests.in_memory import AT, Mirror, Registry

REPOSITORY = "team/app"
BEGUN = to_datetime(AT)
SOON, LATE = BEGUN + timedelta(minutes=1), BEGUN + WINDOW + timedelta(minutes=1)


def pushed(descriptor: Descriptor, second: int) -> Observation:
    at = from_datetime(BEGUN + timedelta(seconds=second))
    return Observation(at, descriptor.digest, f"event-{second}", "event")


def run(registry: Registry, mirror: Mirror, event: Observation | None, now: datetime = SOON, **options: Any) -> Copied:
    """The job of an event, or a job about the tag alone: a pull, a child of a sweep, a question asked again."""
    context = Context("job", AT, threads=2, event=event, now=lambda: now, **options)
    digest = event.digest if event is not None else None
    return copy_image(registry, mirror.target, Reference(REPOSITORY, "v1", digest), context)


def answers(registry: Registry, descriptor: Descriptor | None) -> None:
    """From now on, whatever is true."""
    registry.tags.pop("v1", None)
    if descriptor is not None:
        registry.tags["v1"] = descriptor.digest


@pytest.mark.parametrize("late", ["its own event", "a pull by tag or a question asked again"])
def test_an_older_answer_does_not_move_a_tag_from_a_young_event(registry: Registry, mirror: Mirror, late: str) -> None:
    a, b = registry.image("a"), registry.image("b", tag="v1")
    assert not run(registry, mirror, pushed(b, 2)).provisional
    answers(registry, a)
    event = pushed(a, 1) if late == "its own event" else None
    copied = run(registry, mirror, event)
    assert mirror.tagged(REPOSITORY, "v1") == copied.tagged == b.digest
    assert (copied.provisional, copied.event) == (True, TagEvent(pushed(b, 2).at, b.digest))
    assert copied.failures == []
    assert any("a replica may be behind" in note for note in copied.notes)


def test_an_answer_that_is_not_believed_is_marked_so_in_history(registry: Registry, mirror: Mirror) -> None:
    a, b = registry.image("a"), registry.image("b", tag="v1")
    run(registry, mirror, pushed(b, 2))
    answers(registry, a)
    run(registry, mirror, None)
    run(registry, mirror, None, now=LATE)
    seen = [(it.digest, it.provisional) for _, it in mirror.history if it.kind == "resolve"]
    assert seen == [(b.digest, False), (a.digest, True), (a.digest, False)]


def test_the_event_that_a_question_is_about_counts_where_the_link_has_none(registry: Registry, mirror: Mirror) -> None:
    """As a link that an older version wrote; the event is in history already."""
    a, b = registry.image("a", tag="v1"), registry.image("b")
    run(registry, mirror, None)
    copied = run(registry, mirror, None, about=pushed(b, 2).event)
    assert (mirror.tagged(REPOSITORY, "v1"), copied.provisional) == (b.digest, True)
    assert [it.kind for _, it in mirror.history] == ["resolve", "resolve"]
    copied = run(registry, mirror, None, now=LATE, about=pushed(b, 2).event)
    assert (mirror.tagged(REPOSITORY, "v1"), copied.provisional) == (a.digest, False)


def test_the_link_is_written_all_the_same_and_keeps_the_newest_event(registry: Registry, mirror: Mirror) -> None:
    """Else one that read it before could write over it (rule L2)."""
    a, b = registry.image("a"), registry.image("b", tag="v1")
    for version, event in enumerate([pushed(b, 2), pushed(a, 1), None, pushed(a, 1)], 1):
        run(registry, mirror, event)
        answers(registry, a)
        state = mirror.tags[REPOSITORY, "v1"]
        assert (state.version, state.digest, state.event) == (version, b.digest, pushed(b, 2).event)


def test_a_newer_event_than_the_answer_sets_the_tag_at_once(registry: Registry, mirror: Mirror) -> None:
    a, b = registry.image("a", tag="v1"), registry.image("b")
    run(registry, mirror, pushed(a, 1))
    copied = run(registry, mirror, pushed(b, 2))
    assert (mirror.tagged(REPOSITORY, "v1"), copied.provisional) == (b.digest, True)
    kinds = [(it.kind, it.digest) for _, it in mirror.history]
    assert kinds == [("event", a.digest), ("resolve", a.digest), ("event", b.digest), ("resolve", a.digest)]


@pytest.mark.parametrize("brings", [True, False])
def test_what_the_registry_says_once_the_window_is_over_holds(registry: Registry, mirror: Mirror, brings: bool) -> None:
    a, b = registry.image("a", tag="v1"), registry.image("b")
    run(registry, mirror, pushed(b, 2))
    assert mirror.tagged(REPOSITORY, "v1") == b.digest
    copied = run(registry, mirror, pushed(b, 2) if brings else None, LATE)
    assert (mirror.tagged(REPOSITORY, "v1"), copied.provisional) == (a.digest, False)


def test_a_tag_of_which_no_event_is_known_is_where_the_registry_says(registry: Registry, mirror: Mirror) -> None:
    a = registry.image("a", tag="v1")
    copied = run(registry, mirror, None)
    assert (copied.tagged, copied.event, copied.provisional) == (a.digest, None, False)


@pytest.mark.parametrize("known", [True, False])
def test_an_event_whose_image_can_not_be_had_yet(registry: Registry, mirror: Mirror, known: bool) -> None:
    """Its digest half fails and is tried again; the tag is not moved by an older answer, and is set when it comes."""
    old, a, b = (registry.image(name) for name in ("old", "a", "b"))
    answers(registry, a)
    if known:
        run(registry, mirror, pushed(a, 1))
    hidden = registry.manifests.pop(b.digest)
    answers(registry, old)
    copied = run(registry, mirror, pushed(b, 2))
    assert isinstance(copied.digest_failure, NotFound)
    assert (copied.tag_failure, copied.provisional) == (None, True)
    assert mirror.tagged(REPOSITORY, "v1") == (a.digest if known else old.digest)
    assert mirror.tags[REPOSITORY, "v1"].event == pushed(b, 2).event
    registry.manifests[b.digest] = hidden
    assert run(registry, mirror, pushed(b, 2)).failures == []
    assert mirror.tagged(REPOSITORY, "v1") == b.digest


def test_whoever_asks_brings_what_another_event_told_of(registry: Registry, mirror: Mirror) -> None:
    a, b = registry.image("a", tag="v1"), registry.image("b")
    hidden = registry.manifests.pop(b.digest)
    run(registry, mirror, pushed(b, 2))
    registry.failing[b.digest] = Unavailable("read", "it answered 500", "Wait.")
    copied = run(registry, mirror, None)
    assert (copied.failures, copied.tagged, copied.provisional) == ([], a.digest, True)
    registry.failing.clear()
    registry.manifests[b.digest] = hidden
    assert run(registry, mirror, None).tagged == b.digest
    assert mirror.lacks(REPOSITORY) == []


def test_a_digest_that_the_registry_names_and_does_not_give_fails_the_tag(registry: Registry, mirror: Mirror) -> None:
    a = registry.image("a", tag="v1")
    registry.failing[a.digest] = Unavailable("read", "it answered 500", "Wait.")
    copied = run(registry, mirror, None)
    assert isinstance(copied.tag_failure, Unavailable)
    assert mirror.tagged(REPOSITORY, "v1") is None


def test_a_tag_that_was_deleted_is_kept_where_it_was_pushed_last(registry: Registry, mirror: Mirror) -> None:
    a, b = registry.image("a", tag="v1"), registry.image("b")
    run(registry, mirror, pushed(a, 1))
    answers(registry, None)
    for event in (pushed(b, 2), pushed(a, 1), None):
        copied = run(registry, mirror, event)
        assert isinstance(copied.tag_failure, NotFound)
        assert (copied.digest_failure, copied.provisional) == (None, False)
        assert mirror.tagged(REPOSITORY, "v1") == b.digest
    assert mirror.tags[REPOSITORY, "v1"].version == 2


@pytest.mark.parametrize("now", [SOON, LATE])
def test_a_deleted_tag_that_was_never_set_is_set_to_its_push(registry: Registry, mirror: Mirror, now: datetime) -> None:
    a = registry.image("a")
    assert isinstance(run(registry, mirror, pushed(a, 1), now).tag_failure, NotFound)
    assert mirror.tagged(REPOSITORY, "v1") == a.digest


def test_a_late_event_does_not_move_a_deleted_tag_from_what_was_seen_since(registry: Registry, mirror: Mirror) -> None:
    a, b = registry.image("a", tag="v1"), registry.image("b")
    before = pushed(b, -60)
    run(registry, mirror, None)
    answers(registry, None)
    run(registry, mirror, before, LATE)
    assert mirror.tagged(REPOSITORY, "v1") == a.digest


def test_an_event_that_comes_while_the_registry_is_asked_is_not_written_over(
    registry: Registry, mirror: Mirror
) -> None:
    a, b = registry.image("a", tag="v1"), registry.image("b")

    def meanwhile() -> None:
        registry.after_resolve = lambda: None
        answers(registry, b)
        run(registry, mirror, pushed(b, 2))
        answers(registry, a)

    registry.after_resolve = meanwhile
    copied = run(registry, mirror, pushed(a, 1))
    assert (mirror.tagged(REPOSITORY, "v1"), copied.provisional) == (b.digest, True)


def test_a_tag_whose_name_storage_does_not_keep_leaves_the_image_by_its_digest(
    registry: Registry, mirror: Mirror
) -> None:
    a = registry.image("a", tag="v1")
    keep: Callable[[Reference, Observation], None] = mirror.target.history.observe

    def refuse(reference: Reference, seen: Observation) -> None:
        if reference.tag is not None:
            raise UnkeptName("write the history", "storage does not keep the name", "Give another.")
        keep(reference, seen)

    mirror.target.history.observe = refuse  # type: ignore[method-assign]
    copied = run(registry, mirror, pushed(a, 1))
    assert (copied.digest, copied.tagged) == (a.digest, None)
    assert isinstance(copied.tag_failure, UnkeptName)
    assert [(it.tag, seen.digest) for it, seen in mirror.history] == [(None, a.digest)]
    assert registry.times("resolve") == 0
