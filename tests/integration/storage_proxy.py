"""A proxy before one of Azurite's services: counts what is staged, can cut the line at any write, and can refuse."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from standins.policy.refusals import refuse
from standins.relay import Answer, Relay
from standins.request import Request


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; `at` is when it was answered, by the monotonic clock, `target` its path with its query."""

    at: float
    method: str
    target: str
    status: int


class StorageProxy:
    """`with StorageProxy(ca, certificate) as proxy:` serves at `proxy.endpoint` what stands at `proxy.upstream`.

    That one is set once the storage account is known. `staged` sums the bytes of blocks that storage took; `writes`
    counts requests that change something; `asked` has all that it answered. `allows` is asked about each write by its
    number (from 1): what it does not allow is answered 403 and does not happen, nor is it tried again. `alter` may make
    another path (with its query) and another body of each request (method, path, body), as a storage with manners of
    its own would. `refuses` is asked about each request (method, path): an answer that it gives is given, and the
    request does not happen.
    """

    def __init__(self, ca: Path, certificate: Path, root: str = "/account") -> None:
        """`root` is the account's path: what is signed for one has to have the account's own name."""
        self._lock = threading.Lock()
        self.staged = 0
        self.blocks = 0
        self.writes = 0
        self.asked: list[Asked] = []
        self.allows: Callable[[int], bool] = lambda number: True
        self.alter: Callable[[str, str, bytes], tuple[str, bytes]] = lambda method, path, body: (path, body)
        self.refuses: Callable[[str, str], Answer | None] = lambda method, path: None
        self._relay = Relay(ca, certificate, root=root)
        self._relay.ask = self._ask
        self._relay.heard = self._count
        self.endpoint = self._relay.endpoint

    @property
    def upstream(self) -> str:
        return self._relay.upstream

    @upstream.setter
    def upstream(self, url: str) -> None:
        self._relay.upstream = url

    def __enter__(self) -> Self:
        self._relay.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._relay.__exit__(kind, error, at)

    def _ask(self, request: Request[bytes]) -> Request[bytes] | Answer:
        refused = self.refuses(request.method, request.target)
        if refused is not None:
            return refused
        if request.method in ("PUT", "DELETE"):
            with self._lock:
                self.writes += 1
                number = self.writes
            if not self.allows(number):
                return refuse("blob")
        target, body = self.alter(request.method, request.target, request.body)
        return replace(request, target=target, body=body)

    def _count(self, request: Request[bytes], status: int) -> None:
        with self._lock:
            self.asked.append(Asked(time.monotonic(), request.method, request.target, status))
        if parse_qs(urlsplit(request.target).query).get("comp") == ["block"] and status == 201:
            with self._lock:
                self.staged += len(request.body)
                self.blocks += 1
