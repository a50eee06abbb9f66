"""The whole stack, a stock registry on its mirror, and outside clients: all started once."""

from collections.abc import Iterator

import pytest

from standins.foundation import Foundation
from standins.stack import Stack
from testkit.stack import CONTAINER
from tests.integration.mirroring import Mirroring, mirroring
from tests.interop.clients import Clients
from tests.interop.stock import stock_registry
from tests.interop.tools import tool


@pytest.fixture(scope="session")
def stock(shared_stack: Stack, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host of a stock `registry` on the mirror's container."""
    folder = tmp_path_factory.mktemp("stock")
    with stock_registry(shared_stack.account, foundation.certificates, CONTAINER, folder) as host:
        yield host


@pytest.fixture(scope="session")
def clients(shared_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """All four, logged in at the local registry; at the stock one nobody needs to be."""
    for name in ("skopeo", "crane", "oras", "regctl", "registry"):
        tool(name)
    source = shared_stack.registry
    folder = tmp_path_factory.mktemp("clients")
    return Clients.logged_in(folder, source.ca, source.host, source.username, source.password)


@pytest.fixture
def mirror(stack: Stack) -> Iterator[Mirroring]:
    with mirroring(stack) as opened:
        yield opened
