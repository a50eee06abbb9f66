"""The course `small`: many small images that no event told of, brought into an empty mirror by a sweep.

Measured: seconds from the request to the end of the last job, with one worker and with two; CPU seconds of the workers;
calls to storage, and requests to the registry, both counted by whoever answers them. Beside it regsync, into a stock
registry with a container of its own, on the same Azurite and from the same registry; its CPU is its own and the stock
registry's. Everybody begins with nothing, in a new container. Afterwards every tag is looked for.

Everything goes over TLS. The stand-in of the Functions host gives a worker its messages as the platform does, and its
own CPU is not among the workers'.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobServiceClient

from bench import fleet
from bench.following import Following
from bench.peers import Place, Regsync
from bench.services import find_tool, stock_registry
from bench.trials import StorageCalls, Trial, Trials, measured
from standins.foundation import Account, Foundation
from testkit.stack import CONTAINER, mirror_stack

WORKERS = (1, 2)


def run(folder: Path, images: int, rounds: int) -> dict[str, Any]:
    with ExitStack() as ends:
        course = _Course(ends, folder, images, rounds)
        return course.trials.rounds(course.field, rounds, Regsync.name)


class _Course:
    def __init__(self, ends: ExitStack, folder: Path, images: int, rounds: int) -> None:
        self._folder = folder
        # One for the registry, which has no app beside it, and one for each contender of each round.
        self._foundation = ends.enter_context(Foundation(folder, accounts=1 + rounds * (len(WORKERS) + 1)))
        source = ends.enter_context(
            mirror_stack(foundation=self._foundation, folder=folder / "source", functions=False)
        )
        self._registry = source.registry
        self._placed = fleet.small_images(images)
        fleet.push(self._registry, self._placed)
        self._storage = StorageCalls(source.account)
        self._beside = {"Azurite": self._foundation.services[1].pid, "registry": source.pids()["registry"]}
        places = [
            f"source: the local registry, pid {self._beside['registry']}",
            f"sink: Azurite, pid {self._beside['Azurite']}, in memory; a new container each time",
        ]
        title = f"{images} small images of {fleet.REPOSITORIES} repositories, backfilled"
        self.trials = Trials(title, places)
        self.field: list[Callable[[int], Trial]] = [self._ours(it) for it in WORKERS]
        binary, regsync = find_tool("registry"), Regsync.find(folder, source.ca)
        if binary is not None and regsync is not None:
            self.field.append(self._regsync(binary, regsync))
            places.append("regsync writes by a stock registry on that Azurite")

    def _ours(self, workers: int) -> Callable[[int], Trial]:
        name = f"acrmirror, {workers} worker{'s' if workers > 1 else ''}"

        def go(number: int) -> Trial:
            trial = Trial(name, number)
            place = self._folder / f"{workers}-{number}"
            settings = {"MIRROR_REGISTRY": self._registry.host}
            stack = mirror_stack(foundation=self._foundation, folder=place, workers=workers, settings=settings)
            with stack:
                app = Following(stack)
                app.wake()
                with measured(trial, self._storage, self._registry, app.workers(), self._beside):
                    trial.seconds, _ = app.through("pulls", {"match": ["*"]})
                self._check(stack.account, CONTAINER)
            return trial

        return go

    def _regsync(self, binary: Path, regsync: Regsync) -> Callable[[int], Trial]:
        def go(number: int) -> Trial:
            trial = Trial(regsync.name, number)
            account, container = self._foundation.account(), "registry"
            with BlobServiceClient(account.blob_endpoint, **account.client_options) as blobs:
                blobs.create_container(container)
            certificate = self._foundation.certificates.server
            repositories = sorted({it.repository for it in self._placed})
            with stock_registry(binary, self._folder, certificate, account, container) as stock:
                copies = {stock.name: stock.pid}
                with measured(trial, self._storage, self._registry, copies, self._beside):
                    taken = regsync.run(Place.of(self._registry), Place(stock.host), repositories)
                    trial.seconds = taken.seconds
                trial.cpu += taken.cpu
            self._check(account, container)
            return trial

        return go

    def _check(self, account: Account, container: str) -> None:
        """Whoever copied less than all was not fast."""
        with BlobServiceClient(account.blob_endpoint, **account.client_options) as blobs:
            names = blobs.get_container_client(container).list_blob_names(name_starts_with="docker/registry/v2/repos")
            tags = sum(it.endswith("/current/link") for it in names)
        if tags != len(self._placed):
            raise RuntimeError(f"{tags} of {len(self._placed)} tags came")
