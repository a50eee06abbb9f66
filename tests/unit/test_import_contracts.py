"""The import contracts in pyproject.toml name every package that there is, and the stand-ins do not name the app."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# The app's name, which its settings, queues and tables have in theirs, and the repository's other packages.
FOREIGN = re.compile(r"mirror|testkit|devtools|bench\.", re.IGNORECASE)


def contracts() -> dict[str, Any]:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return dict(settings["tool"]["importlinter"])


def test_every_package_of_the_repository_is_in_a_layer() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(contracts()["root_packages"]) == packages
    (layers,) = (it["layers"] for it in contracts()["contracts"] if it["name"].startswith("What makes and runs"))
    assert {name for layer in layers for name in layer.split(" | ")} == packages


def test_no_name_of_the_app_occurs_in_the_stand_ins() -> None:
    kinds = (".py", ".js", ".json", ".toml", ".md")
    files = [path for path in (ROOT / "standins").rglob("*") if path.suffix in kinds]
    assert len(files) > 90
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert found == []
