"""Where a tag is set."""

import pytest

from acrmirror.errors import (
    Conflict,
    NotFound,
)
from acrmirror.reference import Digest
from tests.in_memory import AT, Mirror, Registry
from tests.unit.copied import REPOSITORY, copy, whole


def test_the_digest_is_mirrored_and_the_tag_set_to_where_it_is_now(registry: Registry, mirror: Mirror) -> None:
    first, second = registry.image("first", tag="v1"), registry.image("second", tag="v1")
    assert whole(registry, mirror, first.digest, "v1").tagged == second.digest
    assert {digest for _, digest in mirror.revisions} == {first.digest, second.digest}
    assert mirror.tagged(REPOSITORY, "v1") == second.digest


def test_an_equal_digest_is_written_too(registry: Registry, mirror: Mirror) -> None:
    """Else one that read the link before could write an older answer over it (A→B→A)."""
    image = registry.image("one", tag="v1")
    for version in (1, 2, 3):
        whole(registry, mirror, image.digest, "v1")
        assert mirror.tags[REPOSITORY, "v1"].version == version


def test_the_link_is_read_before_the_registry_is_asked(registry: Registry, mirror: Mirror) -> None:
    """A to B to A: this job resolved B; then another found A and wrote it; this one's B must not be written over it."""
    a, b = registry.image("a", tag="v1"), registry.image("b")
    whole(registry, mirror, a.digest, "v1")
    whole(registry, mirror, b.digest)
    registry.tags["v1"] = b.digest

    def meanwhile() -> None:
        registry.after_resolve = lambda: None
        registry.tags["v1"] = a.digest
        copied = copy(registry, mirror, a.digest, "v1")
        assert copied.failures == []

    registry.after_resolve = meanwhile
    whole(registry, mirror, b.digest, "v1")
    assert mirror.tagged(REPOSITORY, "v1") == a.digest


def test_the_tag_is_read_anew_after_what_it_points_at_was_copied(registry: Registry, mirror: Mirror) -> None:
    a, b = registry.image("a"), registry.image("b", tag="v1")
    moves = iter([None, a.digest])

    def move() -> None:
        registry.tags["v1"] = next(moves, None) or registry.tags["v1"]

    registry.before_resolve = move
    whole(registry, mirror, None, "v1")
    assert mirror.tagged(REPOSITORY, "v1") == a.digest
    assert {digest for _, digest in mirror.revisions} == {a.digest, b.digest}


def test_history_has_every_answer_before_the_link_and_whatever_becomes_of_it(
    registry: Registry, mirror: Mirror
) -> None:
    image = registry.image("one", tag="v1")
    whole(registry, mirror, image.digest, "v1")
    mirror.writes.clear()

    def meanwhile() -> None:
        assert mirror.writes[-1] == ("history", image.digest)
        if len(mirror.history) == 2:
            mirror.tags[REPOSITORY, "v1"].version += 1
            mirror.tags[REPOSITORY, "v1"] = type(mirror.tags[REPOSITORY, "v1"])(image.digest, 9)

    mirror.before_tag = meanwhile
    whole(registry, mirror, image.digest, "v1")
    assert [seen.kind for _, seen in mirror.history] == ["resolve"] * 3
    assert {str(reference) for reference, _ in mirror.history} == {f"{REPOSITORY}:v1"}
    assert {seen.at for _, seen in mirror.history} == {AT}


def test_a_tag_that_never_rests_is_given_up_for_now(
    registry: Registry, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acrmirror.copying.tagging.TAG_ROUNDS", 5)
    image = registry.image("one", tag="v1")
    whole(registry, mirror, image.digest, "v1")

    def meanwhile() -> None:
        mirror.tags[REPOSITORY, "v1"] = type(mirror.tags[REPOSITORY, "v1"])(image.digest, 0)

    mirror.before_tag = meanwhile
    copied = copy(registry, mirror, image.digest, "v1")
    assert isinstance(copied.tag_failure, Conflict)
    assert copied.digest_failure is None


def test_a_digest_that_is_gone_does_not_keep_the_tag_from_being_set(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one", tag="v1")
    copied = copy(registry, mirror, Digest.of(b"purged"), "v1")
    assert isinstance(copied.digest_failure, NotFound)
    assert copied.tag_failure is None
    assert mirror.tagged(REPOSITORY, "v1") == image.digest


def test_a_tag_that_is_gone_does_not_keep_the_digest_away(registry: Registry, mirror: Mirror) -> None:
    image = registry.image("one")
    copied = copy(registry, mirror, image.digest, "deleted")
    assert copied.digest_failure is None
    assert isinstance(copied.tag_failure, NotFound)
    assert (REPOSITORY, image.digest) in mirror.revisions
