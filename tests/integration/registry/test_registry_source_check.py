"""Whether a repository of the registry has a blob: asked without reading it, and for that repository alone."""

import pytest

from acrmirror.errors import Denied, MirrorError, NotFound, Throttled, Unavailable
from tests.integration.registry.conftest import Bed, described


def test_a_repository_has_what_was_pushed_to_it_and_nothing_else(bed: Bed) -> None:
    blob = bed.push_blob("check/secret", b"only here")
    bed.push_blob("check/public", b"another")
    bed.control.reset_requests()
    with bed.open() as registry:
        registry.check_blob("check/secret", blob)
        with pytest.raises(NotFound, match=r"check/public/blobs/sha256"):
            registry.check_blob("check/public", blob)
        with pytest.raises(NotFound):
            registry.check_blob("check/none", blob)
    assert bed.calls() == ["HEAD blob 200", "HEAD blob 404", "HEAD blob 404"]
    assert bed.control.requests(kind="data") == []


def test_an_answer_that_sends_the_asker_on_is_a_yes_and_is_not_followed(bed: Bed) -> None:
    """The registry's description of its API has 307 for this request, too."""
    blob = bed.push_blob("check/redirected", b"x")
    bed.control.set_faults(
        [{"match": {"kind": "blob"}, "do": {"status": 307, "headers": {"Location": "https://a.b/"}}}]
    )
    with bed.open() as registry:
        registry.check_blob("check/redirected", blob)


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (429, Throttled), (500, Unavailable), (503, Unavailable)])
def test_a_refusal_is_neither_yes_nor_no(bed: Bed, status: int, kind: type[MirrorError]) -> None:
    bed.control.set_faults([{"match": {"kind": "blob"}, "do": {"status": status}}])
    with bed.open() as registry, pytest.raises(kind):
        registry.check_blob("check/refused", described(b"x"))


def test_each_question_is_counted(bed: Bed) -> None:
    blob = bed.push_blob("check/counted", b"x")
    told: list[tuple[str, int]] = []
    with bed.open() as registry:
        registry.counted(lambda kind, status: told.append((kind, status))).check_blob("check/counted", blob)
    assert told == [("blob", 200)]
