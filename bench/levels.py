"""Relays before storage's three services, which list each call, and tell which of them wait for others.

A call is held until nothing else is under way and nothing has come for a moment; then all that are held go on
together. They are one level: none of them waited for another one's answer. The number of levels is how many calls
there are one after another.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from standins.foundation import Account
from standins.relay import Relay
from standins.request import Request

Kind = Literal["blob", "table", "queue"]
QUIET = 0.3
"""Seconds without a call after which those that are held go on."""
LONGEST = 10.0
"""Seconds after which they do so in any case."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `target` is its path with its query, `level` how many levels were before it and its own."""

    service: Kind
    method: str
    target: str
    level: int
    status: int


class Levels:
    """`with Levels(account, certificate) as levels:` serves each service at `levels.endpoints`; `levels.calls` are all
    that were answered. While `quiet` is 0, nothing is held."""

    def __init__(self, account: Account, certificate: Path, quiet: float = QUIET) -> None:
        self.calls: list[Call] = []
        self.endpoints: dict[Kind, str] = {}
        self.quiet = quiet
        self._change = threading.Condition()
        self._held = 0
        self._going = 0
        self._level = 0
        self._last = time.monotonic()
        self._over = False
        self._own = threading.local()
        self._relays: list[Relay] = []
        self._ends = ExitStack()
        services: dict[Kind, str] = {
            "blob": account.blob_endpoint,
            "table": account.table_endpoint,
            "queue": account.queue_endpoint,
        }
        for kind, upstream in services.items():
            relay = Relay(account.ca, certificate, upstream)
            self._watch(relay, kind)
            self.endpoints[kind] = relay.endpoint
            self._relays.append(relay)
        self._thread = threading.Thread(target=self._let_go, name="levels", daemon=True)

    @property
    def depth(self) -> int:
        """How many calls there were one after another."""
        return len({it.level for it in self.calls})

    def reset(self) -> None:
        with self._change:
            self.calls = []
            self._level = 0

    def __enter__(self) -> Self:
        for relay in self._relays:
            self._ends.enter_context(relay)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._change:
            self._over = True
            self._change.notify_all()
        self._thread.join()
        self._ends.close()

    def _watch(self, relay: Relay, kind: Kind) -> None:
        def ask(request: Request[bytes]) -> Request[bytes]:
            with self._change:
                self._last = time.monotonic()
                mine = self._level
                self._held += 1
                self._change.wait_for(lambda: self._level > mine or self._over or not self.quiet)
                self._held -= 1
                self._going += 1
                self._own.level = self._level
            return request

        def heard(request: Request[bytes], status: int) -> None:
            with self._change:
                self._going -= 1
                self._last = time.monotonic()
                self.calls.append(Call(kind, request.method, request.target, self._own.level, status))

        relay.ask, relay.heard = ask, heard

    def _let_go(self) -> None:
        """The clock of the levels."""
        while True:
            with self._change:
                if self._change.wait_for(lambda: self._over, 0.02):
                    return
                silent = time.monotonic() - self._last
                if self._held and silent > (LONGEST if self._going else self.quiet):
                    self._level += 1
                    self._last = time.monotonic()
                    self._change.notify_all()
