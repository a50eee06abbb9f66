"""Whatever text comes from outside, what looks through it reads it about once."""

import contextlib
import importlib
import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator

import pytest

import acrmirror
from acrmirror.errors import MirrorError
from acrmirror.registry.failures import refusal
from acrmirror.registry.pages import next_page
from acrmirror.registry.tokens import _PARAMETER

LENGTH = 60_000
WITHIN = 0.5
"""Seconds for one text of that length; a machine that is busy takes some milliseconds. Quadratic is 2 and more."""
UNITS = (
    *("a", "A", "0", "_", "-", ".", "/", ":", ";", " ", "<", ">", "=", '"', "é", "\n", "[", "%2F", "eyJ", "eyJ.", "a."),
    *(
        "a-",
        "-a",
        "a/",
        "a:",
        "a=",
        'a="',
        'a="",',
        "; ",
        ";a",
        "<a>;",
        "<a>; rel=",
        "sig=",
        "Bearer ",
        "0.",
        "0-",
        "__",
    ),
    *("__", "/manifests", "/_tags/", "/providers/", "/v2/a/manifests/", "1234567890", "127.0.0.1", "linux/", "a@", "*"),
)


def texts(unit: str) -> Iterator[str]:
    for begin in ("", "a", "/v2/", "/acr/v1/", "<"):
        for end in ("", "\0", ">", '"'):
            yield begin + unit * (LENGTH // len(unit)) + end


def seconds(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    with contextlib.suppress(MirrorError):
        work()
    return time.thread_time() - begun


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every compiled one of the app for text; those for bytes are for lines of a bounded length."""
    for module in pkgutil.walk_packages(acrmirror.__path__, "acrmirror."):
        if module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                yield f"{module.name}.{name}", value


def test_every_pattern_decides_about_a_whole_text_in_one_go() -> None:
    found = dict(patterns())
    assert len(found) > 15
    slow = {
        (name, text[:20])
        for name, pattern in found.items()
        for unit in UNITS
        for text in texts(unit)
        if seconds(lambda: pattern.fullmatch(text)) > WITHIN  # noqa: B023 - called at once
    }
    assert slow == set()


@pytest.mark.parametrize("unit", UNITS)
def test_what_a_registry_says_is_looked_through_in_one_go(unit: str) -> None:
    for text in texts(unit):
        error = json.dumps({"errors": [{"code": text, "message": text}]}).encode()
        for work in (
            lambda: refusal("GET x", 403, {}, error[: 64 * 1024]),  # noqa: B023 - called at once
            lambda: refusal("GET x", 403, {}, json.dumps({"message": text}).encode()),  # noqa: B023
            lambda: _PARAMETER.findall(text),  # noqa: B023
            lambda: next_page(text, "https://demo.azurecr.io", "/v2/a", "GET x"),  # noqa: B023
            lambda: next_page(f"<{text}>; rel=next", "https://demo.azurecr.io", "/v2/a", "GET x"),  # noqa: B023
        ):
            assert seconds(work) < WITHIN
