"""The course `restore`: many small images of a mirror, restored into an empty registry.

Measured: seconds from the request to the end of the last image, with one worker and with two; CPU seconds of the
workers; calls to storage, and requests to the registry that is restored into. Beside it regctl (`image copy`, a run for
each image, four beside each other) and regsync (`once`, four images beside each other), which read from a stock
registry on the very same container. Each round and contender has an empty target of its own, and the tags are looked
for there afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import fleet
from bench.following import Following
from bench.peers import Place, Regctl, Regsync
from bench.services import Peer, find_tool, stock_registry
from bench.trials import StorageCalls, Trial, Trials, measured
from standins.control import RegistryControl
from standins.foundation import Foundation
from standins.stack import Stack
from testkit.session import Session
from testkit.stack import CONTAINER, RESOURCES, mirror_stack

WORKERS = (1, 2)


def run(folder: Path, images: int, rounds: int) -> dict[str, Any]:
    with ExitStack() as ends:
        course = _Course(ends, folder, images, rounds)
        return course.trials.rounds(course.field, rounds, Regctl.name)


class _Course:
    def __init__(self, ends: ExitStack, folder: Path, images: int, rounds: int) -> None:
        self._folder = folder
        # One with the mirror, and one for each stack: queues and records are new each time.
        foundation = ends.enter_context(Foundation(folder, accounts=1 + rounds * (len(WORKERS) + 2)))
        self._foundation = foundation
        self._mirror = foundation.account().deploy(RESOURCES)
        self._placed = fleet.small_images(images)
        fleet.fill(self._mirror, CONTAINER, self._placed)
        self._storage = StorageCalls(self._mirror)
        azurite = foundation.services[1].pid
        places = [f"source: a mirror in Azurite, pid {azurite}", "target: a new local registry each time"]
        title = f"{images} small images of {fleet.REPOSITORIES} repositories, restored"
        self._azurite = {"Azurite": azurite}
        self.trials = Trials(title, places)
        self.field: list[Callable[[int], Trial]] = [self._ours(it) for it in WORKERS]
        ca = foundation.certificates.ca
        binary, regctl, regsync = find_tool("registry"), Regctl.find(folder, ca), Regsync.find(folder, ca)
        if binary is None:
            return
        server = foundation.certificates.server
        stock = ends.enter_context(stock_registry(binary, folder, server, self._mirror, CONTAINER))
        places.append(f"the others read it by a stock registry, pid {stock.pid}")
        if regctl is not None:
            references = [f"{it.repository}:{it.image.tag}" for it in self._placed]
            self.field.append(self._tool(regctl, stock, references))
        if regsync is not None:
            self.field.append(self._tool(regsync, stock, sorted({it.repository for it in self._placed})))

    def _ours(self, workers: int) -> Callable[[int], Trial]:
        name = f"acrmirror, {workers} worker{'s' if workers > 1 else ''}"

        def go(number: int) -> Trial:
            trial = Trial(name, number)
            # Its own account has queues and records; the mirror is another's, which restores only read.
            settings = {"MIRROR_BLOB_ENDPOINT": self._mirror.blob_endpoint}
            with self._stack(f"{workers}-{number}", workers=workers, settings=settings) as stack:
                app = Following(stack)
                app.wake()
                with measured(trial, self._storage, stack.target, app.workers(), self._beside(stack)):
                    trial.seconds, _ = app.through("restores", {"target": stack.target.host, "patterns": ["*"]})
                self._check(stack.target)
            return trial

        return go

    def _tool(self, tool: Regctl | Regsync, stock: Peer, what: list[str]) -> Callable[[int], Trial]:
        def go(number: int) -> Trial:
            trial = Trial(tool.name, number)
            with self._stack(f"{tool.name}-{number}", functions=False) as stack:
                copies = {stock.name: stock.pid}
                with measured(trial, self._storage, stack.target, copies, self._beside(stack)):
                    taken = tool.run(Place(stock.host), Place.of(stack.target), what)
                    trial.seconds = taken.seconds
                trial.cpu += taken.cpu
                self._check(stack.target)
            return trial

        return go

    def _stack(self, name: str, **options: Any) -> Stack:
        return mirror_stack(foundation=self._foundation, folder=self._folder / name, target=True, **options)

    def _beside(self, stack: Stack) -> dict[str, int]:
        return {**self._azurite, "target": stack.pids()["target"]}

    def _check(self, target: RegistryControl) -> None:
        """Whoever restored less than all was not fast."""
        session = Session(target.host, target.username, target.password, target.ca, 60)
        tags = 0
        for repository in sorted({it.repository for it in self._placed}):
            path, scopes = f"/v2/{repository}/tags/list?n=10000", (f"repository:{repository}:pull",)
            tags += len(json.loads(session.send("GET", path, scopes, expect=(200,)).body)["tags"])
        session.close()
        if tags != len(self._placed):
            raise RuntimeError(f"{tags} of {len(self._placed)} tags came")
