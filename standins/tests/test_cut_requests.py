"""No stand-in takes a request for whole whose client went away in the middle of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from standins.certificates import Certificates, make_certificates
from standins.foundation import Account, Foundation
from standins.functions.request import HostRequest
from standins.functions.server import Response, Server
from standins.identity import Identity
from standins.ingestion import AUDIENCE, IngestionServer
from standins.registry.counters import Counters, Entry
from standins.registry.faults import Faults
from standins.registry.server import Prepared
from standins.registry.server import Server as RegistryServer
from standins.registry.wire import RegistryRequest
from standins.registry.wire import Response as RegistryResponse
from standins.relay import Answer, Relay
from standins.request import Request
from standins.tests.cutting import CUT, MALFORMED, WHOLE, Place, send, serving
from standins.tests.resources import CONTAINER

ROOT = Path(__file__).parents[2]
SECRET = b"0" * 64


@contextmanager
def relay(certificates: Certificates) -> Iterator[Place]:
    place = Place()

    def ask(request: Request[bytes]) -> Answer:
        place.taken.append((request.method, request.body))
        return Answer(201)

    with Relay(certificates.ca, certificates.server, root="") as running:
        running.ask = ask
        place.port = int(running.endpoint.rpartition(":")[2])
        yield place


@contextmanager
def functions(_: Certificates) -> Iterator[Place]:
    place = Place()

    def answer(request: HostRequest) -> Response:
        place.taken.append((request.method, request.body))
        return Response(201)

    with Server(0, answer) as server, serving(server):
        place.port = server.port
        yield place


class Site:
    """Of a registry that takes whatever comes."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.counters = Counters()
        self.faults = Faults()

    def prepare(self, method: str, path: str) -> Prepared:
        return Prepared(Entry(method, "other", path), self.answer)

    def answer(self, request: RegistryRequest) -> RegistryResponse:
        self.place.taken.append((request.method, request.body.read(1 << 20)))
        return RegistryResponse(201)

    def failure(self, status: int) -> RegistryResponse:
        return RegistryResponse(status)

    def common_headers(self) -> list[tuple[str, str]]:
        return []


@contextmanager
def registry(certificates: Certificates) -> Iterator[Place]:
    server = RegistryServer(0, certificates.server)
    place = Place(server.port)
    server.start(Site(place))
    try:
        yield place
    finally:
        server.stop()


SERVERS: dict[str, Callable[[Certificates], AbstractContextManager[Place]]] = {
    "relay": relay,
    "functions": functions,
    "registry": registry,
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[tuple[Place, Path | None]]:
    name: str = request.param
    with SERVERS[name](certificates) as running:
        yield running, None if name == "functions" else certificates.ca


def test_a_whole_request_is_taken(place: tuple[Place, Path | None]) -> None:
    running, ca = place
    for sent in WHOLE:
        assert b" 201 " in send(running.port, sent.encode(), ca)
    assert running.taken == [("PUT", b"12345678")] * 2


@pytest.mark.parametrize("sent", (CUT | MALFORMED).values(), ids=(CUT | MALFORMED).keys())
def test_a_cut_or_malformed_one_is_not(place: tuple[Place, Path | None], sent: str) -> None:
    running, ca = place
    assert b" 201 " not in send(running.port, sent.encode(), ca)
    assert running.taken == []


def test_telemetry_that_was_cut_after_its_last_item_is_not_kept(certificates: Certificates, tmp_path: Path) -> None:
    received = tmp_path / "received.jsonl"
    with IngestionServer(certificates.server, SECRET, received) as server, serving(server):
        token, _ = Identity("client", "principal", SECRET).token(AUDIENCE)
        data = {"metrics": [{"name": "jobs", "value": 1}]}
        item = {
            "iKey": server.instrumentation_key,
            "time": "2026-01-01T00:00:00Z",
            "data": {"baseType": "MetricData", "baseData": data},
        }
        body = json.dumps([item])
        head = f"POST /v2.1/track HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: "
        port = server.server_address[1]
        assert b" 200 " not in send(port, f"{head}{len(body) + 2}\r\n\r\n{body}".encode(), certificates.ca)
        assert not received.exists()
        assert b" 200 " in send(port, f"{head}{len(body)}\r\n\r\n{body}".encode(), certificates.ca)
        assert len(received.read_text().splitlines()) == 1


UPLOAD = """
import sys
from azure.storage.blob import BlobClient
from standins.credential import LocalCredential

class Slow:
    # Half of it, then nothing more.
    def __init__(self):
        self.given = False
    def read(self, size):
        if self.given:
            print("half", flush=True)
            sys.stdin.read()
        self.given = True
        return b"x" * 1_000_000

url, endpoint, header, client, ca = sys.argv[1:]
with BlobClient.from_blob_url(url, credential=LocalCredential(endpoint, header, client), connection_verify=ca) as blob:
    blob._client.block_blob.upload(content_length=2_000_000, body=Slow())
"""


def test_a_client_that_is_killed_leaves_nothing_in_storage_by_way_of_a_relay(
    account: Account, foundation: Foundation
) -> None:
    ca = foundation.certificates.ca
    with Relay(ca, foundation.certificates.server, account.blob_endpoint) as running:
        identity = account.identity
        url = f"{running.endpoint}/{CONTAINER}/half"
        command = [sys.executable, "-c", UPLOAD, url, identity.endpoint, identity.header, identity.client_id, str(ca)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"half\n"
            process.send_signal(signal.SIGKILL)
    with ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options) as container:
        assert list(container.list_blob_names()) == []
