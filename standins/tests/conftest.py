"""What several files of these tests use."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from standins.foundation import Account
from standins.tests.registry_process import RegistryProcess
from standins.tests.resources import RESOURCES


@pytest.fixture
def account(account: Account) -> Account:
    """An empty storage account of the test's own, with a container, two queues and a table."""
    return account.deploy(RESOURCES)


@pytest.fixture(scope="session")
def _registry_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    started = RegistryProcess(tmp_path_factory.mktemp("registry"))
    yield started
    started.service.stop()


@pytest.fixture
def local_registry(_registry_process: RegistryProcess) -> RegistryProcess:
    """The local registry with nothing counted, no faults, no grants and no events. Content of other tests stays."""
    _registry_process.reset()
    return _registry_process


@pytest.fixture
def start_registry(tmp_path: Path) -> Iterator[Callable[..., RegistryProcess]]:
    """Starts a registry of the test's own, with these arguments."""
    started: list[RegistryProcess] = []

    def start(*arguments: str) -> RegistryProcess:
        started.append(RegistryProcess(tmp_path / str(len(started)), *arguments))
        return started[-1]

    yield start
    for one in started:
        one.service.stop()


@pytest.fixture
def repository() -> str:
    """A repository that no other test uses."""
    return f"tests/{uuid.uuid4().hex}"
