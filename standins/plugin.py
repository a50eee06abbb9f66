"""Fixtures for pytest, each worker of pytest-xdist with its own services; nothing is shared between two runs.

From light to heavy: `foundation` (certificates, identity endpoint and Azurite), `account` (an empty storage account),
`bare_stack` (a registry and an account, for code that runs in the test's own process), `registry` (that registry
alone), `stack` (with a Functions host that runs the app, shared by the tests of one worker), `make_stack` (one's own).

What they run is told by `app_profile`, which a conftest.py overrides.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from standins.control import RegistryControl
from standins.foundation import Account, Foundation
from standins.process import tail_of
from standins.profile import NoApp, Profile
from standins.stack import Stack

# More than the tests of one run ask for.
ACCOUNTS = 500
StackMaker = Callable[..., Stack]


@pytest.fixture(scope="session")
def app_profile() -> Profile:
    """The app that the stacks run; none, until a conftest.py overrides it."""
    return NoApp()


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundation]:
    """Certificates, identity endpoint and Azurite, started once."""
    with Foundation(tmp_path_factory.mktemp("foundation"), accounts=ACCOUNTS) as started:
        yield started


@pytest.fixture
def account(foundation: Foundation) -> Account:
    """An empty storage account of the test's own; `account.deploy(Resources(…))` makes containers, queues, tables."""
    return foundation.account()


@pytest.fixture(scope="session")
def shared_bare_stack(
    app_profile: Profile, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("bare")
    with Stack(app_profile, foundation=foundation, folder=folder, functions=False) as started:
        yield started


@pytest.fixture(scope="session")
def shared_stack(
    app_profile: Profile, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with Stack(app_profile, foundation=foundation, folder=tmp_path_factory.mktemp("stack")) as started:
        yield started


@pytest.fixture
def bare_stack(shared_bare_stack: Stack) -> Iterator[Stack]:
    """Registry and storage without a Functions host. What other tests of the worker pushed is still there."""
    with behaving(shared_bare_stack.registry):
        yield shared_bare_stack


@pytest.fixture
def registry(bare_stack: Stack) -> RegistryControl:
    """A registry whose events go nowhere."""
    return bare_stack.registry


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """The whole stack with one worker. What other tests of the worker pushed is still there: use a repository of your
    own. Requests are counted from zero."""
    with behaving(shared_stack.registry):
        yield shared_stack


@pytest.fixture
def make_stack(app_profile: Profile, foundation: Foundation, tmp_path: Path) -> Iterator[StackMaker]:
    """`make_stack(workers=8, lease=5)` starts one with a registry, an account and workers of its own."""
    with ExitStack() as running:

        def make(**options: Any) -> Stack:
            folder = tmp_path / f"stack-{len(list(tmp_path.glob('stack-*')))}"
            return running.enter_context(Stack(app_profile, foundation=foundation, folder=folder, **options))

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
