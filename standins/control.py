"""Clients of the control APIs under /_local/ that the stand-ins have and the real services have not."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from standins import guard

if TYPE_CHECKING:
    from standins.policy import Policy, Seen


class ControlFailed(RuntimeError):
    """A stand-in refused what it was asked to do, in its own words."""


def ask(
    url: str, method: str = "GET", value: object = None, headers: Mapping[str, str] = {}, ca: Path | None = None
) -> Any:
    """One call of a control API; its JSON answer, or None. Raises `ControlFailed`."""
    body = None if value is None else json.dumps(value).encode()
    request = Request(url, body, {"Content-Type": "application/json", **headers}, method=method)
    context = ssl.create_default_context(cafile=str(ca)) if url.startswith("https:") else None
    try:
        with urlopen(request, timeout=90, context=context) as response:
            text = response.read()
    except HTTPError as error:
        raise ControlFailed(f"{method} {url}: {error.code} {error.read().decode(errors='replace')[:500]}") from None
    return json.loads(text) if text else None


@dataclass(frozen=True, slots=True)
class RegistryControl:
    """The local registry: where it is, who may push to it, what it was asked, and how it should misbehave."""

    host: str
    username: str
    password: str
    ca: Path
    token: str = field(repr=False)

    def requests(self, **wanted: str) -> list[dict[str, Any]]:
        """Every request since the last reset; any field narrows the list: `requests(kind="blob", status="307")`."""
        found: list[dict[str, Any]] = self._ask(f"requests?{urlencode(wanted)}")["requests"]
        return found

    def totals(self) -> dict[str, Any]:
        """`calls` (under /v2/, not answered 401), `calls_by_kind`, `by_kind`, `by_status`, bytes `sent`, `received`."""
        found: dict[str, Any] = self._ask("requests?list=false")["totals"]
        return found

    def reset_requests(self) -> None:
        self._ask("requests", "DELETE")

    def set_faults(self, rules: Sequence[Mapping[str, object]]) -> None:
        """Replaces all rules: [{"match": {…}, "do": {…}}], see standins/registry/faults.py."""
        self._ask("faults", "PUT", list(rules))

    def clear_faults(self) -> None:
        self._ask("faults", "DELETE")

    def set_grants(self, grants: Mapping[str, object]) -> None:
        """{client id: {"repositories": [pattern], "actions": [action], "catalog": bool}}; others may do all."""
        self._ask("grants", "PUT", dict(grants))

    def set_soft_delete(self, on: bool) -> None:
        """Whether manifests that are deleted from now on are held back: their digests can't be pushed again."""
        self._ask("soft-delete", "PUT", on)

    def subscribe(self, endpoint: str, schema: str = "eventgrid", **options: object) -> None:
        """Where events go from now on. In Event Grid's own schema the endpoint has to pass the handshake first; the
        Functions extension has none for CloudEvents, and the deployment's kind of subscription asks for none."""
        value = {"endpoint": endpoint, "schema": schema, "validate": schema == "eventgrid", **options}
        self._ask("events/subscription", "PUT", value)

    def unsubscribe(self) -> None:
        self._ask("events/subscription", "DELETE")

    def events(self, settle: float = 0, since: int = 0) -> list[dict[str, Any]]:
        """Deliveries, oldest first, whose `changed` is above `since`; waits up to `settle` seconds until none is under
        way."""
        found: list[dict[str, Any]] = self._ask(f"events?settle={settle}&since={since}")
        return found

    def forget_events(self) -> None:
        self._ask("events", "DELETE")

    def dead_letters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("events/dead")
        return found

    def set_event_manner(self, hold: bool = False, delay: float = 0, copies: int = 1) -> None:
        """How new events travel: held until they are released, `delay` seconds late, so many times each."""
        self._ask("events/manner", "PUT", {"hold": hold, "delay": delay, "copies": copies})

    def release_events(self, order: str = "", copies: int = 1, seed: int = 0, ids: Sequence[str] = ()) -> int:
        """Sends what is held, in `order` ("", "reverse", "shuffle"), and holds no more; how many events these were."""
        query = urlencode({"order": order, "copies": copies, "seed": seed, "id": list(ids)}, doseq=True)
        return int(self._ask(f"events/release?{query}", "POST")["released"])

    def deliver_again(self, ids: Sequence[str], copies: int = 1) -> int:
        """Delivers events once more, whatever became of them."""
        return int(self._ask("events/deliver", "POST", {"ids": list(ids), "copies": copies})["delivered"])

    def deliver_body(self, body: object) -> None:
        """Posts this as it is, as an event that no registry would raise."""
        self._ask("events/deliver", "POST", {"body": body})

    def _ask(self, path: str, method: str = "GET", value: object = None) -> Any:
        headers = {guard.HEADER: self.token}
        return ask(f"https://{self.host}/_local/{path}", method, value, headers, self.ca)


@dataclass(frozen=True, slots=True)
class FunctionsControl:
    """The local Functions host: where it is, its keys, and what its workers do. Instances count from 0.

    `key` opens all there is; `function_key` is what a caller of the app is given.
    """

    url: str
    key: str = field(repr=False)
    system_key: str = field(repr=False, default="")
    token: str = field(repr=False, default="")
    function_key: str = field(repr=False, default="")

    def event_endpoint(self, function: str) -> str:
        """Where Event Grid posts events for that function."""
        query = {"functionName": function, **({"code": self.system_key} if self.system_key else {})}
        return f"{self.url}/runtime/webhooks/EventGrid?{urlencode(query)}"

    def workers(self) -> list[dict[str, Any]]:
        """[{"instance", "pid", "state": up, starting or stopped, "starts", "running": [{"function", "about"}]}]"""
        found: list[dict[str, Any]] = self._ask("workers")
        return found

    def signal(self, instance: int, what: str) -> None:
        """`kill` is kill −9 of host and worker, `worker` that of the worker alone; `stop` and `continue` freeze an
        instance and thaw it; `end` is SIGTERM to its host, `drain` lets it finish what it runs, however long it takes.
        """
        self._ask(f"workers/{instance}/{what}", "POST")

    def dispatches(self) -> dict[str, Any]:
        """By function: begun, running, succeeded, failed, lost, renewed, …; see standins/functions/control.py."""
        found: dict[str, Any] = self._ask("dispatches")
        return found

    def _ask(self, path: str, method: str = "GET") -> Any:
        return ask(f"{self.url}/_local/{path}", method, headers={guard.HEADER: self.token})


@dataclass(frozen=True, slots=True)
class PolicyControl:
    """The layer before storage that refuses what no role grants: where its services are, and what it saw."""

    blob_endpoint: str
    queue_endpoint: str
    table_endpoint: str
    url: str
    token: str = field(repr=False, default="")

    def set(self, policy: Policy) -> None:
        """What is granted from now on."""
        self._ask("policy", "PUT", policy.to_json())

    def seen(self) -> list[Seen]:
        """What was asked since the last `forget`, each once, in the order of their first time."""
        from standins.policy import Seen

        return [Seen(**one) for one in self._ask("seen")]

    def forget(self) -> None:
        self._ask("seen", "DELETE")

    def _ask(self, path: str, method: str = "GET", value: object = None) -> Any:
        return ask(f"{self.url}/{path}", method, value, {guard.HEADER: self.token})
