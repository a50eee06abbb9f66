"""How the local Functions host writes what a function answers, and which function it asks: what was seen on the real
one and is not among the recordings."""

import json
from collections.abc import Iterator
from concurrent.futures import Future
from email.message import Message
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from standins.foundation import Foundation
from standins.functions.httptrigger import HttpTriggers
from standins.functions.kestrel import decode_path, encode_path
from standins.functions.keys import Keys
from standins.functions.metadata import HTTP, Function
from standins.functions.request import HostRequest
from standins.functions.wire import Call, Outcome
from standins.tests.sample_host import SampleHost, sample_host


@pytest.fixture(scope="module")
def host(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleHost]:
    with sample_host(
        foundation, tmp_path_factory.mktemp("answers"), http_customHeaders__X_Own="of host.json"
    ) as started:
        yield started


LENGTHS: list[tuple[str, dict[str, Any], int, dict[str, str | None], bytes, bool]] = [
    # method, what the function answers; status, headers, body, whether the connection goes on
    ("POST", {"body": "abc"}, 200, {"Transfer-Encoding": "chunked", "Content-Length": None}, b"abc", True),
    (
        "POST",
        {"body": "abc", "Content-Length": 3},
        200,
        {"Transfer-Encoding": None, "Content-Length": "3"},
        b"abc",
        True,
    ),
    ("POST", {"body": "abc", "Content-Length": 5}, 200, {"Content-Length": "5"}, b"abc", False),
    ("POST", {"body": "abc", "Content-Length": 2}, 500, {"Content-Length": "0"}, b"", False),
    ("POST", {"Content-Length": 3}, 500, {"Content-Length": "0"}, b"", False),
    ("POST", {}, 200, {"Content-Length": "0", "Content-Type": "text/plain; charset=utf-8"}, b"", True),
    ("POST", {"status": 204}, 204, {"Content-Length": None, "Transfer-Encoding": None}, b"", True),
    ("POST", {"status": 304}, 304, {"Content-Length": None, "Content-Type": "text/plain; charset=utf-8"}, b"", True),
    ("HEAD", {}, 200, {"Content-Length": None}, b"", True),
    ("HEAD", {"Content-Length": 4711}, 200, {"Content-Length": "4711"}, b"", True),
    ("POST", {"body": "x", "Content-Type": "text/html"}, 200, {"Content-Type": "text/html; charset=utf-8"}, b"x", True),
    ("POST", {"body": "x", "Content-Type": "a/b"}, 200, {"Content-Type": "a/b"}, b"x", True),
    ("POST", {"body": "x", "X-Name": "grün"}, 500, {"Content-Length": "0"}, b"", True),
    ("POST", {"body": "x", "Transfer-Encoding": "odd"}, 200, {"Transfer-Encoding": "odd"}, b"x", False),
]


@pytest.mark.parametrize(
    ("method", "said", "status", "headers", "body", "goes_on"), LENGTHS, ids=[f"{row[0]} {row[1]}" for row in LENGTHS]
)
def test_lengths_and_types_are_what_the_function_says_or_none(
    host: SampleHost,
    method: str,
    said: dict[str, Any],
    status: int,
    headers: dict[str, str | None],
    body: bytes,
    goes_on: bool,
) -> None:
    connection = HTTPConnection(urlsplit(host.ready["functions"]).netloc, timeout=30)
    connection.request(method, f"/api/say?{urlencode(said)}", headers={"Content-Length": "0"})
    answer = connection.getresponse()
    # Of what is cut off, the client gets the beginning.
    received = answer.fp.read() if not goes_on and status == 200 else answer.read()
    assert (answer.status, received) == (status, body)
    assert {name: answer.getheader(name) for name in headers} == headers
    assert (answer.getheader("Connection") != "close") == goes_on
    connection.close()


def test_a_body_over_the_limit_is_a_500(host: SampleHost) -> None:
    connection = HTTPConnection(urlsplit(host.ready["functions"]).netloc, timeout=30)
    connection.putrequest("POST", "/api/say")
    connection.putheader("Content-Length", str(120_000_000))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.getheader("Connection")) == (500, b"", "close")
    connection.close()


def test_headers_of_host_json_are_on_every_answer(host: SampleHost) -> None:
    paths = {"/api/items/7": 203, "/api/nowhere": 404, "/api/nothing": 500, "/api/echo/x": 401, "/": 200}
    for path, status in paths.items():
        got = host.ask("GET", path)
        assert (got.status, got.headers.get("X_Own")) == (status, "of host.json"), path
    # The web server's own have none.
    assert "X_Own" not in host.ask("GET", "/api/a%00b").headers


def test_a_run_by_hand_wants_json(host: SampleHost) -> None:
    order = json.dumps({"input": "{}"})
    key = host.ready["key"]
    assert host.ask("POST", "/admin/functions/run_order", order, x_functions_key=key).status == 415
    got = host.ask("POST", "/admin/functions/run_order", order, x_functions_key=key, content_type="application/json")
    assert got.status == 202
    host.expect_records(1, "end")


def routed(*functions: tuple[str, str, str], path: str, method: str = "GET") -> tuple[str | None, list[str]]:
    """The function that is asked, of those with these names, routes and methods; and what is logged."""
    asked: list[str] = []
    logged: list[str] = []

    def submit(call: Call) -> Future[Outcome]:
        asked.append(call.function)
        done: Future[Outcome] = Future()
        done.set_result(Outcome(None, {}))
        return done

    trigger = {"type": HTTP, "name": "request", "authLevel": "anonymous"}
    made = [
        Function(name, {**trigger, "route": route, "methods": methods.split()}, True)
        for name, route, methods in functions
    ]
    triggers = HttpTriggers(made, "api", Keys(), submit, logged.append)
    headers = Message()
    headers["Host"] = "localhost"
    found = triggers.answer(HostRequest(method, path, "", headers))
    assert (found is None) == (not asked)
    return (asked[0] if asked else None), logged


def test_of_several_routes_that_match_the_first_by_name_is_taken() -> None:
    routes = (("b_all", "x/{*rest}", "GET"), ("a_literal", "x/y", "GET"))
    assert routed(*routes, path="/api/x/y")[0] == "a_literal"
    routes = (("b_literal", "x/y", "GET"), ("A_all", "x/{*rest}", "GET"))
    assert routed(*routes, path="/api/x/y")[0] == "A_all"
    # An underscore comes after the letters.
    routes = (("ab_", "x/{a}", "GET"), ("abc", "x/{b}", "GET"))
    assert routed(*routes, path="/api/x/y")[0] == "abc"
    # One that does not take the method leaves it to the next.
    routes = (("a", "x", "POST"), ("b", "x", "GET"))
    assert routed(*routes, path="/api/x") == ("b", [])


def test_of_two_functions_with_one_route_the_second_by_name_is_not_loaded() -> None:
    asked, logged = routed(("b", "x/{p}", "GET"), ("a", "X/{p}", "GET POST"), path="/api/x/1")
    assert asked == "a"
    assert logged == [
        "[host] The 'b' function is in error: The route specified conflicts with the route defined by "
        "another function: x/{p}"
    ]


def test_a_route_like_one_of_the_hosts_own_is_refused() -> None:
    asked, logged = routed(("a", "administration/x", "GET"), ("b", "x", "GET"), path="/api/administration/x")
    assert asked is None
    assert "'a' function is in error" in logged[0]


@pytest.mark.parametrize(
    ("raw", "path", "url"),
    [
        ("/a%20b/%C3%A9", "/a b/é", "/a%20b/%C3%A9"),
        ("/a%2Fb%2fc", "/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("/a%252Fb", "/a%2Fb", "/a%2Fb"),
        ("/a/./b/../c", "/a/c", "/a/c"),
        ("/a/%2e%2E/b", "/b", "/b"),
        ("/../../a/..", "/", "/"),
        ("/a/b/.", "/a/b/", "/a/b/"),
        ("/a//b/", "/a//b/", "/a//b/"),
        ("/%ff%C3", "/%ff%C3", "/%ff%C3"),
        ("/%C3%A9%ff%41", "/é%ffA", "/%C3%A9%ffA"),
        ("/%F0%9F%98%80", "/😀", "/%F0%9F%98%80"),
        ("/%C0%AF%ED%A0%80", "/%C0%AF%ED%A0%80", "/%C0%AF%ED%A0%80"),
        ("/a%zz%", "/a%zz%", "/a%25zz%25"),
    ],
)
def test_paths_are_decoded_once_and_encoded_again(raw: str, path: str, url: str) -> None:
    assert decode_path(raw) == path
    assert encode_path(path) == url
