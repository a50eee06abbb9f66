#!/usr/bin/env python3
"""Before packaging: puts the app's packages beside it, as wheels for the platform's Python, whichever Python runs this.

`python3 infra/hooks/package.py [FOLDER]` reads FOLDER/requirements.txt, takes versions from this project's pins (or
FOLDER's constraints.txt), and makes FOLDER/.python_packages anew. The platform's own build is not used: it was seen to
choose another Python than the app's. Needs pip and the package index, and nothing else. With `--here` it takes wheels
for the Python and the machine that run it.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PathDistribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "3.13"
"""As infra/modules/functions.bicep has it; a test holds the two together."""
# The platform's image has a C library that all of these run on.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
MARKERS = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.0",
    "implementation_name": "cpython",
    "implementation_version": f"{PYTHON}.0",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
}


class PackagingFailed(Exception):
    """What could not be had, and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT, help="the app's (default: this project's)")
    parser.add_argument("--here", action="store_true", help="for the Python and the machine that run this")
    arguments = parser.parse_args(argv)
    try:
        build(arguments.folder.resolve(), here=arguments.here)
    except PackagingFailed as error:
        print(f"package.py: {error}", file=sys.stderr)
        return 1
    return 0


def build(folder: Path, *, here: bool = False) -> None:
    """Raises PackagingFailed. What was there before stays until all of the new is there."""
    version = platform.python_version().rpartition(".")[0] if here else PYTHON
    made = folder / ".python_packages.new"
    shutil.rmtree(made, ignore_errors=True)
    packages = made / "lib" / "site-packages"
    packages.mkdir(parents=True)
    install_all(folder, packages, {} if here else MARKERS, [] if here else for_the_platform())
    (made / "built-for").write_text(f"{version}\n", encoding="utf-8")
    count = len(list(packages.glob("*.dist-info")))
    shutil.rmtree(folder / ".python_packages", ignore_errors=True)
    made.rename(folder / ".python_packages")
    print(f"{count} packages for Python {version} are beside the app.", flush=True)


def for_the_platform() -> list[str]:
    chosen = ["--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:"]
    return [*chosen, *(word for name in PLATFORMS for word in ("--platform", name))]


def install_all(folder: Path, packages: Path, markers: dict[str, str], options: list[str]) -> None:
    """What requirements.txt asks for, then what that asks for, until nothing is missing. pip's own search is not used:
    it decides by the Python that runs it what a package needs.
    """
    asked = list(requirements(folder / "requirements.txt"))
    pinned = pins(asked, folder, markers)
    wanted = dict(needed(asked, markers))
    installed: set[str] = set()
    while missing := sorted(set(wanted) - installed):
        for name in missing:
            if name not in pinned:
                raise PackagingFailed(f"{name} is needed on Python {PYTHON}, and no version of it is pinned")
        install([f"{name}=={pinned[name]}" for name in missing], packages, options)
        installed.update(missing)
        for distribution in map(PathDistribution, packages.glob("*.dist-info")):
            extras = wanted.get(canonical(str(distribution.metadata["Name"])), set())
            for name, more in needed(distribution.requires or [], markers, extras):
                wanted.setdefault(name, set()).update(more)


def requirements(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text and not text.startswith("-"):
            yield text


def pins(asked: list[str], folder: Path, markers: dict[str, str]) -> dict[str, str]:
    """Of all that the project pins, what it needs for its tests included: the versions that are tested are deployed."""
    lists = [ROOT / "constraints.txt", ROOT / "requirements-dev.txt", folder / "constraints.txt"]
    found = {}
    for line in (*(line for file in lists if file.is_file() for line in requirements(file)), *asked):
        match = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*==\s*([\w.+!]+)", line)
        if match and list(needed([line], markers)):
            found[canonical(match[1])] = match[2]
    return found


def needed(
    lines: Sequence[str], markers: dict[str, str], extras: set[str] | None = None
) -> Iterator[tuple[str, set[str]]]:
    """Of requirements as packages write them: the names that apply with these markers, and the extras requested."""
    from pip._vendor.packaging.requirements import Requirement

    for line in lines:
        found = Requirement(line)
        chosen = ("", *sorted(extras or ()))
        if found.marker is None or any(found.marker.evaluate({**markers, "extra": extra}) for extra in chosen):
            yield canonical(found.name), set(found.extras)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def install(pinned: list[str], packages: Path, options: list[str]) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    # Whether a version is for this Python is decided above: pip itself would ask the one that runs it.
    # Into a folder of its own: of one that is there, such as `azure`, pip would leave out what comes later.
    alone = packages.parent / "alone"
    flags = ["--no-deps", "--ignore-requires-python", "--no-compile", "--target", str(alone)]
    words = [*pip, *flags, *options, *pinned]
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode:
        said = "\n".join(ended.stdout.strip().splitlines()[-8:])
        raise PackagingFailed(f"pip could not get {', '.join(pinned)}:\n{said}\nIs the package index within reach?")
    shutil.copytree(alone, packages, dirs_exist_ok=True)
    shutil.rmtree(alone)


if __name__ == "__main__":
    sys.exit(main())
