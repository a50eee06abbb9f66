"""What the path behind /api/v1/images/ names."""

import pytest

from acrmirror.errors import InvalidReference, Refused
from acrmirror.http.paths import Place, read_path
from acrmirror.reference import Reference

REGISTRY = "demo.azurecr.io"
HEX = "a" * 64


def read(path: str, *existing: str) -> tuple[str, str | None, bool]:
    place: Place = read_path(path, REGISTRY, lambda repository: repository in existing)
    named = place.reference
    return place.repository, str(named) if isinstance(named, Reference) else None, place.content


@pytest.mark.parametrize(
    ("path", "existing", "named"),
    [
        ("team/app", [], ("team/app", None, False)),
        ("team/app", ["team"], ("team", "team:app", False)),
        ("team/app", ["team", "team/app"], ("team/app", None, False)),
        ("team/app/1.2", ["team/app"], ("team/app", "team/app:1.2", False)),
        ("team/app/1.2/content", ["team/app"], ("team/app", "team/app:1.2", True)),
        ("team/app/content", ["team/app"], ("team/app", "team/app:content", False)),
        ("team/app/content", ["team"], ("team", "team:app", True)),
        ("team/app/content", ["team/app/content"], ("team/app/content", None, False)),
        ("team/app/V1", ["team/app"], ("team/app", "team/app:V1", False)),
    ],
)
def test_of_several_readings_the_one_whose_repository_exists(
    path: str, existing: list[str], named: tuple[str, str | None, bool]
) -> None:
    assert read(path, *existing) == named


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("team%2Fapp", ("team/app", None, False)),
        ("team%2fapp/app", ("team/app", "team/app:app", False)),
        ("team%2Fapp/content", ("team/app", "team/app:content", False)),
        ("team%2Fapp/1/content", ("team/app", "team/app:1", True)),
        (f"team%2Fapp/sha256:{HEX}", ("team/app", f"team/app@sha256:{HEX}", False)),
        ("team/app:1.2", ("team/app", "team/app:1.2", False)),
        ("team/app:1.2/content", ("team/app", "team/app:1.2", True)),
        (f"team/app/sha256:{HEX}/content", ("team/app", f"team/app@sha256:{HEX}", True)),
        (f"team/app:1@sha256:{HEX}", ("team/app", f"team/app:1@sha256:{HEX}", False)),
        (f"{REGISTRY}/team/app:1", ("team/app", "team/app:1", False)),
        (f"{REGISTRY}/team%2Fapp/1", ("team/app", "team/app:1", False)),
    ],
)
def test_some_forms_have_one_reading_whatever_exists(path: str, named: tuple[str, str | None, bool]) -> None:
    assert read(path) == named
    assert read(path, "team", "team/app/1.2", "team/app/content", "team/app/app") == named


@pytest.mark.parametrize(
    "path", ["Team", "team//app", "/", "..", "a/../b", "a%2F", "a%2Fb/c/d", "a%2Fb/1/content/x", "é"]
)
def test_what_no_name_allows_is_refused(path: str) -> None:
    with pytest.raises(InvalidReference):
        read(path)


def test_a_host_that_no_repository_begins_with_is_refused() -> None:
    with pytest.raises(Refused):
        read("example.org:443/team/app:1")


def test_the_registrys_own_host_is_left_out_however_it_is_written() -> None:
    assert read("demo.azurecr.io%2Fteam%2Fapp") == ("team/app", None, False)
    assert read("DEMO.azurecr.io%2Fteam%2Fapp/1.2") == ("team/app", "team/app:1.2", False)


@pytest.mark.parametrize("path", ["docker.io/library/nginx:1", "demo.azurecr.io/docker.io/library/nginx:1"])
def test_a_repository_may_begin_like_a_host(path: str) -> None:
    assert read(path) == ("docker.io/library/nginx", "docker.io/library/nginx:1", False)
