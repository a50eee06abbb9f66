"""The course `far`: what a small push takes when storage is 30 ms away, and when it is near.

Measured: seconds from a push event's arrival at the app to the end of its job, one push after another, each of an image
that the mirror has nothing of. The app is the real one, in this process; its three endpoints are relays in a process of
their own that wait before each request. What the platform does between (the queue's trigger) is not among it: its
message is taken from Azurite directly. The registry is near. Beside it crane and regctl, which copy such an image to a
stock registry whose storage is the same relay; these are measured from their start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from azure.storage.blob import BlobServiceClient

from bench import fleet
from bench.calls import Pushing, pushing
from bench.measure import measure_program
from bench.peers import Place, Regctl
from bench.report import columns, spread
from bench.services import find_tool, running, stock_registry
from bench.trials import SERVICES
from standins.process import Service
from standins.stack import Stack
from testkit.images import oci_image
from testkit.push import Pusher
from testkit.stack import mirror_stack

AWAY = 0.030
"""Seconds before each request to storage goes on."""


def run(folder: Path, pushes: int) -> dict[str, Any]:
    with ExitStack() as ends:
        stack = ends.enter_context(mirror_stack(folder=folder, functions=False))
        places = [f"registry: pid {stack.pids()['registry']}; the app: pid {os.getpid()}"]
        figures: dict[str, list[float]] = {}
        for latency in (0.0, AWAY):
            there = ends.enter_context(_away(stack, folder, latency))
            name = f"{latency * 1000:.0f} ms"
            places.append(f"storage {name} away: Azurite behind relays, pid {there['pid']}")
            settings = {
                "MIRROR_BLOB_ENDPOINT": there["blob"],
                "MIRROR_TABLE_ENDPOINT": there["table"],
                "MIRROR_QUEUE__queueServiceUri": there["queue"],
            }
            with pushing(stack, **settings) as app:
                figures[f"acrmirror, {name}"] = _ours(app, name, pushes)
            figures |= _peers(ends, stack, folder, name, there["blob"], max(2, pushes // 2))
        rows = [["", "s (min / median / max)"], *([name, spread(taken, 2)] for name, taken in figures.items())]
        title = f"A small push, storage near and {AWAY * 1000:.0f} ms away, {pushes} times"
        print("\n".join([title, *(f"  {it}" for it in places), *columns(rows)]), end="\n\n", flush=True)
        return {"places": places, "seconds": figures, "median": {name: median(it) for name, it in figures.items()}}


@contextmanager
def _away(stack: Stack, folder: Path, latency: float) -> Iterator[dict[str, Any]]:
    account = stack.account
    endpoints = (account.blob_endpoint, account.table_endpoint, account.queue_endpoint)
    arguments = ["--ca", str(stack.ca), "--cert", str(folder / "server.pem"), "--latency", str(latency)]
    for name, endpoint in zip(SERVICES, endpoints, strict=True):
        arguments += [f"--{name}", endpoint]
    with running(Service.module("bench.away", arguments, folder / "away.log")) as service:
        yield service.ready()


def _ours(app: Pushing, name: str, pushes: int) -> list[float]:
    app.mirror_anew(f"bench/warm-{name[0]}", oci_image(f"warm {name}", fleet.LAYERS))
    taken = []
    for number in range(pushes):
        repository, image = f"bench/far-{number}", oci_image(f"far {name} {number}", fleet.LAYERS, tag="v1")
        app.push(repository, image)
        begun = time.perf_counter()
        app.mirror(repository, image)
        taken.append(time.perf_counter() - begun)
    return taken


def _peers(ends: ExitStack, stack: Stack, folder: Path, name: str, storage: str, pushes: int) -> dict[str, list[float]]:
    binary, crane, regctl = find_tool("registry"), find_tool("crane"), Regctl.find(folder, stack.ca)
    if binary is None:
        return {}
    container = f"stock-{name.partition(' ')[0]}"
    with BlobServiceClient(stack.blob_endpoint, **stack.account.client_options) as blobs:
        blobs.create_container(container)
    server = folder / "server.pem"
    stock = ends.enter_context(stock_registry(binary, folder, server, stack.account, container, endpoint=storage))
    source, target = Place.of(stack.registry), Place(stock.host)
    found: dict[str, list[float]] = {}
    if regctl is not None:
        go = regctl
        found[f"regctl into a stock registry, {name}"] = _each(
            stack, "regctl", name, pushes, lambda image: go.run(source, target, [image]).seconds
        )
    if crane is not None:
        config = folder / "config.json"
        config.write_text(source.docker_config(), encoding="utf-8")
        environment = {"HOME": str(folder), "DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(stack.ca), "PATH": ""}

        def copy(image: str) -> float:
            command = [str(crane), "copy", f"{source.host}/{image}", f"{target.host}/{image}"]
            return measure_program(command, environment).seconds

        found[f"crane into a stock registry, {name}"] = _each(stack, "crane", name, pushes, copy)
    return found


def _each(stack: Stack, who: str, name: str, pushes: int, copy: Callable[[str], float]) -> list[float]:
    registry = stack.registry
    images: Sequence[str] = [f"bench/{who}-{number}:v1" for number in range(pushes)]
    with Pusher(registry.host, registry.username, registry.password, registry.ca) as pusher:
        for image in images:
            pusher.image(image.partition(":")[0], oci_image(f"{image} {name}", fleet.LAYERS, tag="v1"))
    return [copy(image) for image in images]
