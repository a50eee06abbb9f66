"""The Functions host with the sample app, a storage account of its own, and what the tests ask of both."""

import base64
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.storage.queue import QueueClient, QueueServiceClient

from standins import guard
from standins.control import FunctionsControl
from standins.foundation import Foundation
from standins.process import Service, wait_for
from standins.relay import Relay

SAMPLE = Path(__file__).parent / "apps" / "sample"
TOKEN = "of the test"
QUEUE = "orders"
RUNTIMES = ("official", "converters") if sys.version_info >= (3, 13) else ("converters",)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class SampleHost:
    service: Service
    ready: Mapping[str, Any]
    record: Path
    queues: QueueServiceClient
    control: FunctionsControl

    @property
    def queue(self) -> QueueClient:
        return self.queues.get_queue_client(QUEUE)

    @property
    def poison(self) -> QueueClient:
        return self.queues.get_queue_client(f"{QUEUE}-poison")

    def connect(self) -> HTTPConnection:
        return HTTPConnection(urlsplit(self.ready["functions"]).netloc, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A header's underscores become hyphens."""
        connection = self.connect()
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            return answer(connection.getresponse())
        finally:
            connection.close()

    def notify(self, events: Any, function: str = "on_event", kind: str = "Notification", key: str = "") -> Answer:
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        path = f"/runtime/webhooks/EventGrid?functionName={function}&code={key or self.ready['system_key']}"
        return self.ask("POST", path, body, aeg_event_type=kind, content_type="application/json")

    def send(self, **order: Any) -> str:
        """Its message's id."""
        return self.send_text(json.dumps(order))

    def send_text(self, text: str) -> str:
        return str(self.queue.send_message(base64.b64encode(text.encode()).decode()).id)

    def records(self, *did: str) -> list[dict[str, Any]]:
        try:
            lines = self.record.read_text().splitlines()
        except FileNotFoundError:
            return []
        return [entry for entry in map(json.loads, lines) if not did or entry["did"] in did]

    def expect(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        assert wait_for(condition, timeout, every=0.05), self.log()

    def expect_records(self, count: int, *did: str, timeout: float = 60) -> list[dict[str, Any]]:
        """Waits for so many of these, and fails if there are more."""
        self.expect(lambda: len(self.records(*did)) >= count, timeout)
        assert len(self.records(*did)) == count, self.records()
        return self.records(*did)

    def log(self) -> str:
        return self.service.log.read_text(errors="replace")

    def worker(self, number: int = 0) -> dict[str, Any]:
        return self.control.workers()[number]

    def expect_empty(self, queue: QueueClient) -> None:
        """Deleted messages, not hidden ones: the count holds both."""
        self.expect(lambda: queue.get_queue_properties().approximate_message_count == 0)


def answer(response: HTTPResponse) -> Answer:
    return Answer(response.status, dict(response.getheaders()), response.read())


@contextmanager
def sample_host(
    foundation: Foundation,
    folder: Path,
    *arguments: str,
    workers: int = 1,
    lease: int = 600,
    app: Path = SAMPLE,
    make_queue: bool = True,
    behind: Relay | None = None,
    **settings: str,
) -> Iterator[SampleHost]:
    """Settings beyond the sample's own are app settings; `queues_x` and `http_x` override host.json's extensions. What
    it runs at its end is not waited for. It sees its queues `behind` that relay."""
    account = foundation.account()
    if behind is not None:
        behind.upstream = account.queue_endpoint
    queues = QueueServiceClient(account.queue_endpoint, **account.client_options)
    if make_queue:
        queues.create_queue(QUEUE)
    record = folder / "record.jsonl"
    environment = {
        **os.environ,
        **foundation.identity.environment(),
        "SAMPLE__queueServiceUri": account.queue_endpoint if behind is None else behind.endpoint,
        "SAMPLE__credential": "managedidentity",
        "SAMPLE__clientId": foundation.identity.client_id,
        "SAMPLE_QUEUE": QUEUE,
        "SAMPLE_RECORD": str(record),
        "SAMPLE_SCHEDULE": "0 0 0 1 1 *",
        guard.VARIABLE: TOKEN,
    }
    for name, value in settings.items():
        section, _, option = name.partition("_")
        prefix = f"AzureFunctionsJobHost__extensions__{section}__" if section in ("queues", "http") else ""
        environment[prefix + option if prefix else name] = value
    command = ["--app", str(app), "--workers", str(workers), "--lease", str(lease), "--ca", str(account.ca)]
    command += ["--grace", "0", *arguments]
    service = Service.module("standins.functions", command, folder / "functions.log", environment)
    try:
        ready = service.ready()
        control = FunctionsControl(ready["functions"], ready["key"], ready["system_key"], TOKEN)
        yield SampleHost(service, ready, record, queues, control)
    finally:
        service.stop()
        queues.close()


def seconds_between(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    return float(second["at"]) - float(first["at"])


def pause(seconds: float) -> None:
    """For what must *not* happen meanwhile."""
    time.sleep(seconds)
