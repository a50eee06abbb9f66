"""The course `serve`: pulls from the mirror, request by request, of the app's own `/v2` and of a stock registry.

Measured: how long a manifest by tag, a manifest by digest, HEAD of a blob, and the redirect that GET of a blob is
answered with take, by one client and by 16 of this process, each with a connection of its own that is kept; p50 and p99
of all requests of a round, requests a second, calls to storage for each request. Both serve the same container of the
same Azurite by plain HTTP, without sign-in: the app by one worker behind the stand-in of the Functions host, the stock
registry without its descriptor cache. Redirects are not followed.

The requests of a round go through all images in turn. A round before those that count lets both learn what they keep;
what the first request for each thing costs the app in calls is told apart.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import fleet
from bench.fleet import Placed
from bench.report import columns, spread
from bench.services import find_tool, stock_registry
from bench.trials import StorageCalls
from standins.foundation import Foundation
from testkit.stack import CONTAINER, mirror_stack

IMAGES = 40
CLIENTS = (1, 16)
OURS, STOCK = "acrmirror", "stock registry"
_ACCEPT = {"Accept": "application/vnd.oci.image.manifest.v1+json"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request: its method, the path for an image, what it may be answered."""

    name: str
    method: str
    path: Callable[[Placed], str]
    statuses: tuple[int, ...] = (200,)


KINDS = (
    Kind("manifest by tag", "GET", lambda it: f"/v2/{it.repository}/manifests/{it.image.tag}"),
    Kind("manifest by digest", "GET", lambda it: f"/v2/{it.repository}/manifests/{it.image.root.digest}"),
    # The stock registry sends a HEAD to storage, too.
    Kind("HEAD of a blob", "HEAD", lambda it: f"/v2/{it.repository}/blobs/{_layer(it)}", (200, 307)),
    Kind("GET of a blob", "GET", lambda it: f"/v2/{it.repository}/blobs/{_layer(it)}", (307,)),
)


@dataclass(frozen=True, slots=True)
class Served:
    """The requests of one kind to one server in one round. Times in milliseconds; `calls` to storage a request."""

    kind: str
    server: str
    clients: int
    round: int
    p50: float
    p99: float
    rate: float
    calls: float


def run(folder: Path, requests: int, rounds: int) -> dict[str, Any]:
    with ExitStack() as ends:
        foundation = ends.enter_context(Foundation(folder))
        settings = {"MIRROR_SERVE": "anonymous"}
        stack = ends.enter_context(mirror_stack(foundation=foundation, folder=folder / "stack", settings=settings))
        placed = fleet.small_images(IMAGES)
        fleet.fill(stack.account, CONTAINER, placed)
        storage = StorageCalls(stack.account)
        hosts = {OURS: urlsplit(stack.functions.url).netloc}
        workers = ", ".join(str(it["pid"]) for it in stack.functions.workers())
        places = [
            f"storage: Azurite, pid {foundation.services[1].pid}",
            f"{OURS}: worker pid {workers}, host pid {stack.pids()['functions']}",
        ]
        if binary := find_tool("registry"):
            server = foundation.certificates.server
            stock = ends.enter_context(
                stock_registry(binary, folder, server, stack.account, CONTAINER, tls=False, redirects=True)
            )
            hosts[STOCK] = stock.host
            places.append(f"{STOCK}: pid {stock.pid}")
        course = _Course(placed, storage, hosts)
        course.warm()
        for number in range(rounds):
            for kind in KINDS:
                for clients in CLIENTS:
                    for name in list(hosts)[:: 1 if number % 2 == 0 else -1]:
                        course.round(kind, name, clients, number, requests)
        title = f"Pulls from a mirror of {IMAGES} images, {requests} requests of each kind a round"
        print("\n".join([title, *(f"  {it}" for it in places), *course.told()]), end="\n\n", flush=True)
        return {"places": places, "first": course.first, "served": [asdict(it) for it in course.served]}


class _Course:
    def __init__(self, placed: Sequence[Placed], storage: StorageCalls, hosts: dict[str, str]) -> None:
        self._placed = placed
        self._storage = storage
        self._hosts = hosts
        self.first: dict[str, float] = {}
        self.served: list[Served] = []

    def warm(self) -> None:
        for name, host in self._hosts.items():
            for kind in KINDS:
                before = self._calls()
                _ask(host, kind, self._placed)
                if name == OURS:
                    self.first[kind.name] = (self._calls() - before) / len(self._placed)

    def round(self, kind: Kind, name: str, clients: int, number: int, requests: int) -> None:
        each = [self._placed[at % len(self._placed)] for at in range(max(1, requests // clients))]
        # Nobody begins before all have a connection.
        gate = threading.Barrier(clients)
        before, host = self._calls(), self._hosts[name]
        begun = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            found = pool.map(lambda _: _ask(host, kind, each, gate), range(clients))
            times = sorted(seconds for times in found for seconds in times)
        seconds = time.perf_counter() - begun
        self.served.append(
            Served(
                kind.name,
                name,
                clients,
                number,
                1000 * times[len(times) // 2],
                1000 * times[min(len(times) - 1, len(times) * 99 // 100)],
                len(times) / seconds,
                (self._calls() - before) / len(times),
            )
        )

    def told(self) -> list[str]:
        """Lines; p50, p99 and rates are min / median / max over the rounds."""
        head = ["", "clients", "", "p50 ms", "p99 ms", "requests/s", "calls each", "the first"]
        rows = [head]
        for kind in KINDS:
            for clients in CLIENTS:
                for name in self._hosts:
                    found = [it for it in self.served if (it.kind, it.clients, it.server) == (kind.name, clients, name)]
                    rows.append(
                        [
                            kind.name,
                            str(clients),
                            name,
                            spread([it.p50 for it in found], 1),
                            spread([it.p99 for it in found], 1),
                            spread([it.rate for it in found], 0),
                            spread([it.calls for it in found], 1),
                            f"{self.first[kind.name]:.1f}" if name == OURS else "",
                        ]
                    )
        return columns(rows)

    def _calls(self) -> int:
        """Of blobs and tables: queues are polled by the host."""
        told = self._storage.read()
        return told["blob"] + told["table"]


def _ask(host: str, kind: Kind, placed: Sequence[Placed], gate: threading.Barrier | None = None) -> list[float]:
    """Seconds of each request, one after another over one connection. Raises RuntimeError for another answer."""
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.connect()
    times = []
    try:
        if gate is not None:
            gate.wait(60)
        for it in placed:
            begun = time.perf_counter()
            connection.request(kind.method, kind.path(it), headers=_ACCEPT)
            answer = connection.getresponse()
            body = answer.read()
            times.append(time.perf_counter() - begun)
            if answer.status not in kind.statuses:
                raise RuntimeError(f"{kind.name} of {host} was answered {answer.status}: {body[:300]!r}")
    finally:
        connection.close()
    return times


def _layer(placed: Placed) -> str:
    return str(placed.image.blobs[-1].descriptor.digest)
