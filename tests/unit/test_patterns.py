"""Patterns that choose repositories and tags."""

import time

import pytest

from acrmirror.errors import Malformed
from acrmirror.patterns import Patterns

REGISTRY = "demo.azurecr.io"


@pytest.mark.parametrize(
    ("texts", "repository", "tag", "chosen"),
    [
        (["*"], "any/thing", "v1", True),
        (["team/*"], "team/app/deep", "v1", True),
        (["team/*"], "team", "v1", False),
        (["team/*", "!team/tmp-*"], "team/tmp-1", "v1", False),
        (["!team/tmp-*", "team/*"], "team/tmp-1", "v1", False),
        (["base/os:v*"], "base/os", "v1", True),
        (["base/os:v*"], "base/os", "latest", False),
        (["*", "!*:tmp-*"], "base/os", "tmp-1", False),
        (["*", "!*:tmp-*"], "base/os", "v1", True),
        (["team/app"], "team/app", "V_1", True),
        (["demo.azurecr.io/team/app", "!demo.azurecr.io/*:x"], "team/app", "v1", True),
        (["a.b"], "aXb", "v1", False),
    ],
)
def test_what_is_chosen(texts: list[str], repository: str, tag: str, chosen: bool) -> None:
    patterns = Patterns.parse(texts, REGISTRY)
    assert patterns.matches(repository, tag) is chosen
    assert patterns.may_match(repository) or not chosen


def test_a_repository_that_is_taken_away_whole_is_not_even_listed() -> None:
    patterns = Patterns.parse(["*", "!team/*", "!base/*:tmp"], REGISTRY)
    assert not patterns.may_match("team/app")
    assert patterns.may_match("base/os")


@pytest.mark.parametrize("texts", [["!a"], ["Team"], ["a:"], ["a b"], ["é*"], ["a:b:c"], [""], ["!"]])
def test_what_is_no_pattern_is_refused(texts: list[str]) -> None:
    with pytest.raises(Malformed):
        Patterns.parse(texts, REGISTRY)


def test_stars_do_not_make_it_slow() -> None:
    patterns = Patterns.parse(["*a" * 25 + "b"], REGISTRY)
    begun = time.perf_counter()
    patterns.matches("a" * 255, "v1")
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize(
    ("given", "wanted", "covered"),
    [
        (["*"], ("team/*", "base*"), True),
        (["team/*", "base*", "more"], ("base*", "team/*"), True),
        (["team/*"], ("team/*", "base*"), False),
        (["*", "!team/tmp-*"], ("team/*",), False),
        (["team/*"], ("*",), False),
        (["*:v*"], ("*",), False),
    ],
)
def test_whether_all_that_other_patterns_choose_is_chosen(
    given: list[str], wanted: tuple[str, ...], covered: bool
) -> None:
    assert Patterns.parse(given, "demo.azurecr.io").cover(wanted) == covered
