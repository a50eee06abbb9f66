"""What tests stand on. Each pytest-xdist worker has its own; nothing is shared between two runs.

From light to heavy: `account` (storage alone), `registry` (the registry alone), `bare_stack` (both, for code that runs
in the test's own process), `stack` (all of it, shared by the tests of one worker), `make_stack` (one's own).

With `--package` the stacks run the app from the zip that a deployment uploads, with its own packages and no others.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from devtools.package import build
from standins.control import RegistryControl
from standins.foundation import Account, Foundation
from standins.process import tail_of
from standins.stack import Stack
from testkit.stack import RESOURCES, mirror_stack

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# More than the tests of one run ask for.
ACCOUNTS = 500
StackMaker = Callable[..., Stack]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--package", action="store_true", help="run the app as it is deployed: HEAD's zip, own packages")


def pytest_configure(config: pytest.Config) -> None:
    """Made once, before pytest-xdist starts its workers, which find it in their environment."""
    if config.getoption("--package") and not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="mirror-package-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["LOCAL_APP"] = str(build(folder))


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundation]:
    """Certificates, identity endpoint and Azurite, started once."""
    with Foundation(tmp_path_factory.mktemp("foundation"), accounts=ACCOUNTS) as started:
        yield started


@pytest.fixture
def account(foundation: Foundation) -> Account:
    """An empty storage account of the test's own, with the container, the queues and the table of a deployment."""
    return foundation.account().deploy(RESOURCES)


@pytest.fixture(scope="session")
def shared_bare_stack(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with mirror_stack(foundation=foundation, folder=tmp_path_factory.mktemp("bare"), functions=False) as started:
        yield started


@pytest.fixture(scope="session")
def shared_stack(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with mirror_stack(foundation=foundation, folder=tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture
def bare_stack(shared_bare_stack: Stack) -> Iterator[Stack]:
    """Registry and storage without a Functions host. What other tests of the worker pushed is still there."""
    with behaving(shared_bare_stack.registry):
        yield shared_bare_stack


@pytest.fixture
def registry(bare_stack: Stack) -> RegistryControl:
    """A registry that nobody mirrors."""
    return bare_stack.registry


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The whole stack with one worker. What other tests of the worker pushed is still there: use a repository of your
    own. Requests are counted from zero."""
    with behaving(shared_stack.registry):
        yield shared_stack


@pytest.fixture
def make_stack(foundation: Foundation, tmp_path: Path) -> Iterator[StackMaker]:
    """`make_stack(workers=8, lease=5)` starts one with a registry, an account and workers of its own."""
    with ExitStack() as running:

        def make(**options: Any) -> Stack:
            number = len(list(tmp_path.glob("stack-*")))
            return running.enter_context(
                mirror_stack(foundation=foundation, folder=tmp_path / f"stack-{number}", **options)
            )

        yield make


@contextmanager
def behaving(registry: RegistryControl) -> Iterator[None]:
    """A registry as it was started: nothing counted yet, and afterwards no faults and no held events."""
    registry.reset_requests()
    yield
    registry.clear_faults()
    registry.set_event_manner()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the stacks that the test used have logged."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Stack):
                for log in value.logs.values():
                    report.sections.append((f"{name}: the end of {log}", tail_of(log)))
    return report
