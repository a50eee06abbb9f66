"""The test that a deployment ends with, on the whole stack: an image that is really pushed, mirrored and asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import pytest

from infra.hooks.commands import Azure, Console, Ended
from infra.hooks.environment import Environment
from infra.hooks.problems import Problem
from infra.hooks.smoke import ask, smoke_test
from standins.stack import Stack

REGISTRY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/demo"


class Said(Console):
    def __init__(self) -> None:
        super().__init__(interactive=False)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class Person:
    """Who deploys: signed in at the registry, with a key of the app."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.key = stack.functions.function_key
        named = dict.fromkeys(("MIRROR_FUNCTION_APP", "AZURE_RESOURCE_GROUP", "AZURE_SUBSCRIPTION_ID"), "x")
        self.environment = Environment({**named, "MIRROR_APP_URL": stack.functions.url, "MIRROR_REGISTRY_ID": REGISTRY})

    def az(self, words: Sequence[str]) -> Ended:
        """As the Azure CLI signs in: an Entra token of the person for a refresh token of the registry."""
        if words[1] != "acr":
            return Ended(0, json.dumps({"functionKeys": {"default": self.key}}), "")
        host = self.stack.registry.host
        query = urlencode({"resource": "https://containerregistry.azure.net", "api-version": "2019-08-01"})
        url = f"{self.stack.identity_endpoint}?{query}&client_id={self.stack.client_id}"
        entra = json.loads(ask("GET", url, {"X-IDENTITY-HEADER": self.stack.identity_header}).body)["access_token"]
        form = {"grant_type": "access_token", "service": host, "access_token": entra}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        exchanged = ask("POST", f"https://{host}/oauth2/exchange", headers, urlencode(form).encode())
        token = json.loads(exchanged.body)["refresh_token"]
        return Ended(0, json.dumps({"loginServer": host, "accessToken": token}), "")

    def tries(self, within: float = 60.0) -> str:
        """What is said. Raises Problem. A clock that runs faster makes ten minutes `within` seconds."""
        console, faster = Said(), 600.0 / within
        smoke_test(
            self.environment, Azure(self.az), console, lambda _: time.sleep(0.2), lambda: time.monotonic() * faster
        )
        return "\n".join(console.said)


@pytest.fixture
def person(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    monkeypatch.setenv("SSL_CERT_FILE", str(stack.ca))
    monkeypatch.setenv("NO_PROXY", "*")
    yield Person(stack)
    stack.registry.set_grants({})


def test_an_image_is_pushed_and_waited_for(person: Person) -> None:
    said = person.tries()
    assert f"Pushing a tiny image into {person.stack.registry.host}/mirror-smoke-test" in said
    assert "A pushed image was in the mirror " in said


def test_who_may_not_push_or_ask_is_told_and_nothing_fails(person: Person) -> None:
    person.stack.registry.set_grants({person.stack.client_id: {"repositories": ["*"], "actions": ["pull"]}})
    assert "Not tried with an image: the registry does not take a layer of mirror-smoke-test" in person.tries()
    person.stack.registry.set_grants({})
    person.key = "another"
    assert "Not tried with an image: the app answers 401" in person.tries()
    person.environment.set("MIRROR_APP_URL", "http://127.0.0.1:1")
    assert "127.0.0.1:1 can't be reached from here" in person.tries()


def test_an_image_that_does_not_come_is_a_failure_with_what_health_says(person: Person) -> None:
    person.stack.registry.set_event_manner(hold=True)
    with pytest.raises(Problem, match=r"is not in the mirror\.\nGET /api/health says:\n  all is well"):
        person.tries(within=3)
