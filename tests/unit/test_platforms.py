"""The platform that a person names, and the image of an index that docker would take for it."""

import pytest

from acrmirror.errors import Malformed
from acrmirror.oci import Platform
from acrmirror.platforms import choose, parse_platform


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("linux/amd64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/armel", "linux/arm/v6"),
        ("Windows/AMD64", "windows/amd64"),
    ],
)
def test_one_spelling_for_each_platform(text: str, spelled: str) -> None:
    assert str(parse_platform(text)) == spelled


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/am d64", "linux/é"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_platform(text)


def _choose(wanted: str, *offered: str) -> str | None:
    return choose([(text, parse_platform(text)) for text in offered], parse_platform(wanted))


@pytest.mark.parametrize(
    ("wanted", "offered", "taken"),
    [
        ("linux/amd64", ["linux/arm64/v8", "linux/amd64"], "linux/amd64"),
        ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], "linux/arm64/v8"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
        ("linux/arm/v6", ["linux/arm/v7"], None),
        ("linux/arm64", ["linux/amd64", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/amd64", ["linux/386"], "linux/386"),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"),
        ("linux/amd64", ["linux/amd64/v3"], None),
        ("linux/s390x", ["linux/amd64", "unknown/unknown"], None),
        ("windows/amd64", ["linux/amd64"], None),
    ],
)
def test_docker_takes_the_nearest_that_the_machine_runs(wanted: str, offered: list[str], taken: str | None) -> None:
    assert _choose(wanted, *offered) == taken


def test_among_equals_the_index_decides() -> None:
    amd64 = Platform("linux", "amd64")
    assert choose([("first", amd64), ("second", amd64), ("none", None)], amd64) == "first"
