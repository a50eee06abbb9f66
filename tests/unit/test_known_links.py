"""What a worker remembers of repositories' blobs, and for how long."""

from acrmirror.mirror.known import KnownLinks
from acrmirror.reference import Digest

ONE, TWO, THREE = (Digest.of(name) for name in (b"1", b"2", b"3"))


def test_what_is_known_is_forgotten_after_a_while() -> None:
    now = 0.0
    known = KnownLinks(10, 5, lambda: now)
    known.add("app", ONE)
    assert known.has("app", ONE)
    assert not known.has("other", ONE)
    now = 9.9
    assert known.has("app", ONE)
    now = 10.0
    assert not known.has("app", ONE)


def test_what_is_learnt_again_is_kept_from_then_on() -> None:
    now = 0.0
    known = KnownLinks(10, 5, lambda: now)
    known.add("app", ONE)
    now = 9.0
    known.add("app", ONE)
    now = 18.0
    assert known.has("app", ONE)


def test_of_too_many_the_oldest_are_forgotten() -> None:
    known = KnownLinks(10, 2, lambda: 0.0)
    for digest in (ONE, TWO, ONE, THREE):
        known.add("app", digest)
    assert [known.has("app", it) for it in (ONE, TWO, THREE)] == [True, False, True]
