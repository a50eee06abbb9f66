"""Starts a worker for an app that brings its own packages: these are all that it can import, as on the platform.

`python -I -S isolated.py LIBRARY PACKAGES …`, run by its path: no environment's packages, and not the folder of this
repository. What the worker itself is made of comes by name and after what the app has: this package, and out of the
folder LIBRARY the platform's own library, which is the worker's there as well.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

WORKER_LIBRARY = ("azure_functions_runtime", "azurefunctions")


class _Library(MetaPathFinder):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path
        return PathFinder.find_spec(fullname, [self._folder], target) if fullname in WORKER_LIBRARY else None


def _provide(name: str, folder: Path) -> None:
    """Makes a package importable without the folder that it is in."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def main() -> None:
    library, packages, *rest = sys.argv[1:]
    sys.argv = [sys.argv[0], *rest]
    sys.path.insert(0, packages)
    sys.meta_path.append(_Library(library))
    _provide("standins", Path(__file__).resolve().parents[1])
    from standins.functions.worker import main as work

    work()


if __name__ == "__main__":
    main()
