"""Which calls to storage a push costs, from its event to its final record, and how many wait for others.

The app runs in this process, on Azurite, and its calls go by relays (`bench.levels`). What the platform itself asks of
the queue (to get the message and to delete it) is not among them, nor are tokens.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote

from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from acrmirror.app import App
from acrmirror.jobs import reporting
from acrmirror.moments import from_datetime
from acrmirror.settings import Settings
from acrmirror.work import JOB_QUEUE
from bench.levels import QUIET, Call, Levels
from standins.stack import RESOURCE_ID, Stack
from testkit.images import Image, oci_image
from testkit.push import Pusher
from testkit.stack import mirror_stack

SMALL = (20_000,)
"""Bytes of the layers of a small image, which has a config besides."""
_WHAT = (
    (r"/_layers/", "link of a config or layer"),
    (r"/_manifests/revisions/", "link of the manifest"),
    (r"/_manifests/tags/.+/index/", "link of the tag's past"),
    (r"/_manifests/tags/.+/current/", "link of the tag"),
    (r"/history/", "history"),
    (r"/blobs/.+/data", "content"),
    (r"mirrorjobs\(PartitionKey='claim'", "claim"),
    (r"mirrorjobs", "record"),
    (r"/messages", "message"),
)
_VERBS = {"GET": "read", "HEAD": "look for", "PUT": "write", "POST": "write", "PATCH": "change", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Pushed:
    """What one push cost: its calls in their order, and how many of them came one after another."""

    title: str
    calls: list[Call]
    depth: int

    def told(self) -> str:
        lines = [f"| {it.level} | {it.service} | {told(it)} | {it.status} |" for it in self.calls]
        head = f"{self.title}: {len(self.calls)} calls, {self.depth} deep"
        return "\n".join([head, "", "| level | service | call | answer |", "|---|---|---|---|", *lines, ""])


class Pushing:
    """An app next to a registry that it mirrors, both in the hands of whoever pushes."""

    def __init__(self, stack: Stack, app: App, pusher: Pusher, queue: QueueClient) -> None:
        self._stack = stack
        self._app = app
        self._pusher = pusher
        self._queue = queue

    def push(self, repository: str, image: Image) -> None:
        """To the registry alone."""
        self._pusher.image(repository, image)

    def mirror_anew(self, repository: str, image: Image) -> None:
        """Both."""
        self.push(repository, image)
        self.mirror(repository, image)

    def mirror(self, repository: str, image: Image) -> None:
        """Takes the event of a push, and runs its job to the end."""
        event = _event(f"pushed-{os.urandom(4).hex()}", repository, image, self._stack.registry.host)
        self._app.intake.receive(event)
        for message in self._queue.receive_messages(visibility_timeout=60):
            self._app.dispatch.run(message.content, 1)
            self._queue.delete_message(message)


@contextmanager
def pushing(stack: Stack, **settings: str) -> Iterator[Pushing]:
    registry, account = stack.registry, stack.account
    with (
        Pusher(registry.host, registry.username, registry.password, stack.ca) as pusher,
        QueueClient(
            account.queue_endpoint,
            JOB_QUEUE,
            message_decode_policy=TextBase64DecodePolicy(),
            **account.client_options,
        ) as queue,
        patch.dict(os.environ, stack.identity.environment()),
        App.open(Settings.from_environment({**stack.app_environment(), **settings})) as app,
    ):
        yield Pushing(stack, app, pusher, queue)


@contextmanager
def counting(stack: Stack, certificate: Path, quiet: float = QUIET) -> Iterator[tuple[Pushing, Levels]]:
    """`certificate` is what the relays serve with. A run takes longer here than it does elsewhere, since its calls are
    held: its record is not written because of that."""
    with (
        Levels(stack.account, certificate, quiet) as levels,
        patch.object(reporting, "TICK_SECONDS", 3600.0),
        pushing(
            stack,
            MIRROR_BLOB_ENDPOINT=levels.endpoints["blob"],
            MIRROR_TABLE_ENDPOINT=levels.endpoints["table"],
            MIRROR_QUEUE__queueServiceUri=levels.endpoints["queue"],
        ) as pushed,
    ):
        yield pushed, levels


def run(folder: Path, more: int) -> tuple[list[Pushed], float]:
    """The pushes of the table in docs/benchmarks.md; and CPU seconds of this process for each of `more` small ones,
    with nothing between it and Azurite."""
    with mirror_stack(folder=folder, functions=False) as stack:
        with counting(stack, folder / "server.pem") as (app, levels):
            told = _count(app, levels)
        with pushing(stack) as app:
            return told, _cpu(app, more)


def _count(app: Pushing, levels: Levels) -> list[Pushed]:
    first, next_one = oci_image("small", layers=SMALL), oci_image("small", layers=(*SMALL, 4096))
    pushes = [
        ("A small push: a config, a layer, one tag", first),
        ("Its event once more", first),
        ("The same image with one more layer, and the same tag", next_one),
    ]
    told: list[Pushed] = []
    app.mirror_anew("bench/warm", oci_image("warm", layers=SMALL))
    for title, image in pushes:
        app.push("bench/small", image)
        levels.reset()
        app.mirror("bench/small", image)
        told.append(Pushed(title, list(levels.calls), levels.depth))
    return told


def _cpu(app: Pushing, count: int) -> float:
    images = [(f"bench/cpu-{number}", oci_image(f"cpu {number}", layers=SMALL)) for number in range(count)]
    for repository, image in images:
        app.push(repository, image)
    app.mirror_anew("bench/warm", oci_image("warm too", layers=SMALL))
    before = time.process_time()
    for repository, image in images:
        app.mirror(repository, image)
    return (time.process_time() - before) / count


def told(call: Call) -> str:
    """A call in words."""
    target = unquote(call.target)
    what = next((what for pattern, what in _WHAT if re.search(pattern, target)), target)
    return f"{_VERBS.get(call.method, call.method)} {what}"


def _event(identity: str, repository: str, image: Image, host: str) -> dict[str, object]:
    now = from_datetime(datetime.now(UTC))
    target = {
        "mediaType": image.root.media_type,
        "size": image.root.size,
        "digest": str(image.root.digest),
        "repository": repository,
        "tag": image.tag,
    }
    return {
        "id": identity,
        "topic": RESOURCE_ID,
        "subject": f"{repository}:{image.tag}",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": now,
        "data": {"id": identity, "timestamp": now, "action": "push", "target": target, "request": {"host": host}},
    }
