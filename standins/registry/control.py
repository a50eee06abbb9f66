"""The stand-in's own API under /_local/, which no real registry has: counters, faults, grants, events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from standins import guard

from .auth import Auth, Grant
from .content import Content
from .counters import Counters
from .delivery import Courier, Manner
from .errors import RegistryError
from .faults import Faults, Rule
from .webhook import Event, Subscription, validate
from .wire import RegistryRequest, Response, json_response


@dataclass(frozen=True, slots=True)
class Control:
    """Every request needs the token in the header X-Standins-Token."""

    token: str
    counters: Counters
    faults: Faults
    auth: Auth
    courier: Courier
    content: Content

    def answer(self, request: RegistryRequest) -> Response:
        if not guard.is_allowed(request.headers, self.token):
            raise RegistryError("DENIED", f"the header {guard.HEADER} does not carry this process's token")
        routes: dict[tuple[str, str], Callable[[RegistryRequest], Any]] = {
            ("GET", "/_local/requests"): self._requests,
            ("DELETE", "/_local/requests"): lambda _: self.counters.reset(),
            ("GET", "/_local/faults"): lambda _: self.faults.listed(),
            ("PUT", "/_local/faults"): self._set_faults,
            ("DELETE", "/_local/faults"): lambda _: self.faults.set([]),
            ("PUT", "/_local/grants"): self._set_grants,
            ("PUT", "/_local/soft-delete"): self._set_soft_delete,
            ("GET", "/_local/events"): lambda one: self.courier.views(
                float(one.parameter("settle", "0")), int(one.parameter("since", "0"))
            ),
            ("DELETE", "/_local/events"): lambda _: self.courier.forget(),
            ("GET", "/_local/events/dead"): lambda _: self.courier.dead_letters(),
            ("PUT", "/_local/events/subscription"): self._subscribe,
            ("DELETE", "/_local/events/subscription"): lambda _: self.courier.subscribe(None),
            ("PUT", "/_local/events/manner"): self._set_manner,
            ("PUT", "/_local/events/hold"): lambda _: self.courier.set_manner(Manner(hold=True)),
            ("DELETE", "/_local/events/hold"): lambda _: self.courier.set_manner(Manner()),
            ("POST", "/_local/events/release"): self._release,
            ("POST", "/_local/events/deliver"): self._deliver,
        }
        handler = routes.get((request.method, request.path))
        if handler is None:
            raise RegistryError("NOT_FOUND", f"there is no {request.method} {request.path}")
        try:
            return json_response(handler(request))
        except (ValueError, TypeError, KeyError, AttributeError, re.error) as problem:
            raise RegistryError("BAD_REQUEST", f"{type(problem).__name__}: {problem}") from None

    def _body(self, request: RegistryRequest) -> Any:
        raw = request.body.read(16 << 20)
        return json.loads(raw) if raw else {}

    def _requests(self, request: RegistryRequest) -> dict[str, object]:
        """`?list=false` gives totals alone; any field of an entry narrows the list (`?kind=blob&status=307`)."""
        wanted = {key: values[-1] for key, values in request.query.items() if key != "list"}
        listed = [] if request.parameter("list") == "false" else list(self.counters.entries(wanted))
        return {"totals": self.counters.totals(), "requests": listed}

    def _set_faults(self, request: RegistryRequest) -> None:
        self.faults.set([Rule.parse(one) for one in self._body(request)])

    def _set_grants(self, request: RegistryRequest) -> None:
        """{principal: {"repositories": [pattern], "actions": [action], "catalog": bool}}"""
        self.auth.set_grants(
            {
                name: Grant(tuple(one["repositories"]), tuple(one["actions"]), bool(one.get("catalog", False)))
                for name, one in self._body(request).items()
            }
        )

    def _set_soft_delete(self, request: RegistryRequest) -> None:
        """true or false"""
        self.content.soft_delete = bool(self._body(request))

    def _subscribe(self, request: RegistryRequest) -> dict[str, object]:
        """The fields of Subscription, and `validate`: whether the endpoint has to pass the handshake first."""
        value = self._body(request)
        asked = bool(value.pop("validate", False))
        subscription = Subscription(**value)
        problem = validate(subscription) if asked else None
        if problem is not None:
            raise RegistryError("BAD_REQUEST", f"the endpoint did not pass the handshake: {problem}")
        self.courier.subscribe(subscription)
        return {"endpoint": subscription.endpoint, "schema": subscription.schema}

    def _set_manner(self, request: RegistryRequest) -> None:
        self.courier.set_manner(Manner(**self._body(request)))

    def _release(self, request: RegistryRequest) -> dict[str, object]:
        self.courier.set_manner(Manner())
        ids = set(request.query.get("id", []))
        copies, seed = int(request.parameter("copies", "1")), int(request.parameter("seed", "0"))
        return {"released": self.courier.release(request.parameter("order"), copies, ids or None, seed)}

    def _deliver(self, request: RegistryRequest) -> dict[str, object]:
        """{"ids": [event ids], "copies": 1} delivers events again; {"body": anything} posts that, as it is."""
        value = self._body(request)
        if "body" in value:
            event = Event("", "", "", "", "", {})
            self.courier.send(event, json.dumps(value["body"]).encode())
            return {"delivered": 1}
        return {"delivered": self.courier.repeat(set(value["ids"]), int(value.get("copies", 1)))}
