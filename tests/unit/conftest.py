"""A registry and a mirror in memory."""

import pytest

from tests.in_memory import Mirror, Registry


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()
