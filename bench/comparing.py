"""The course `compare`: a registry and a mirror with many tags, all equal, are compared, and nothing is found.

Measured: seconds from the request to the end of the sweep with one worker; its CPU seconds; calls to storage, and
requests to the registry. Beside it what regsync asks to find the same: its target is a stock registry on the very same
container of the same Azurite, and it has nothing to copy either. Each tag is on a manifest of its own.

The mirror is filled by its own code, but for history, which nobody reads here.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import fleet
from bench.following import Following
from bench.peers import Place, Regsync
from bench.services import find_tool, stock_registry
from bench.trials import StorageCalls, Trial, Trials, measured
from standins.foundation import Foundation
from testkit.stack import CONTAINER, mirror_stack


def run(folder: Path, tags: int, rounds: int) -> dict[str, Any]:
    with ExitStack() as ends:
        foundation = ends.enter_context(Foundation(folder))
        stack = ends.enter_context(mirror_stack(foundation=foundation, folder=folder / "stack"))
        registry, storage = stack.registry, StorageCalls(stack.account)
        registry.set_event_manner(hold=True)
        placed = fleet.many_tags(tags)
        fleet.push(registry, placed)
        registry.forget_events()
        fleet.fill(stack.account, CONTAINER, placed)
        beside = {"Azurite": foundation.services[1].pid, "registry": stack.pids()["registry"]}
        places = [f"source: the local registry, pid {beside['registry']}", f"sink: Azurite, pid {beside['Azurite']}"]
        trials = Trials(f"{tags} tags of {fleet.REPOSITORIES} repositories, in sync, compared", places)
        app = Following(stack)
        app.wake()
        for number in range(rounds):
            trial = Trial("acrmirror, 1 worker", number)
            with measured(trial, storage, registry, app.workers(), beside):
                trial.seconds, told = app.through("pulls", {"match": ["*"]})
            match = told["match"]
            if (match["listed"], match["mirrored"], match["requested"]) != (tags, tags, 0):
                raise RuntimeError(f"not all of {tags} tags were found equal: {match}")
            trials.trials.append(trial)
        binary, regsync = find_tool("registry"), Regsync.find(folder, stack.ca)
        if binary is not None and regsync is not None:
            places.append("regsync asks a stock registry on that container")
            certificate = foundation.certificates.server
            stock = ends.enter_context(stock_registry(binary, folder, certificate, stack.account, CONTAINER))
            # Once: it asks for each tag at both sides, which takes minutes, and the very same each time.
            trial = Trial(regsync.name, 0)
            with measured(trial, storage, registry, {stock.name: stock.pid}, beside):
                taken = regsync.run(Place.of(registry), Place(stock.host), [it.repository for it in placed])
                trial.seconds = taken.seconds
            trial.cpu += taken.cpu
            trials.trials.append(trial)
        print(trials.told(Regsync.name if Regsync.name in trials.names else None), end="\n\n", flush=True)
        return trials.as_json()
