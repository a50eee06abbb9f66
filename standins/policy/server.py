"""A proxy before the three services of a storage account, which keeps what they were asked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from standins.policy import operations
from standins.policy.grants import Policy, Seen
from standins.policy.refusals import refuse, unknown
from standins.relay import Answer, Relay
from standins.request import Request

SERVICES = ("blob", "queue", "table")


class Layer:
    """`with Layer(ca, certificate, {"blob": URL, …}, policy) as layer:` serves each at `layer.endpoints`.

    Who comes without a credential is left for Azurite to refuse. A signed URL is worth what its signer may do, as in
    Azure, beside what its signature says.
    """

    def __init__(self, ca: Path, certificate: Path, upstreams: Mapping[str, str], policy: Policy) -> None:
        self._lock = threading.Lock()
        self._policy = policy
        self._seen: dict[Seen, None] = {}
        self._relays = {
            # The account's name stays: it is a part of what is signed.
            service: Relay(ca, certificate, url, urlsplit(url).path)
            for service, url in upstreams.items()
        }
        for service, relay in self._relays.items():
            relay.ask = partial(self._ask, service)
        self._ends = ExitStack()

    @property
    def endpoints(self) -> dict[str, str]:
        return {service: relay.endpoint for service, relay in self._relays.items()}

    def set(self, policy: Policy) -> None:
        with self._lock:
            self._policy = policy

    def seen(self) -> list[Seen]:
        """In the order of their first time."""
        with self._lock:
            return list(self._seen)

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()

    def __enter__(self) -> Self:
        for relay in self._relays.values():
            self._ends.enter_context(relay)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ends.close()

    def _ask(self, service: str, request: Request[bytes]) -> Request[bytes] | Answer:
        return self._decide(service, request) or request

    def _decide(self, service: str, request: Request[bytes]) -> Answer | None:
        query = {name: values[-1] for name, values in request.query.items()}
        if "Authorization" not in request.headers and "sig" not in query:
            return None
        asked = operations.read(service, request.method, request.path, query, request.headers, request.body)
        if asked is None:
            self._note(Seen(f"{request.method} {service} comp={query.get('comp', '')}", "", False))
            return unknown(f"{request.method} {request.raw_path}")
        with self._lock:
            allowed = self._policy.allows(asked.operation, asked.container)
        self._note(Seen(asked.operation.name, asked.container, allowed))
        return None if allowed else refuse(service)

    def _note(self, seen: Seen) -> None:
        with self._lock:
            self._seen[seen] = None
