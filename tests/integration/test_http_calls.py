"""What holds for every call of the HTTP API: the key that it needs, its paths with and without a version, HEAD beside
GET, and what is answered to a method or a path that is none."""

import runpy
from functools import cache

from acrmirror.http.routes import DEPRECATED_SINCE, ROUTES, WITHOUT_VERSION
from acrmirror.http.values import V1
from standins.stack import Stack
from testkit.images import oci_image
from testkit.stack import ROOT
from tests.integration.http_api import Caller, Got
from tests.integration.mirroring import Mirroring

BEFORE = "/api"
PAGE = ("status", "status/icon.svg")
PLACES = {"{id}": "8204456366608-76ad9328fefb", "{credential}": "aks-prod", "{*path}": "team/app/1"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ALIKE = ("Content-Type", "Location", "Cache-Control", "Retry-After", "Allow")


@cache
def paths() -> dict[str, set[str]]:
    """Every path of the API with its methods; what a parameter takes is made up."""
    found = {}
    for template, calls in ROUTES.items():
        path = "/".join(PLACES.get(it, it) for it in template)
        found[path] = set(calls) | ({"HEAD"} if "GET" in calls else set())
    return found


def linked(got: Got, relation: str) -> str | None:
    """The target of a link of the answer."""
    links = [it.strip().partition(">; ") for it in got.headers.get("Link", "").split(",")]
    return next((target.removeprefix("<") for target, _, told in links if told == f'rel="{relation}"'), None)


def test_the_function_that_takes_every_path_is_the_last() -> None:
    """Of several that take a path, the platform asks the first by name, in any case."""
    triggers = [
        (it.get_function_name(), it.get_trigger().get_dict_repr())
        # A module of its own: an app tells its functions once.
        for it in runpy.run_path(str(ROOT / "function_app.py"))["app"].get_functions()
    ]
    served = sorted(name.upper() for name, it in triggers if str(it.get("route", "")).startswith("api/"))
    assert served[-1] == "WEB_API"
    assert dict(triggers)["web_api"]["route"] == "api/{*path}"


def test_nothing_answers_without_a_key_but_what_tells_nothing(stack: Stack) -> None:
    for root in (V1, BEFORE):
        every = [(method, path) for path, methods in paths().items() for method in sorted(methods)]
        for method, path in [*every, ("GET", "nonsense"), ("PUT", "pulls")]:
            for key in (None, "wrong", stack.functions.system_key):
                got = Caller(stack.functions.url, key, root)(method, path)
                if path == "live":
                    assert got.status == 200
                else:
                    assert (got.status, got.raw) == (401, b""), (method, root, path)
            queried = Caller(stack.functions.url, None, root)(method, f"{path}?code=wrong")
            assert queried.status == (200 if path == "live" else 401)
    for path in PAGE:
        assert Caller(stack.functions.url, None, BEFORE)("GET", path).status == 200


def test_the_key_may_come_in_the_query(stack: Stack) -> None:
    assert Caller(stack.functions.url, None)("GET", f"pulls?code={stack.functions.function_key}").status == 200


def test_head_and_paths_without_a_version_answer_as_get_does(
    stack: Stack, mirror: Mirroring, call: Caller, repository: str
) -> None:
    before = Caller.of(stack, BEFORE)
    for tag in ("1", "2"):
        mirror.push(repository, oci_image(repository + tag, tag=tag))
        done = call("POST", "pulls", {"image": f"{repository}:{tag}", "wait": 30}).json
    image = f"images/{repository}:1"
    asked = ["pulls?n=1", f"history/{repository}?n=1", f"pulls/{done['id']}", "audits?n=1", "images?n=1", image]
    asked += [f"images/{repository}?n=1", f"images/{repository.replace('/', '%2F')}", f"{image}/content", "credentials"]
    asked += ["restores?n=1", f"restores/{done['id']}", f"archives/{done['id']}", f"rebuilds/{done['id']}", "health"]
    asked += [
        "live",
        "openapi.json",
        "pulls?n=0",
        "images/never/there:1",
        "nonsense",
        "pulls/",
        "PULLS?n=1",
        "stats",
        "jobs?n=1",
    ]
    asked += [f"jobs/{done['id']}"]
    assert {path.split("?")[0].split("/")[0] for path in asked} >= {
        path.split("/")[0] for path, methods in paths().items() if "GET" in methods
    }
    for path in asked:
        got, old = call("GET", path), before("GET", path)
        name = path.partition("?")[0]
        assert (old.status, linked(old, "next")) == (got.status, linked(got, "next")), path
        assert linked(got, "next") is None or str(linked(got, "next")).startswith(f"{V1}/")
        assert old.raw == got.raw or "content" in path or name in ("health", "stats"), path
        for head in (call("HEAD", path), before("HEAD", path)):
            assert (head.status, head.raw) == (got.status, b""), path
            assert [head.headers.get(it) for it in ALIKE] == [got.headers.get(it) for it in ALIKE], path
        assert "Deprecation" not in got.headers
        deprecated = name not in WITHOUT_VERSION | {"nonsense"}
        assert old.headers.get("Deprecation") == (f"@{DEPRECATED_SINCE}" if deprecated else None), path
        assert linked(old, "successor-version") == (f"{V1}/{name}" if deprecated else None), path


def test_a_pull_is_requested_without_a_version_too(stack: Stack, call: Caller) -> None:
    old = Caller.of(stack, BEFORE)("POST", "pulls", {"match": ["never/there"], "dry_run": True})
    assert (old.status, old.headers["Location"]) == (202, f"{V1}/pulls/{old.json['id']}")
    assert (old.headers["Deprecation"], linked(old, "successor-version")) == (f"@{DEPRECATED_SINCE}", f"{V1}/pulls")
    assert call("GET", f"pulls/{old.json['id']}").status == 200


def test_another_method_is_told_which_there_are(stack: Stack) -> None:
    known = {f"{V1}/{path}": methods for path, methods in paths().items()}
    known |= {f"{BEFORE}/{path}": {"GET", "HEAD"} for path in (*WITHOUT_VERSION, *PAGE)}
    known |= {f"{BEFORE}/pulls": {"GET", "HEAD", "POST"}, f"{BEFORE}/archives": {"POST"}}
    for path, methods in known.items():
        for method in set(METHODS) - methods:
            got = Caller.of(stack, "")(method, path.removeprefix("/"))
            assert (got.status, set(got.headers["Allow"].split(", "))) == (405, methods), (method, path)
            if method != "HEAD":
                assert got.json["code"] == "method-not-allowed"


def test_what_is_no_call_says_where_all_are(call: Caller) -> None:
    for path in ("nonsense", "", "pulls/a/b", "images//a", "v1/pulls", "archives//"):
        for method in ("GET", "POST"):
            got = call(method, path)
            assert (got.status, got.json["code"]) == (404, "not-found"), path
            assert "openapi.json" in got.json["remedy"]
