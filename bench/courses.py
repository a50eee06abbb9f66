"""The courses of a benchmark: between which processes, over which link, and every contender in turn."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from azure.storage.blob import BlobServiceClient

from bench import calls, comparing, far, restoring, services, serving, small
from bench.contenders import Contender, Course, beside
from bench.credential import AnyToken
from bench.link import Link
from bench.report import MB, Comparison, Run, spread, table
from bench.services import Counters, Peer
from bench.synthetic import Image, make_image
from standins.certificates import make_certificates
from standins.foundation import Foundation

MIB = 1 << 20
SIMULATED = Link(latency=0.020, rate=60e6)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much there is to do in the courses about many images."""

    images: int
    tags: int
    requests: int


MANY: dict[str, Callable[[Path, Extent, int], dict[str, Any]]] = {
    "small": lambda folder, extent, rounds: small.run(folder, extent.images, rounds),
    "compare": lambda folder, extent, rounds: comparing.run(folder, extent.tags, rounds),
    "far": lambda folder, _, rounds: far.run(folder, 5 * rounds),
    "serve": lambda folder, extent, rounds: serving.run(folder, extent.requests, rounds),
    "restore": lambda folder, extent, rounds: restoring.run(folder, extent.images, rounds),
}
"""Courses that set themselves up in a folder of their own, and print what they find."""
MANY_ROUNDS = 3
"""At most: what they count is the same in each."""
COURSES = ("link", "plain", "azurite", "memory", "calls", *MANY)
MEMORY_LIMIT = 100 * MB
MEMORY_NOISE = 5 * MB
BESIDE = 12
"""Copies beside each other, as many as `host.json` lets a worker have."""
ONE_BLOCK = 7 * MIB
# Requests that only authenticate, and reads that the registry does not see.
_NOT_COUNTED = frozenset({"challenge", "exchange", "token", "GET data", "HEAD data"})


class Bench:
    """Runs courses and gathers what they gave."""

    def __init__(self, folder: Path, field: list[Contender], rounds: int, extent: Extent, settle: float = 0.0) -> None:
        self._folder = folder
        self._certificates = make_certificates(folder)
        self._counters = Counters(self._certificates.ca)
        self._field = field
        self._rounds = rounds
        self._extent = extent
        self._settle = settle
        self._comparisons: list[Comparison] = []
        self._memory: dict[str, Any] = {}
        self._calls: dict[str, Any] = {}
        self._many: dict[str, Any] = {}
        self.complaints: list[str] = []

    def run(self, course: str, size: int) -> None:
        if course == "memory":
            self._run_memory(size)
            return
        if course == "calls":
            self._run_calls()
            return
        if course in MANY:
            folder = self._folder / course
            folder.mkdir()
            services.wait_until_idle(self._settle)
            self._many[course] = MANY[course](folder, self._extent, min(self._rounds, MANY_ROUNDS))
            return
        link = SIMULATED if course == "link" else Link()
        with self._course(link, size, course) as (comparison, places, way):
            for number in range(self._rounds):
                self._round(number, comparison, places, way)
        self._comparisons.append(comparison)
        if comparison.runs:
            print(table(comparison, self._field[0].name), end="\n\n", flush=True)

    def as_json(self) -> dict[str, Any]:
        ours = self._field[0].name
        return {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "courses": [it.as_json(ours) for it in self._comparisons],
            "memory": self._memory,
            "calls": self._calls,
            "many": self._many,
        }

    def _round(self, number: int, comparison: Comparison, places: list[Peer], course: Course) -> None:
        """Every contender once. They change places each round, so that none always runs on a machine just warmed."""
        turn = number % len(self._field)
        for contender in self._field[turn:] + self._field[:turn]:
            if contender.pushes and course.registry is None:
                continue
            comparison.runs.append(self._one(number, contender, places, course))

    def _one(self, number: int, contender: Contender, places: list[Peer], course: Course) -> Run:
        for place in places:
            self._counters.reset(place)
        services.wait_until_idle(self._settle)
        before = [services.cpu_of(place) for place in places]
        rest = services.children_cpu() - services.machine_cpu()
        taken = contender.run(course)
        beside = {place.name: services.cpu_of(place) - cpu for place, cpu in zip(places, before, strict=True)}
        rest += services.machine_cpu() - services.children_cpu()
        beside["everything else"] = max(0.0, rest - sum(beside.values()))
        counts = {place.name: self._counters.read(place) for place in places}
        asked = sum(times for kind, times in counts["source"].items() if kind not in _NOT_COUNTED)
        return Run(contender.name, number, course.image.layer_size, taken, asked, counts, beside)

    @contextmanager
    def _course(self, link: Link, size: int, name: str) -> Iterator[tuple[Comparison, list[Peer], Course]]:
        image = make_image(size)
        with ExitStack() as stack:
            server = self._certificates.server
            source = stack.enter_context(services.source(self._folder, server, size, link, "source"))
            said = "20 ms a request, 60 MB/s a connection" if link.rate else "no simulated link"
            places = [f"source: pid {source.pid}, {said}"]
            if name == "azurite":
                course, sinks = self._azurite(stack, image, source)
                places += sinks
                counted = [source]
            else:
                sink = stack.enter_context(services.sink(self._folder, server))
                places.append(
                    f"sink: pid {sink.pid}, Blob Storage's protocol for ours and the SDK, a registry's push for others"
                )
                ca = self._certificates.ca
                course = Course(
                    source.host, f"https://{sink.host}", lambda: nullcontext(sink.host), ca, image, _nothing_to_make
                )
                counted = [source, sink]
            title = f"{size // MIB} MiB, {said}, into {'Azurite' if name == 'azurite' else 'a sink that costs nothing'}"
            yield Comparison(title, size, places), counted, course

    def _azurite(self, stack: ExitStack, image: Image, source: Peer) -> tuple[Course, list[str]]:
        """Azurite for those who speak its protocol, and a stock registry on it for those who push."""
        folder = self._folder / "azurite"
        folder.mkdir()
        foundation = stack.enter_context(Foundation(folder, data=folder / "data"))
        account = foundation.account()
        ca = foundation.certificates.ca
        both = folder / "both.pem"
        both.write_bytes(ca.read_bytes() + self._certificates.ca.read_bytes())
        blobs = stack.enter_context(BlobServiceClient(account.blob_endpoint, AnyToken(), connection_verify=str(ca)))
        places = [f"sink: {', '.join(f'{it.name} pid {it.pid}' for it in foundation.services)}"]
        binary = services.find_tool("registry")
        if binary is None or not any(it.pushes for it in self._field):
            return Course(source.host, account.blob_endpoint, None, both, image, lambda it: _make(blobs, it)), places
        places.append("stock registry on it, for those who push: a new one with a new container each time")
        names = count(1)

        @contextmanager
        def registry() -> Iterator[str]:
            container = f"registry-{next(names)}"
            _make(blobs, container)
            with services.stock_registry(binary, folder, foundation.certificates.server, account, container) as it:
                yield it.host

        return Course(source.host, account.blob_endpoint, registry, both, image, lambda it: _make(blobs, it)), places

    def _run_memory(self, size: int) -> None:
        """How far ours grows over its idle size, at `size` and at four times that; and with many copies beside each
        other, of large layers and of such as are one block."""
        ours = self._field[0]
        plans = {
            f"{size // MIB} MiB": (ours, size),
            f"{4 * size // MIB} MiB": (ours, 4 * size),
            f"{BESIDE} times {size // BESIDE // MIB} MiB": (beside(BESIDE), size // BESIDE),
            f"{BESIDE} times {ONE_BLOCK // MIB} MiB": (beside(BESIDE), ONE_BLOCK),
        }
        grown: dict[str, list[int]] = {}
        for title, (contender, layer) in plans.items():
            with self._course(Link(), layer, "memory") as (_, places, course):
                runs = [self._one(number, contender, places, course) for number in range(min(self._rounds, 3))]
            grown[title] = growths = [run.growth for run in runs if run.growth is not None]
            grew = spread([it / MB for it in growths], 1)
            print(f"memory: {ours.name} at {title} grows by {grew} MB over its idle size")
        small, large, *_ = medians = [median(growths) for growths in grown.values()]
        if max(medians) > MEMORY_LIMIT:
            self.complaints.append(f"memory grew by {max(medians) / MB:.0f} MB, over {MEMORY_LIMIT / MB:.0f} MB")
        if large > small + MEMORY_NOISE:
            self.complaints.append(f"memory grew by {(large - small) / MB:.0f} MB more for a layer four times as large")
        print()
        self._memory = {"contender": ours.name, "limit": MEMORY_LIMIT, "growth_by_size": grown}

    def _run_calls(self) -> None:
        """What each of a few pushes calls storage for, and what a small one takes of the worker's processor."""
        folder = self._folder / "calls"
        folder.mkdir()
        pushes, cpu = calls.run(folder, 10 * self._rounds)
        for pushed in pushes:
            print(pushed.told(), flush=True)
        print(f"CPU of the worker for a small push, roughly: {cpu * 1000:.0f} ms\n", flush=True)
        self._calls = {it.title: {"calls": len(it.calls), "depth": it.depth} for it in pushes} | {"cpu": cpu}


def _make(blobs: BlobServiceClient, container: str) -> None:
    blobs.create_container(container)


def _nothing_to_make(container: str) -> None:
    """The sink has every container that is asked of it."""
