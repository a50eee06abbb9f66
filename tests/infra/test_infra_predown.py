"""Before a deployment is removed: what goes, what stays, and when azd is stopped."""

from __future__ import annotations

import pytest

from infra.hooks.predown import predown
from infra.hooks.problems import Problem
from tests.infra.cloud import HERE, azure
from tests.infra.hooked import Hooked

DEPLOYED = {
    "AZURE_SUBSCRIPTION_ID": HERE,
    "AZURE_RESOURCE_GROUP": "rg-mirror",
    "MIRROR_RESOURCE_GROUP": "rg-mirror-mirror",
    "MIRROR_SUBSCRIPTION_ID": HERE,
    "MIRROR_TOPIC_RESOURCE_GROUP": "rg-images",
}


def said(locks: dict[str, list[str]], **variables: str) -> str:
    hooked = Hooked(azure(locks=locks), {**DEPLOYED, **variables})
    predown(hooked.environment, hooked.azure, hooked.console)
    return hooked.console.text


@pytest.mark.parametrize("level", ["CanNotDelete", "ReadOnly"])
def test_a_locked_mirror_stays(level: str) -> None:
    assert "rg-mirror-mirror stays, with the mirror in it" in said({"rg-mirror-mirror": [level]})


def test_a_mirror_without_a_lock_stops_it_unless_somebody_said_that_it_may_go() -> None:
    with pytest.raises(Problem, match="rg-mirror-mirror has the mirror in it, and no lock"):
        said({"rg-mirror-mirror": []})
    assert "THE MIRROR IS IN IT" in said({"rg-mirror-mirror": []}, MIRROR_LOCK="false")


def test_what_cannot_be_looked_at_stops_it() -> None:
    hooked = Hooked(azure(failures={"lock list": [(1, "(AuthorizationFailed) no")]}), DEPLOYED)
    with pytest.raises(Problem, match="AuthorizationFailed"):
        predown(hooked.environment, hooked.azure, hooked.console)


def test_anothers_mirror_stays_and_nothing_is_said_of_one_that_is_gone() -> None:
    assert "other registries are mirrored there" in said({}, MIRROR_EXISTING_ACCOUNT_ID="x")
    assert "stays" in said({})
    assert said({}, AZURE_RESOURCE_GROUP="") == "Nothing is deployed in this environment."
