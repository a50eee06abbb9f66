"""A registry of the tests' own, that real clients push to and that can misbehave on demand."""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.registry import Limits, Registry
from acrmirror.settings import Settings
from standins import guard
from standins.control import RegistryControl
from standins.foundation import Foundation
from standins.process import Service
from testkit.push import Pusher
from tests.registries import registry_of


@dataclass(frozen=True, slots=True)
class Bed:
    """A running registry, its data host, and what it takes to read from it."""

    control: RegistryControl
    data_host: str
    foundation: Foundation

    def settings(self, **changes: object) -> Settings:
        values: dict[str, object] = {
            "registry": self.control.host,
            "blob_endpoint": "https://blob.invalid",
            "table_endpoint": "https://table.invalid",
            "queue_endpoint": "https://queue.invalid",
            "redirect_local": True,
            "trust_bundle": self.control.ca,
        }
        return Settings(**(values | changes))  # type: ignore[arg-type]

    @contextmanager
    def open(self, patience: float = 30, anonymous: bool = False, **changes: object) -> Iterator[Registry]:
        credential = None if anonymous else self.foundation.identity.credential()
        with registry_of(self.settings(**changes), credential, Limits(patience=patience)) as registry:
            yield registry

    def pusher(self) -> Pusher:
        return Pusher(self.control.host, self.control.username, self.control.password, self.control.ca)

    def push_blob(self, repository: str, content: bytes) -> Descriptor:
        with self.pusher() as pusher:
            return pusher.blob(repository, content)

    def calls(self, kind: str | None = None) -> list[str]:
        """What was asked under /v2/ and not answered 401, as method, kind and status."""
        return [
            f"{entry['method']} {entry['kind']} {entry['status']}"
            for entry in self.control.requests()
            if entry["counted"] and kind in (None, entry["kind"])
        ]


def start(foundation: Foundation, folder: Path, *arguments: str) -> tuple[Service, Bed]:
    password, token = secrets.token_hex(12), secrets.token_hex(12)
    service = Service.module(
        "standins.registry",
        [
            *("--cert", str(foundation.certificates.server), "--identity-key", str(foundation.key)),
            *("--username", "pusher", *arguments),
        ],
        folder / "registry.log",
        {**os.environ, "STANDINS_REGISTRY_PASSWORD": password, guard.VARIABLE: token},
    )
    ready = service.ready()
    control = RegistryControl(ready["registry"], "pusher", password, foundation.certificates.ca, token)
    return service, Bed(control, ready["data"], foundation)


@pytest.fixture(scope="session")
def running(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    service, bed = start(foundation, tmp_path_factory.mktemp("registry"))
    yield bed
    service.stop()


@pytest.fixture
def bed(running: Bed) -> Iterator[Bed]:
    """The shared registry, with no faults and nothing counted. Tests use repositories of their own."""
    running.control.clear_faults()
    running.control.reset_requests()
    yield running
    running.control.clear_faults()


@pytest.fixture
def started(foundation: Foundation, tmp_path: Path) -> Iterator[Callable[..., Bed]]:
    """Starts a registry with other arguments, for one test."""
    services: list[Service] = []

    def begin(*arguments: str) -> Bed:
        service, bed = start(foundation, tmp_path, *arguments)
        services.append(service)
        return bed

    yield begin
    for service in services:
        service.stop()


@dataclass(slots=True)
class Trap:
    """Listens, and remembers whether anyone came."""

    port: int
    visits: list[bytes] = field(default_factory=list)


@pytest.fixture
def trap() -> Iterator[Trap]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        caught = Trap(server.getsockname()[1])

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(1)
                    try:
                        caught.visits.append(connection.recv(100))
                    except OSError:
                        caught.visits.append(b"")

        thread = threading.Thread(target=listen)
        thread.start()
        yield caught
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def content(size: int, seed: int = 1) -> bytes:
    """Bytes in which every position can be told from its neighbours."""
    block = b"".join((seed * 1_000_003 + number).to_bytes(8, "big") for number in range(min(size, 1 << 20) // 8 + 1))
    return (block * (size // len(block) + 1))[:size]


def described(data: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor("application/octet-stream", Digest.of(data, algorithm), len(data))
