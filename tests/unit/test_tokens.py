"""Access tokens that are remembered: how many of them, and which goes."""

import base64
import json
import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core import PipelineClient
from azure.core.rest import HttpRequest, HttpResponse

from acrmirror.errors import Malformed, TooLarge
from acrmirror.registry.tokens import REMEMBERED, TOKEN_LIMIT, Tokens

CHALLENGE = 'Bearer realm="https://demo.azurecr.io/oauth2/token",service="demo.azurecr.io",scope="repository:{}:pull"'


class Endpoint:
    """Gives a token that lasts an hour, another one each time, and counts."""

    def __init__(self, odd: bytes | None = None) -> None:
        self.given = 0
        self._odd = odd

    def send_request(self, request: HttpRequest) -> Any:
        self.given += 1
        if self._odd is not None:
            return SimpleNamespace(status_code=200, headers={}, content=self._odd)
        claims = json.dumps({"iat": 1000, "exp": 4600, "n": self.given}).encode()
        token = f"h.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.s"
        return SimpleNamespace(status_code=200, headers={}, content=json.dumps({"access_token": token}).encode())


def make(odd: bytes | None = None) -> tuple[Endpoint, Tokens]:
    endpoint = Endpoint(odd)
    pipeline = cast("PipelineClient[HttpRequest, HttpResponse]", endpoint)
    return endpoint, Tokens("demo.azurecr.io", None, "https://containerregistry.azure.net", pipeline)


def renew(tokens: Tokens, name: str) -> str:
    return tokens.renew(f"pull {name}", CHALLENGE.format(name), None)


def test_of_more_than_a_thousand_the_one_not_used_for_longest_goes() -> None:
    endpoint, tokens = make()
    done = threading.Event()

    def fill() -> None:
        for number in range(REMEMBERED):
            renew(tokens, f"a{number}")
        assert tokens.remembered("pull a0") is not None
        for number in range(3):
            renew(tokens, f"b{number}")
        done.set()

    # Under its lock, making room must come to an end.
    threading.Thread(target=fill, daemon=True).start()
    assert done.wait(30)
    assert endpoint.given == REMEMBERED + 3
    known = [it for it in range(REMEMBERED) if tokens.remembered(f"pull a{it}") is not None]
    assert len(known) == REMEMBERED - 3
    assert known[0] == 0
    assert known[1] == 4
    assert all(tokens.remembered(f"pull b{it}") for it in range(3))


def test_one_that_is_asked_for_again_takes_the_place_of_the_old() -> None:
    _, tokens = make()
    first = renew(tokens, "a")
    second = tokens.renew("pull a", CHALLENGE.format("a"), first)
    assert first != second == tokens.remembered("pull a")
    begun = time.monotonic()
    assert renew(tokens, "a") == second
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"token": "t"}',
        b'{"access_token": 7}',
        b'{"access_token": ""}',
        b'{"access_token": "a\\r\\nb"}',
        b"\xff",
        b"[" * 60_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_an_answer_without_a_token_says_who_may_have_answered(body: bytes) -> None:
    _, tokens = make(body)
    with pytest.raises(Malformed, match="without a access_token") as raised:
        renew(tokens, "a")
    assert "MIRROR_REGISTRY" in raised.value.remedy


def test_an_answer_that_is_too_long_for_a_token_is_refused() -> None:
    _, tokens = make(b'{"access_token": "' + b"a" * TOKEN_LIMIT + b'"}')
    with pytest.raises(TooLarge):
        renew(tokens, "a")
