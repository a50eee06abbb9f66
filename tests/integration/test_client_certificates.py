"""A function app, or storage, whose certificate the command line does not trust."""

import time
from collections.abc import Callable

import pytest

from acrmirror.client import Client
from acrmirror.errors import Misconfigured
from standins.foundation import Foundation
from tests.integration.hostile import hostile


@pytest.mark.parametrize(
    "do",
    [
        lambda client: client.health(),
        lambda client: client.show("x"),
        lambda client: client.read_range(f"{client.url}/blob?sig=secret", 0, 10),
    ],
    ids=["health", "show", "range"],
)
def test_a_certificate_that_is_not_trusted_is_told_at_once_with_what_to_do(
    foundation: Foundation, do: Callable[[Client], object]
) -> None:
    with (
        hostile(foundation.certificates.server, lambda asked: asked.say(b"{}")) as server,
        Client(f"https://{server.host}", "key") as client,
    ):
        begun = time.monotonic()
        with pytest.raises(Misconfigured) as raised:
            do(client)
        assert time.monotonic() - begun < 15
        assert "certificate is not trusted" in raised.value.answered
        assert "--ca" in raised.value.remedy
        assert "secret" not in str(raised.value)
