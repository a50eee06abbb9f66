"""What health says of the places of registry and mirror."""

import pytest

from acrmirror.health import risks


@pytest.mark.parametrize(
    ("redundancy", "said"),
    [
        ("Standard_LRS", "Put the mirror into another region"),
        ("Standard_ZRS", "Put the mirror into another region"),
        ("Standard_GRS", "can be read after a failover of the account"),
        ("Standard_GZRS", "can be read after a failover of the account"),
        ("Standard_RAGZRS", "can be read at once"),
    ],
)
def test_a_mirror_in_its_registrys_region_is_a_risk_that_is_told(redundancy: str, said: str) -> None:
    (warning,) = risks("westeurope", "westeurope", redundancy)
    assert warning.startswith("The registry and the mirror are in one region, westeurope: ")
    assert said in warning


@pytest.mark.parametrize(("registry", "mirror"), [("westeurope", "northeurope"), ("", ""), ("westeurope", "")])
def test_of_two_regions_or_of_one_that_is_not_known_nothing_is_said(registry: str, mirror: str) -> None:
    assert risks(registry, mirror, "Standard_LRS") == ()
