"""Runs of jobs in the test's own process, on a stack without a Functions host."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from acrmirror.app import App
from acrmirror.jobs import TableClaims
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.reference import Reference
from acrmirror.settings import Settings
from acrmirror.work import BACKFILL_QUEUE, JOB_QUEUE, Copy, read_task
from acrmirror.work.failing import Failing
from standins.foundation import Foundation
from standins.relay import Answer
from testkit.images import Image
from tests.integration.mirroring import Mirroring
from tests.integration.storage_proxy import StorageProxy


@contextmanager
def app_of(mirror: Mirroring, **settings: str) -> Iterator[App]:
    with App.open(Settings.from_environment({**mirror.stack.app_environment(), **settings})) as app:
        yield app


@contextmanager
def table_answering(
    mirror: Mirroring, foundation: Foundation, refuses: Callable[[str, str], Answer | None] = lambda method, path: None
) -> Iterator[tuple[App, StorageProxy]]:
    """An app whose requests to the table go by a proxy, which is asked about each (method, path)."""
    with StorageProxy(mirror.stack.ca, foundation.certificates.server) as proxy:
        proxy.upstream = mirror.stack.account.table_endpoint
        proxy.refuses = refuses
        with app_of(mirror, MIRROR_TABLE_ENDPOINT=proxy.endpoint) as app:
            yield app, proxy


def read_job(message: str) -> Copy:
    task = read_task(message)
    assert isinstance(task, Copy)
    return task


def job_for(repository: str, image: Image, name: str = "event") -> Copy:
    return Copy.of_event(
        Reference(repository, image.tag, image.root.digest), f"{name}-{repository}", from_datetime(datetime.now(UTC))
    )


def wait_until_older(moment: str, seconds: float) -> None:
    """Sleeps until `moment` lies that far back: what is asked within the lag window of an event is provisional."""
    age = (datetime.now(UTC) - to_datetime(moment)).total_seconds()
    time.sleep(max(0.0, seconds - age + 0.05))


def failing_since(code: str, at: datetime, count: int = 9) -> tuple[Failing, ...]:
    """What a job has failed by that met one kind of failure since then, again and again until now."""
    return (Failing(code, from_datetime(at), count, from_datetime(datetime.now(UTC))),)


def sent(mirror: Mirroring, *queues: str) -> list[dict[str, Any]]:
    """Jobs in these queues, or in both that have jobs; those delayed included, as `{}`."""
    return [message for name in queues or (JOB_QUEUE, BACKFILL_QUEUE) for message in _sent(mirror, name)]


def _sent(mirror: Mirroring, name: str) -> list[dict[str, Any]]:
    stack = mirror.stack
    with QueueClient(
        stack.queue_endpoint,
        name,
        message_decode_policy=TextBase64DecodePolicy(),
        **stack.account.client_options,
    ) as queue:
        count = queue.get_queue_properties().approximate_message_count or 0
        visible = [json.loads(it.content) for it in queue.receive_messages(max_messages=32, visibility_timeout=1)]
    assert len(visible) <= count
    return visible + [{}] * (count - len(visible))


def asked_in(messages: Iterable[dict[str, Any]]) -> list[str]:
    """The ids of the jobs that these messages are about: a batch has several."""
    return [it for message in messages for it in ([row[0] for row in message.get("wanted", ())] or [message["id"]])]


def next_message(mirror: Mirroring, seconds: float = 20) -> dict[str, Any]:
    """The one message there is, once it can be seen; it is taken from the queue."""
    messages: list[dict[str, Any]] = []

    def arrived() -> bool:
        messages[:] = sent(mirror)
        return bool(messages) and messages != [{}]

    mirror.wait(arrived, seconds, "the message")
    (message,) = messages
    for queue in mirror.queues:
        queue.clear_messages()
    return message


@contextmanager
def at_work_elsewhere(mirror: Mirroring, image: Image) -> Iterator[None]:
    """Another worker holds all of the image's blobs, and gets on with them."""
    claims = TableClaims(mirror.records.table, 1.0)
    held = [claims.acquire(blob.descriptor.digest) for blob in image.blobs]
    over = threading.Event()

    def work() -> None:
        done = 0
        while not over.wait(0.1):
            done += 1
            for claim in held:
                assert claim is not None
                claim.renew(done)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()
        for claim in held:
            assert claim is not None
            claim.release()
