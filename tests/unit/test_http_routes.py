"""Which call a path and a method name. What the platform hands on of a path: tests/integration/test_http_calls.py."""

import pytest

from acrmirror.errors import Misconfigured
from acrmirror.http import Request
from acrmirror.http.api import Api
from acrmirror.http.operations import OPERATIONS
from acrmirror.http.routes import ROUTES, Router, with_successor
from acrmirror.http.values import Answer


def _app() -> object:
    raise Misconfigured("open the app", "this test has none", "Ask nothing of it.")


ROUTER = Router(Api(_app))  # type: ignore[arg-type]


def ask(path: str, method: str = "GET") -> Answer:
    return ROUTER.answer(Request(method, {"path": path}))


def test_every_route_is_of_a_call_and_every_operation_has_a_route() -> None:
    for template, calls in ROUTES.items():
        for name in calls.values():
            assert callable(getattr(Api, name)), f"{template} {name}"
    for operation in OPERATIONS:
        answer = ask(f"v1{operation.path}", operation.method.upper())
        assert answer.status not in (404, 405), operation


@pytest.mark.parametrize("path", ["v1/pulls", "V1/Pulls", "v1/pulls/", "v1/images", "v1/images/", "v1/pulls/a"])
def test_what_the_platform_takes_as_the_same_path_is_the_same(path: str) -> None:
    assert (ask(path).status, ask(path, "HEAD").status) == (503, 503)
    assert "Deprecation" not in ask(path).headers


@pytest.mark.parametrize("path", ["", "v1", "v1/", "v1//pulls", "v1/pulls//", "v1/images//a", "v1/none", "v2/pulls"])
def test_what_is_no_path_is_not_there(path: str) -> None:
    answer = ask(path)
    assert (answer.status, "Deprecation" in answer.headers) == (404, False)


@pytest.mark.parametrize(
    ("path", "successor"),
    [
        ("images/team%2Fapp", "/api/v1/images/team%2Fapp"),
        ("images/a b>\r\nX: y", "/api/v1/images/a%20b%3E%0D%0AX:%20y"),
        ('images/é"', "/api/v1/images/%C3%A9%22"),
    ],
)
def test_the_link_to_a_successor_is_one_header_of_one_line(path: str, successor: str) -> None:
    assert ask(path).headers["Link"] == f'<{successor}>; rel="successor-version"'


def test_links_of_the_answer_stay() -> None:
    made = with_successor(Answer(200, headers={"Link": '</api/v1/pulls?last=1>; rel="next"'}), "pulls")
    first, second = made.headers["Link"].split(", ")
    assert first == '</api/v1/pulls?last=1>; rel="next"'
    assert second == '</api/v1/pulls>; rel="successor-version"'


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "BREW"])
def test_another_method_is_told_which_there_are(method: str) -> None:
    for path in ("v1/credentials", "credentials"):
        answer = ask(path, method)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
