"""What tests use of the stand-ins (`standins/plugin.py`), with the app's profile and resources.

With `--package` the stacks run the app from the zip that a deployment uploads, with its own packages and no others.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from devtools.package import build
from standins.foundation import Account
from testkit.stack import RESOURCES, MirrorProfile

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--package", action="store_true", help="run the app as it is deployed: HEAD's zip, own packages")


def pytest_configure(config: pytest.Config) -> None:
    """Made once, before pytest-xdist starts its workers, which find it in their environment."""
    if config.getoption("--package") and not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="mirror-package-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["LOCAL_APP"] = str(build(folder))


@pytest.fixture(scope="session")
def app_profile() -> MirrorProfile:
    return MirrorProfile()


@pytest.fixture
def account(account: Account) -> Account:
    """An empty storage account of the test's own, with the container, the queues and the table of a deployment."""
    return account.deploy(RESOURCES)
