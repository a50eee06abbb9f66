"""One job done by each contender in turn, on the same storage: what it took, told beside each other."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from bench.report import columns, spread
from bench.services import cpu_of_tree
from standins.control import RegistryControl
from standins.foundation import Account

SERVICES = ("blob", "table", "queue")


class StorageCalls:
    """What Azurite was asked, by service. It counts for all of its accounts together."""

    def __init__(self, account: Account) -> None:
        endpoints = (account.blob_endpoint, account.table_endpoint, account.queue_endpoint)
        self._ports = {name: urlsplit(it).port for name, it in zip(SERVICES, endpoints, strict=True)}
        self._context = ssl.create_default_context(cafile=str(account.ca))

    def read(self) -> dict[str, int]:
        connection = HTTPSConnection("127.0.0.1", self._ports["blob"], context=self._context, timeout=30)
        try:
            connection.request("GET", "/_local/requests")
            told: dict[str, dict[str, int]] = json.load(connection.getresponse())
        finally:
            connection.close()
        return {name: sum(told.get(str(port), {}).values()) for name, port in self._ports.items()}


@dataclass(slots=True)
class Trial:
    """What one contender took in one round: seconds, CPU seconds of what copies and of what it stands between, calls to
    storage by service, requests to the registry."""

    contender: str
    round: int
    seconds: float = 0.0
    cpu: float = 0.0
    beside: dict[str, float] = field(default_factory=dict)
    storage: dict[str, int] = field(default_factory=dict)
    registry: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "contender": self.contender,
            "round": self.round,
            "seconds": round(self.seconds, 3),
            "cpu": round(self.cpu, 2),
            "cpu_beside": {name: round(cpu, 2) for name, cpu in self.beside.items()},
            "storage_calls": self.storage,
            "registry_requests": self.registry,
        }


@contextmanager
def measured(
    trial: Trial,
    storage: StorageCalls,
    registry: RegistryControl,
    copies: Mapping[str, int] | None = None,
    beside: Mapping[str, int] | None = None,
) -> Iterator[None]:
    """Fills in the trial, whose own part has to set `seconds` (unless the whole context counts) and to add the CPU of
    programs that have ended by then. `copies` and `beside` are process ids: those that do the job, and the others."""

    def cpus(pids: Mapping[str, int] | None) -> dict[str, float]:
        return {name: cpu_of_tree(pid) for name, pid in (pids or {}).items()}

    registry.reset_requests()
    asked, own, others = storage.read(), cpus(copies), cpus(beside)
    begun = time.perf_counter()
    yield
    trial.seconds = trial.seconds or time.perf_counter() - begun
    trial.cpu += sum(cpus(copies).values()) - sum(own.values())
    trial.beside = {name: cpu - others[name] for name, cpu in cpus(beside).items()}
    trial.storage = {name: count - asked[name] for name, count in storage.read().items()}
    # Its totals know nothing of its own API, by which it is listed; tokens and blobs' data are neither's.
    counted = (it for it in registry.requests() if it["path"].startswith(("/v2/", "/acr/v1/")))
    trial.registry = sum(it["status"] != 401 for it in counted)


@dataclass(slots=True)
class Trials:
    """All rounds of one course; `places` are lines that say what is between what, with process ids."""

    title: str
    places: list[str]
    trials: list[Trial] = field(default_factory=list)

    def rounds(self, field: Sequence[Callable[[int], Trial]], number: int, peer: str) -> dict[str, Any]:
        """Runs so many rounds, prints them, and gives them as JSON has them. The field changes places each round, so
        that none always runs on a machine just warmed."""
        for it in range(number):
            turn = it % len(field)
            self.trials += [contender(it) for contender in (*field[turn:], *field[:turn])]
        self.trials.sort(key=lambda it: (it.contender, it.round))
        print(self.told(peer if peer in self.names else None), end="\n\n", flush=True)
        return self.as_json()

    def of(self, contender: str) -> list[Trial]:
        return [it for it in self.trials if it.contender == contender]

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(it.contender for it in self.trials))

    def ratios(self, contender: str, other: str) -> list[float]:
        """How many times as long the other one took, round by round."""
        theirs = {it.round: it.seconds for it in self.of(other)}
        return [theirs[it.round] / it.seconds for it in self.of(contender) if it.round in theirs]

    def told(self, peer: str | None = None) -> str:
        """As text; each figure is min / median / max over the rounds."""
        head = ["", "s", "CPU s", *(f"{it} calls" for it in SERVICES), "registry requests", "CPU s beside"]
        rows = [[*head, f"faster than {peer} by"] if peer else head]
        for name in self.names:
            trials = self.of(name)
            beside = {key: [it.beside[key] for it in trials] for key in trials[0].beside}
            row = [
                name,
                spread([it.seconds for it in trials], 1),
                spread([it.cpu for it in trials], 1),
                *(spread([it.storage[service] for it in trials], 0) for service in SERVICES),
                spread([it.registry for it in trials], 0),
                ", ".join(f"{key} {spread(cpu, 1)}" for key, cpu in beside.items()),
            ]
            ratios = self.ratios(name, peer) if peer and name != peer else []
            rows.append([*row, f"{spread(ratios, 2)} ×" if ratios else ""] if peer else row)
        return "\n".join([self.title, *(f"  {it}" for it in self.places), *columns(rows)])

    def as_json(self) -> dict[str, Any]:
        return {"title": self.title, "places": self.places, "trials": [it.as_json() for it in self.trials]}
