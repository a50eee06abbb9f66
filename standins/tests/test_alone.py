"""The package is complete by itself: what it imports it depends on, and what it has in its folder is packaged."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).parents[1]
# How a distribution's import name differs from its own.
NAMES = {"PyJWT": "jwt", "azure-functions-runtime": "azure_functions_runtime"}
# Which modules may use what only an extra installs.
EXTRAS = {
    "plugin.py": "pytest",
    "functions/runtime/official.py": "functions",
    "functions/runtime/converters.py": "functions",
}


def settings() -> dict[str, Any]:
    return tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))


def modules() -> list[Path]:
    return [path for path in HOME.rglob("*.py") if path.relative_to(HOME).parts[0] not in ("tests", "build")]


def imported(path: Path) -> Iterator[str]:
    """The full names of what a module imports from other packages, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            yield node.module


def provided(requirements: list[str]) -> set[str]:
    """The names that these distributions are imported by."""
    names = {re.split(r"[<>=;\[ ]", requirement)[0] for requirement in requirements}
    return {NAMES.get(name, name.replace("-", ".")) for name in names}


def is_of(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_only_what_it_depends_on_is_imported() -> None:
    project = settings()["project"]
    core = provided(project["dependencies"])
    used: set[str] = set()
    for path in modules():
        place = path.relative_to(HOME).as_posix()
        extra = EXTRAS.get(place)
        allowed = core | (provided(project["optional-dependencies"][extra]) if extra else set())
        for name in imported(path):
            if name.partition(".")[0] in {*sys.stdlib_module_names, "standins"}:
                continue
            assert is_of(name, allowed), f"{place} imports {name}"
            used |= {package for package in allowed if is_of(name, {package})}
    every = core.union(*map(provided, project["optional-dependencies"].values()))
    assert used == every, "it depends on what it does not import"


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    project = settings()["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    for requirement in (*project["dependencies"], *extras):
        assert re.fullmatch(r"[A-Za-z-]+>=[\d.]+,<\d+(; .*)?", requirement), requirement


def test_every_package_and_every_other_file_is_packaged() -> None:
    setuptools = settings()["tool"]["setuptools"]
    packages = {path.parent.relative_to(HOME.parent).as_posix().replace("/", ".") for path in modules()}
    assert set(setuptools["packages"]) == packages
    others = [path for path in HOME.iterdir() if path.is_file() and path.suffix != ".py"]
    data = {path.name for path in others} - {"pyproject.toml", "README.md"}
    assert set(setuptools["package-data"]["standins"]) == data


def test_a_stack_without_an_app_says_how_to_give_one(make_stack: Any) -> None:
    with pytest.raises(LookupError, match="override the fixture app_profile"):
        make_stack()
    assert make_stack(functions=False).registry.requests() == []
