"""The platform that a person names, and the image of an index that docker would take for it."""

import json

import pytest

from acrmirror.errors import Malformed
from acrmirror.oci import Platform
from acrmirror.platforms import choose, offered, parse_platform, platform_of

WINDOWS_2022 = "windows(10.0.20348.9)/amd64"
REFUSED = ["", "/", "linux/", "a/b/c/d", "linux/am d64", "linux/é"]
REFUSED += ["windows(1)/amd64:1", "windows(1/amd64", "a(+)/b", "a/b:"]


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
        ("windows", "windows/amd64"),
        ("linux", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("windows(10.0.20348)/amd64", "windows(10.0.20348)/amd64"),
        ("windows/amd64:10.0.20348", "windows(10.0.20348)/amd64"),
        ("windows(10.0.20348)", "windows(10.0.20348)/amd64"),
        ("windows(10.0.20348+win32k)/amd64", "windows(10.0.20348+win32k)/amd64"),
        ("linux(+a+b)/arm/6", "linux(+a+b)/arm/v6"),
    ],
)
def test_one_spelling_for_each_platform(text: str, spelled: str) -> None:
    assert str(parse_platform(text)) == spelled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "linux/",
        "a/b/c/d",
        "linux/am d64",
        "linux/é",
        "windows(1)/amd64:1",
        "windows(1/amd64",
        "a(+)/b",
        "a/b:",
    ],
)
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
        ("windows", ["linux/amd64", "windows(10.0.17763)/amd64"], "windows(10.0.17763)/amd64"),
        (
            "windows(10.0.20348)",
            ["windows(10.0.17763.1)/amd64", "windows(10.0.20348.9)/amd64"],
            "windows(10.0.20348.9)/amd64",
        ),
        (
            "windows(10.0.20348.9)",
            ["windows(10.0.20348.1)/amd64", "windows(10.0.20348.9)/amd64"],
            "windows(10.0.20348.9)/amd64",
        ),
        ("windows(10.0.20348.9)", ["windows(10.0.20348.1)/amd64"], "windows(10.0.20348.1)/amd64"),
        ("windows(10.0.2034)", ["windows(10.0.20348.1)/amd64"], None),
        ("windows/amd64:10.0.26100", ["windows(10.0.20348)/amd64"], None),
        ("linux/amd64", ["linux(+nydus.remoteimage.v1)/amd64", "linux/amd64"], "linux/amd64"),
        ("linux/amd64", ["linux(+nydus.remoteimage.v1)/amd64"], "linux(+nydus.remoteimage.v1)/amd64"),
        ("linux(+a)/amd64", ["linux/amd64", "linux(+a+b)/amd64", "linux(+a)/amd64"], "linux(+a)/amd64"),
        ("linux(+a)/amd64", ["linux/amd64"], None),
    ],
)
def test_docker_takes_the_nearest_that_the_machine_runs(wanted: str, offered: list[str], taken: str | None) -> None:
    assert _choose(wanted, *offered) == taken


def test_among_equals_the_index_decides() -> None:
    amd64 = Platform("linux", "amd64")
    assert choose([("first", amd64), ("second", amd64), ("none", None)], amd64) == "first"


def test_what_is_offered_is_on_one_line_and_no_more_than_fits() -> None:
    odd = [Platform("a\nb\x1b[2J", "[/bold]"), None, Platform("unknown", "unknown"), Platform("", "")]
    assert offered(odd) == "it has a\ufffdb\ufffd[2j/[/bold]"
    many = offered([Platform("linux", f"a{n:03}") for n in range(500)])
    assert many.endswith("linux/a029 and 470 more")
    assert offered([None]) == "it has no platforms"


def test_a_config_states_its_platform_with_version_and_features() -> None:
    config = {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.1", "os.features": ["win32k", 3]}
    assert str(platform_of(json.dumps(config).encode())) == "windows(10.0.20348.1+win32k)/amd64"
