"""Runs the hook before provisioning, against stubs of Azure and azd."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from infra.hooks.preprovision import preprovision
from infra.hooks.problems import Problem
from tests.infra import cloud
from tests.infra.cloud import HERE, azure
from tests.infra.hooked import Hooked

WEST = {"AZURE_LOCATION": "westeurope", "MIRROR_LOCATION": "westeurope"}
RIGHT = {"AZURE_SUBSCRIPTION_ID": HERE, **WEST, "MIRROR_REGISTRY_ID": cloud.REGISTRY}


def provisioned(
    variables: Mapping[str, str], answers: Sequence[str] | None = None, azd: bool = True, **state: Any
) -> Hooked:
    hooked = Hooked(azure(**state), variables, answers, azd)
    preprovision(hooked.environment, hooked.azure, hooked.azd, hooked.console, hooked.sleep)
    return hooked


def refused(variables: Mapping[str, str], answers: Sequence[str] | None = None, **state: Any) -> str:
    """What is said; nothing was changed in Azure, and nothing kept."""
    hooked = Hooked(azure(**state), variables, answers)
    before = copy.deepcopy(hooked.state["topics"])
    with pytest.raises(Problem) as caught:
        preprovision(hooked.environment, hooked.azure, hooked.azd, hooked.console, hooked.sleep)
    assert hooked.state["topics"] == before or hooked.state.get("takes_identity") is False
    assert hooked.kept == {}
    return str(caught.value)
