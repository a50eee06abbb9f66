"""No stand-in takes a request for whole whose client went away in the middle of it."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import BaseServer

import pytest
from azure.storage.blob import ContainerClient

from bench.wire import Connection as BenchConnection
from bench.wire import Request as BenchRequest
from bench.wire import Server as BenchServer
from standins.certificates import Certificates, make_certificates
from standins.foundation import Account, Foundation
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
from testkit.stack import CONTAINER
from tests.interop.tunnels import Tunnels

ROOT = Path(__file__).parents[2]
SECRET = b"0" * 64


@dataclass(slots=True)
class Place:
    """A server's port, and the requests that it took for whole so far: method and body."""

    port: int = 0
    taken: list[tuple[str, bytes]] = field(default_factory=list)


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


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

    def answer(request: Request[bytes]) -> Response:
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


@contextmanager
def benchmark(certificates: Certificates) -> Iterator[Place]:
    place = Place()

    def handle(connection: BenchConnection, request: BenchRequest) -> None:
        place.taken.append((request.method, connection.read()))
        connection.answer(201)

    server = BenchServer(handle, certificates.server)
    server.start()
    place.port = server.port
    yield place


SERVERS: dict[str, Callable[[Certificates], AbstractContextManager[Place]]] = {
    "relay": relay,
    "functions": functions,
    "registry": registry,
    "bench": benchmark,
}
LINE = "PUT /x HTTP/1.1\r\nHost: localhost\r\n"
SIZED = f"{LINE}Content-Length: 8\r\n\r\n"
CHUNKED = f"{LINE}Transfer-Encoding: chunked\r\n\r\n"
CUT = {
    "in the request's line": "PUT /x HTTP/1.1",
    "in a header": "PUT /x HTTP/1.1\r\nHost: local",
    "between headers": LINE,
    "before the body": SIZED,
    "in the body": f"{SIZED}1234",
    "before the first chunk": CHUNKED,
    "in a chunk's size": f"{CHUNKED}0",
    "in a chunk": f"{CHUNKED}8\r\n1234",
    "after a chunk": f"{CHUNKED}4\r\n1234\r\n",
}
MALFORMED = {
    "a length that is no number": f"{LINE}Content-Length: eight\r\n\r\n12345678",
    "a length below zero": f"{LINE}Content-Length: -8\r\n\r\n12345678",
    "two lengths": f"{LINE}Content-Length: 8\r\nContent-Length: 4\r\n\r\n12345678",
    "a chunk's size that is no number": f"{CHUNKED}eight\r\n12345678\r\n0\r\n\r\n",
    "a chunk's size below zero": f"{CHUNKED}-8\r\n12345678\r\n0\r\n\r\n",
    "a chunk that is longer than its size": f"{CHUNKED}4\r\n12345678\r\n0\r\n\r\n",
}
WHOLE = (f"{SIZED}12345678", f"{CHUNKED}4\r\n1234\r\n4;name=value\r\n5678\r\n0\r\nTrailer: 1\r\n\r\n")


def send(port: int, sent: bytes, ca: Path | None) -> bytes:
    """Sends that and goes away; what is answered until the server goes away as well."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        connection = plain
        if ca is not None:
            connection = ssl.create_default_context(cafile=str(ca)).wrap_socket(plain, server_hostname="localhost")
        with connection:
            connection.sendall(sent)
            answered = b""
            try:
                socket.socket.shutdown(connection, socket.SHUT_WR)  # an SSLSocket's own would end its TLS both ways
                while piece := connection.recv(1 << 16):
                    answered += piece
            except TimeoutError:
                raise
            except OSError:
                pass  # it went away without a farewell
            return answered


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


def test_a_tunnel_is_not_dug_for_half_a_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there, Tunnels() as tunnels:
        there.settimeout(0.5)
        port = there.getsockname()[1]
        for sent in (f"CONNECT a.localhost:{port}", f"CONNECT a.localhost:{port} HTTP/1.1\r\nHost: a"):
            assert send(tunnels.address[1], sent.encode(), None) == b""
            with pytest.raises(TimeoutError):
                there.accept()


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
