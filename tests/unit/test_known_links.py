"""What a worker remembers of repositories' blobs, and for how long."""

from dataclasses import replace

from acrmirror.mirror.known import KnownLinks
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest

ONE, TWO, THREE = (
    Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest.of(name), 1) for name in (b"1", b"2", b"3")
)


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
    for it in (ONE, TWO, ONE, THREE):
        known.add("app", it)
    assert [known.has("app", it) for it in (ONE, TWO, THREE)] == [True, False, True]


def test_what_another_manifest_says_of_its_size_is_not_known() -> None:
    known = KnownLinks(10, 5, lambda: 0.0)
    known.add("app", ONE)
    assert not known.has("app", replace(ONE, size=2))
