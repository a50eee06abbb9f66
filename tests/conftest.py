"""What tests stand on. Each pytest-xdist worker has its own; nothing is shared between two runs."""

from collections.abc import Iterator

import pytest

from local.foundation import Account, Foundation

# More than the tests of one run ask for.
ACCOUNTS = 400


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundation]:
    """Certificates, identity endpoint and Azurite, started once."""
    with Foundation(tmp_path_factory.mktemp("foundation"), accounts=ACCOUNTS) as started:
        yield started


@pytest.fixture
def account(foundation: Foundation) -> Account:
    """An empty storage account of the test's own, with the container, the queues and the table of a deployment."""
    return foundation.account().deploy()
