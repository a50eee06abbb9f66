"""Where tags were at a moment, read from history in storage."""

from dataclasses import replace

from acrmirror.history import Observation
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.past import tag_at, tags_at
from acrmirror.moments import Moment, end_of
from acrmirror.oci import OCI_MANIFEST, Descriptor
from acrmirror.reference import Digest, Reference

REPOSITORY = "team/app"


def image(name: str) -> Descriptor:
    return Descriptor(OCI_MANIFEST, Digest.of(name.encode()), len(name))


def moment(minute: int) -> Moment:
    return end_of(f"2026-04-25T12:{minute:02}:00.0Z")


def pushed(store: MirrorStore, tag: str, name: str, at: Moment) -> None:
    it = image(name)
    store.history.observe(Reference(REPOSITORY, tag), Observation(at, it.digest, f"push-{name}", "event"))


def answered(store: MirrorStore, tag: str, name: str, at: Moment, *, provisional: bool = False) -> None:
    seen = Observation.of_resolve(image(name), at, f"job-{name}")
    store.history.observe(Reference(REPOSITORY, tag), replace(seen, provisional=provisional))


def where(store: MirrorStore, tag: str, at: Moment) -> Digest | None:
    seen = tag_at(store.history, REPOSITORY, tag, at)
    return seen.digest if seen is not None else None


def test_a_tag_that_moved_five_times_is_where_it_was_at_each_moment(store: MirrorStore) -> None:
    for number in range(5):
        pushed(store, "v1", f"image-{number}", moment(10 * number))
        answered(store, "v1", f"image-{number}", moment(10 * number + 1))
    assert where(store, "v1", Moment("2026-04-25T11:59:59.999999999Z")) is None
    for number in range(5):
        for minute in (0, 1, 9):
            assert where(store, "v1", moment(10 * number + minute)) == image(f"image-{number}").digest
    assert where(store, "v1", end_of("2026-04-25")) == image("image-4").digest
    assert where(store, "v1", end_of("2026-04-24")) is None
    assert where(store, "other", end_of("2026-04-25")) is None


def test_what_a_replica_that_was_behind_answered_moves_no_tag_in_the_past(store: MirrorStore) -> None:
    pushed(store, "v1", "old", moment(0))
    pushed(store, "v1", "new", moment(40))
    answered(store, "v1", "old", moment(41))
    answered(store, "v1", "old", moment(42), provisional=True)
    assert where(store, "v1", moment(39)) == image("old").digest
    assert where(store, "v1", moment(45)) == image("new").digest


def test_a_tag_of_which_only_doubtful_answers_are_known_is_where_the_last_of_them_says(store: MirrorStore) -> None:
    answered(store, "v1", "old", moment(0), provisional=True)
    answered(store, "v1", "new", moment(1), provisional=True)
    assert where(store, "v1", moment(2)) == image("new").digest


def test_all_tags_of_a_moment(store: MirrorStore) -> None:
    """Storage lists `v1-x/` and `v1.0/` before `v1/`: none of them is taken for another."""
    for tag in ("v1", "v1.0", "v1-x", "latest"):
        pushed(store, tag, f"{tag}-a", moment(0))
        pushed(store, tag, f"{tag}-b", moment(10))
    pushed(store, "later", "later-a", moment(10))
    store.history.observe(Reference("team/app/more", "v1"), Observation(moment(0), image("x").digest, "x", "event"))

    def all_of(at: Moment) -> dict[str, Digest]:
        return {tag: seen.digest for tag, seen in tags_at(store.history, REPOSITORY, at)}

    tags = ("v1", "v1.0", "v1-x", "latest")
    assert all_of(moment(5)) == {tag: image(f"{tag}-a").digest for tag in tags}
    assert all_of(moment(10)) == {tag: image(f"{tag}-b").digest for tag in (*tags,)} | {
        "later": image("later-a").digest
    }
    assert all_of(end_of("2026-04-24")) == {}


def test_what_the_registry_answered_in_the_course_of_a_second_counts_from_its_end_on(store: MirrorStore) -> None:
    """Its `Date` is cut to the second: a push of 12:00:00.7 may be answered with 12:00:00."""
    pushed(store, "v1", "before", end_of("2026-04-25T12:00:00.5Z"))
    answered(store, "v1", "after", end_of("2026-04-25T12:00:00.0Z"))
    pushed(store, "v1", "after", end_of("2026-04-25T12:00:00.7Z"))
    assert where(store, "v1", end_of("2026-04-25T12:00:00.5Z")) == image("before").digest
    assert where(store, "v1", end_of("2026-04-25T12:00:00Z")) == image("after").digest
    answered(store, "later", "x", end_of("2026-04-25T12:00:00.0Z"))
    assert where(store, "later", end_of("2026-04-25T12:00:00.9Z")) is None
    assert where(store, "later", end_of("2026-04-25T12:00:00Z")) == image("x").digest
    # Whoever takes the time from the list of what moved gets what moved.
    assert where(store, "later", end_of("2026-04-25T12:00:00.0Z")) == image("x").digest
