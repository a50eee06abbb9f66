"""What holds for every call of the HTTP API: the key that it needs, and HEAD beside GET."""

import runpy
from functools import cache

import pytest

from standins.stack import Stack
from testkit.images import oci_image
from testkit.stack import ROOT
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring

OPEN = {"live", "status", "status/icon.svg"}
"""Calls that need no key: that it runs, and the page without anything in it."""
PLACES = {
    "{id}": ("8204456366608-76ad9328fefb",),
    "{credential}": ("aks-prod",),
    "{*path}": ("team", "team/app/1", "team/app/1/content"),
    "/{file?}": ("", "/icon.svg"),
}


REGISTRY_ROUTE = "v2/{*path}"
"""What container tools ask, which sign in otherwise."""


@cache
def calls() -> list[tuple[str, str]]:
    """Every method and path of the API; what stands for a parameter is made up."""
    found = []
    # A module of its own: an app tells its functions once.
    for function in runpy.run_path(str(ROOT / "function_app.py"))["app"].get_functions():
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger" and trigger["route"] != REGISTRY_ROUTE:
            assert trigger["route"].startswith("api/")
            route = trigger["route"].removeprefix("api/")
            place = next((it for it in PLACES if it in route), None)
            paths = [route]
            if place is not None:
                paths = [route.replace(place, value) for value in PLACES[place]]
            found += [(str(getattr(it, "value", it)), path) for it in trigger["methods"] for path in paths]
    return sorted(found)


def test_the_list_of_calls_is_not_empty() -> None:
    assert {("GET", "health"), ("HEAD", "live"), ("DELETE", f"pulls/{PLACES['{id}'][0]}")} < set(calls())


@pytest.mark.parametrize(("method", "path"), calls())
def test_nothing_answers_without_a_key_but_what_tells_nothing(stack: Stack, method: str, path: str) -> None:
    for key in (None, "wrong", stack.functions.system_key):
        got = Caller(stack.functions.url, key)(method, path)
        if path in OPEN:
            assert got.status == 200
        else:
            assert (got.status, got.raw) == (401, b"")
            assert Caller(stack.functions.url, None)(method, f"{path}?code={key}").status == 401


def test_the_key_may_come_in_the_query(stack: Stack) -> None:
    assert Caller(stack.functions.url, None)("GET", f"pulls?code={stack.functions.function_key}").status == 200


def test_head_answers_as_get_does_without_the_body(mirror: Mirroring, call: Caller, repository: str) -> None:
    mirror.push(repository, oci_image(repository, tag="1"))
    done = call("POST", "pulls", {"image": f"{repository}:1", "wait": 30}).json
    image = f"images/{repository}:1"
    paths = [
        "pulls?n=1",
        f"history/{repository}?n=1",
        f"pulls/{done['id']}",
        "audits?n=1",
        "images?n=1",
        f"images/{repository}",
        image,
        f"{image}/content",
    ]
    paths += ["credentials", "restores?n=1", f"archives/{done['id']}", f"rebuilds/{done['id']}"]
    paths += ["health", "live", "status", "status/icon.svg", "openapi.json", "pulls?n=0", "images/never/there:1"]
    assert {path.split("?")[0].split("/")[0] for path in paths} == {
        path.split("/")[0] for method, path in calls() if method == "HEAD"
    }
    for path in paths:
        got, head = call("GET", path), call("HEAD", path)
        assert (head.status, head.raw) == (got.status, b""), path
        for name in ("Content-Type", "Link", "Location", "Cache-Control"):
            assert head.headers.get(name) == got.headers.get(name), path


def test_what_is_no_call_is_not_there(call: Caller) -> None:
    for method, path in (("GET", "nonsense"), ("PUT", "pulls"), ("DELETE", "images/team/app")):
        got = call(method, path)
        assert (got.status, got.raw) == (404, b"")
