"""The stock registry as it is deployed where storage is public: it answers a blob with a link that its identity signed,
and clients get layers straight from storage."""

import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from acrmirror.reference import Digest
from devtools.deployment.permissions import PERMISSIONS, SERVER, Assignment, assignments, policy, scope
from standins.foundation import Account, Foundation
from standins.policy.server import Layer
from standins.stack import Stack
from testkit.images import Image, multi_arch
from testkit.stack import CONTAINER
from tests.integration.mirroring import Mirroring
from tests.interop.clients import CLIENTS, Clients
from tests.interop.contents import closure, contents
from tests.interop.stock import get, stock_registry
from tests.interop.tunnels import Tunnels

pytestmark = pytest.mark.interop

LAYER = 3_000_000


@dataclass(frozen=True, slots=True)
class Redirecting:
    """A stock registry and the two ways to storage: the registry's own, and the clients'. Both lead through a layer
    that refuses what the deployment's registry is granted no role for."""

    host: str
    storage: str
    own: Tunnels
    clients: Tunnels
    layer: Layer


@pytest.fixture(scope="module")
def redirecting(
    shared_stack: Stack, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Redirecting]:
    account, certificates = shared_stack.account, foundation.certificates
    folder = tmp_path_factory.mktemp("redirecting")
    with (
        Tunnels() as own,
        Tunnels() as clients,
        Layer(account.ca, certificates.server, {"blob": account.blob_endpoint}, policy(SERVER)) as layer,
        stock_registry(layered(account, layer), certificates, CONTAINER, folder, own) as host,
    ):
        yield Redirecting(host, f"{account.name}.blob.localhost", own, clients, layer)


def layered(account: Account, layer: Layer) -> Account:
    return replace(account, blob_endpoint=layer.endpoints["blob"])


@pytest.fixture
def image(mirror: Mirroring) -> Image:
    if mirror.tagged("straight/app", "latest") is None:
        mirror.push("straight/app", multi_arch("straight", 2, shared_layers=(LAYER,)))
        mirror.wait_for(3, "straight/app")
    return multi_arch("straight", 2, shared_layers=(LAYER,))


def shared_layer(image: Image) -> Digest:
    (found,) = [it.descriptor.digest for it in image.blobs if it.descriptor.size == LAYER]
    return found


def fetched(link: str, redirecting: Redirecting, ca: Path) -> tuple[int, bytes]:
    """What storage gives to whoever has nothing but the link."""
    parts = urlsplit(link)
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection(*redirecting.clients.address, timeout=60, context=context)
    try:
        connection.set_tunnel(parts.hostname or "", parts.port)
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_blob_is_answered_with_a_link_that_an_identity_signed_and_that_opens_this_blob_alone(
    mirror: Mirroring, redirecting: Redirecting, image: Image
) -> None:
    ca, layer = mirror.stack.ca, shared_layer(image)
    status, headers, _ = get(redirecting.host, ca, f"/v2/straight/app/blobs/{layer}")
    assert status == 307
    link = headers["location"]
    query = parse_qs(urlsplit(link).query)
    assert urlsplit(link).hostname == redirecting.storage
    assert (query["sp"], query["sr"], query["spr"]) == (["r"], ["b"], ["https"])
    # The fields of a user delegation key: no account key was there to sign with.
    assert {"skoid", "sktid", "skt", "ske", "sks", "skv"} <= query.keys()
    status, body = fetched(link, redirecting, ca)
    assert (status, Digest.of(body)) == (200, layer)
    other = next(it.descriptor.digest for it in image.blobs if it.descriptor.digest != layer)
    elsewhere = link.replace(f"{layer.encoded[:2]}/{layer.encoded}", f"{other.encoded[:2]}/{other.encoded}")
    assert elsewhere != link
    assert fetched(elsewhere, redirecting, ca)[0] == 403


@pytest.mark.parametrize("program", CLIENTS)
def test_layers_come_to_clients_straight_from_storage(
    clients: Clients, mirror: Mirroring, redirecting: Redirecting, image: Image, tmp_path: Path, program: str
) -> None:
    before, own = redirecting.clients.received[redirecting.storage], redirecting.own.received[redirecting.storage]
    outside = replace(clients, proxy=redirecting.clients.url)
    outside.pull(program, f"{redirecting.host}/straight/app:latest", tmp_path / program)
    assert contents(tmp_path / program) >= closure(image)
    assert redirecting.clients.received[redirecting.storage] - before >= LAYER
    assert redirecting.own.received[redirecting.storage] - own < LAYER


def test_the_roles_that_are_assigned_to_it_are_enough_and_all_that_it_needs(
    clients: Clients, mirror: Mirroring, redirecting: Redirecting, image: Image, tmp_path: Path
) -> None:
    given = policy(SERVER)
    outside = replace(clients, proxy=redirecting.clients.url)
    outside.pull("crane", f"{redirecting.host}/straight/app:latest", tmp_path / "all")
    assert get(redirecting.host, mirror.stack.ca, "/v2/straight/app/tags/list")[0] == 200
    seen = redirecting.layer.seen()
    assert [it for it in seen if not it.allowed] == []
    used = {(it.operation, given.places.resource("blob", it.container)) for it in seen}
    listed = {
        (operation, scope(permission))
        for permission in PERMISSIONS
        if permission.who == SERVER
        for operation in permission.operations
    }
    assert used == listed


@pytest.mark.parametrize("role", [it for it in assignments() if it.who == SERVER], ids=lambda it: it.role)
def test_without_one_of_them_no_layer_is_had(
    mirror: Mirroring, foundation: Foundation, image: Image, tmp_path: Path, role: Assignment
) -> None:
    account, certificates = mirror.stack.account, foundation.certificates
    without = policy(SERVER, without=role)
    with (
        Tunnels() as own,
        Layer(account.ca, certificates.server, {"blob": account.blob_endpoint}, without) as layer,
        stock_registry(layered(account, layer), certificates, CONTAINER, tmp_path, own) as host,
    ):
        status, _, _ = get(host, account.ca, f"/v2/straight/app/blobs/{shared_layer(image)}")
        assert status >= 400
        assert [it for it in layer.seen() if not it.allowed]
