"""A client of the distribution pull API in the test's own process."""

import json

from acrmirror.mirror import MirrorStore
from acrmirror.serve.access import EVERYTHING, Access
from acrmirror.serve.distribution import Distribution, Guard
from acrmirror.serve.front import Front
from acrmirror.serve.sealed import Sealed
from acrmirror.serve.wire import Asked, Reply

REGISTRY = "demo.azurecr.io"


class Let:
    """Lets everybody see as much."""

    def __init__(self, access: Access = EVERYTHING) -> None:
        self.access = access

    def admit(self, authorization: str | None) -> Access:
        del authorization
        return self.access


class Client:
    """Asks as the function does; `distribution` is what of the app is asked."""

    def __init__(self, store: MirrorStore, access: Access = EVERYTHING, guard: Guard | None = None) -> None:
        sealed = Sealed(lambda: b"the key of this test's mirror")
        self.distribution = Distribution(REGISTRY, store, guard or Let(access), sealed)
        self.front = Front(lambda: self)

    def __call__(self, path: str, method: str = "GET", **query: str) -> Reply:
        return self.front.answer(Asked(method, path, query))

    def json(self, path: str, **query: str) -> dict[str, object]:
        reply = self(path, **query)
        assert reply.status == 200, reply.body
        found: dict[str, object] = json.loads(reply.body)
        return found

    def code(self, path: str, method: str = "GET", **query: str) -> tuple[int, str]:
        reply = self(path, method, **query)
        (error,) = json.loads(reply.body)["errors"]
        assert error["message"]
        return reply.status, error["code"]


def following(reply: Reply, path: str) -> dict[str, str]:
    """The query of the next page."""
    if "Link" not in reply.headers:
        return {}
    link_, _, relation = reply.headers["Link"].partition(">; ")
    assert relation == 'rel="next"'
    at, _, query = link_.removeprefix("<").partition("?")
    assert at == path
    return dict(it.split("=") for it in query.split("&"))
