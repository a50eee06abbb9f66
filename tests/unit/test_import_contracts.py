"""The import contracts in pyproject.toml name every package that there is, so that none is left out of them."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def contracts() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return dict(settings["tool"]["importlinter"])


def test_every_package_of_the_repository_is_in_a_layer() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(contracts()["root_packages"]) == packages
    (layers,) = (it["layers"] for it in contracts()["contracts"] if it["name"].startswith("What makes and runs"))
    assert {name for layer in layers for name in layer.split(" | ")} == packages
