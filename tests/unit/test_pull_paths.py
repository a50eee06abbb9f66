"""What a path behind /v2/ names, and what of its listings a page has."""

import pytest

from acrmirror.moments import end_of
from acrmirror.serve.paging import Wanted
from acrmirror.serve.paths import Kind, Place, read_path
from acrmirror.serve.wire import SpecError

REGISTRY = "demo.azurecr.io"
DAY, TIME = end_of("2026-11-01"), end_of("2026-11-01t12.00.00z")


@pytest.mark.parametrize(
    ("path", "kind", "repository", "reference"),
    [
        ("", Kind.BASE, "", ""),
        ("/", Kind.BASE, "", ""),
        ("_catalog", Kind.CATALOG, "", ""),
        ("app/tags/list", Kind.TAGS, "app", ""),
        ("team/app/tags/list/", Kind.TAGS, "team/app", ""),
        ("team%2Fapp/manifests/v1", Kind.MANIFEST, "team/app", "v1"),
        ("team%2fapp/manifests/sha256:ab", Kind.MANIFEST, "team/app", "sha256:ab"),
        ("a/manifests/b/manifests/c", Kind.MANIFEST, "a/manifests/b", "c"),
        ("manifests/manifests/manifests", Kind.MANIFEST, "manifests", "manifests"),
        ("tags/list/tags/list", Kind.TAGS, "tags/list", ""),
        ("admin/host/blobs/sha256:ab", Kind.BLOB, "admin/host", "sha256:ab"),
        ("api/pulls/manifests/latest", Kind.MANIFEST, "api/pulls", "latest"),
        ("demo.azurecr.io/team/app/manifests/v1", Kind.MANIFEST, "team/app", "v1"),
        ("demo.azurecr.io/demo.azurecr.io/team/app/manifests/v1", Kind.MANIFEST, "demo.azurecr.io/team/app", "v1"),
        ("other.azurecr.io/team/app/manifests/v1", Kind.MANIFEST, "other.azurecr.io/team/app", "v1"),
        ("app/referrers/sha256:ab", Kind.REFERRERS, "app", "sha256:ab"),
    ],
)
def test_a_path_is_read_from_its_end(path: str, kind: Kind, repository: str, reference: str) -> None:
    place = read_path(path, REGISTRY)
    assert (place.kind, place.repository, place.reference, place.at) == (kind, repository, reference, None)


@pytest.mark.parametrize(
    ("name", "repository", "at"),
    [
        ("at/2026-11-01/team/app", "team/app", DAY),
        ("at/2026-11-01t12.00.00z/app", "app", TIME),
        ("at/2026-11-01/demo.azurecr.io/team/app", "team/app", DAY),
        ("demo.azurecr.io/at/2026-11-01/team/app", "team/app", DAY),
        ("demo.azurecr.io/at/2026-11-01/demo.azurecr.io/team/app", "demo.azurecr.io/team/app", DAY),
        ("at/2026-11-01/at/2026-11-01/app", "at/2026-11-01/app", DAY),
        ("at/noon/app", "at/noon/app", None),
        ("at/2026-13-01/app", "at/2026-13-01/app", None),
        ("at/2026-11-01", "at/2026-11-01", None),
        ("at/app", "at/app", None),
    ],
)
def test_a_moment_before_a_name_asks_for_the_past(name: str, repository: str, at: str | None) -> None:
    for rest in ("manifests/v1", "tags/list"):
        place = read_path(f"{name}/{rest}", REGISTRY)
        assert (place.repository, place.at) == (repository, at)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("app", "UNSUPPORTED"),
        ("app/manifests", "UNSUPPORTED"),
        ("tags/list", "UNSUPPORTED"),
        ("/manifests/v1", "UNSUPPORTED"),
        ("app//manifests/v1", "NAME_INVALID"),
        ("App/manifests/v1", "NAME_INVALID"),
        ("app\n/manifests/v1", "NAME_INVALID"),
        ("../app/manifests/v1", "NAME_INVALID"),
        ("team%252Fapp/manifests/v1", "NAME_INVALID"),
        (f"{'a' * 256}/manifests/v1", "NAME_INVALID"),
        ("demo.azurecr.io//manifests/v1", "NAME_INVALID"),
    ],
)
def test_what_names_nothing_is_a_miss(path: str, code: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_path(path, REGISTRY)
    assert raised.value.reply.status == 404
    assert f'"{code}"'.encode() in raised.value.reply.body


def test_a_page_leads_to_the_next_and_the_last_to_none() -> None:
    names = ["a", "b/c", "d"]
    page, headers = Wanted.of({"n": "2"}, 100, 1000).page(iter(names), Place(Kind.CATALOG, "_catalog").path)
    assert page == names[:2]
    assert headers == {"Link": '</v2/_catalog?n=2&last=b%2Fc>; rel="next"'}
    assert Wanted.of({"n": "3"}, 100, 1000).page(names, "_catalog") == (names, {})
    assert Wanted.of({"n": "0"}, 100, 1000).page(names, "_catalog") == ([], {})
    assert Wanted.of({"last": "x"}, 100, 1000) == Wanted(100, "x")
    assert Wanted.of({"n": "9" * 30}, 100, 1000).count == 1000
