#!/usr/bin/env python3
"""Everything a developer runs, from a fresh clone on: `python3 dev.py demo`, `test`, `up`, `bench`, `lint`.

Needs Python 3.11 or newer on Linux or macOS and nothing else. The first run makes two folders beside this file, and
touches nothing outside: `.venv/` with the pinned Python packages, `.tools/` with Node.js and Azurite. What is there
already is used instead: an active virtual environment that has the pinned packages, Node.js and Azurite on the PATH.
With --no-install nothing is made or fetched, and what is missing is named. It is one file, to be
read before it is run; the rest of what needs no virtual environment is in devtools/.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from devtools import machine
from devtools.steps import SetupFailed, pip, run, step, tell
from devtools.tooling import STAMP, Tooling

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
OLDEST_PYTHON = (3, 11)
PACKAGES = ("requirements.txt", "requirements-dev.txt", "constraints.txt")
# What only checks need, which is large: the demo does without it.
CHECKS_STAMP = "made-of-checks.txt"
CHECKS_LISTS = ("requirements-infra.txt", "requirements-interop.txt", "requirements-release.txt")
LIGHT_TESTS = ("tests/unit", "tests/contracts", "standins/tests")
"""Tests that do without them."""
CHECKS_PACKAGES = (*CHECKS_LISTS, *PACKAGES)
NOT_TO_RUN = frozenset({"pytest", "pytest-xdist", "hypothesis", "ruff", "mypy", "import-linter"})
"""What of requirements-dev.txt the demo, the stack and the benchmarks do without."""
SITE_PACKAGES = ("requirements-docs.txt",)
COMMANDS = {
    "demo": "push an image to a local registry, watch it being mirrored, pull it back and verify it",
    "test": "run the tests (arguments go to pytest)",
    "up": "run the whole stack until Ctrl-C (--json prints one line when it is ready)",
    "bench": "compare the copy engine with other ways to copy",
    "lint": "ruff, mypy and the import contracts",
    "infra": "check the Bicep templates, by the compiler where there is one (--write makes snapshots and docs anew)",
    "docs": "build the documentation's site into .tools/site, with every link checked (arguments go to mkdocs build)",
    "tools": "only make .venv and .tools",
}


def main(argv: Sequence[str] | None = None) -> int:
    use_utf8()
    arguments = parse(argv)
    keep_compiled_modules()
    needs = needs_of(arguments.command, arguments.rest)
    try:
        if arguments.command == "docs":
            python = prepare_site(arguments.python, install=not arguments.no_install)
        elif arguments.no_install:
            python = as_it_is(arguments.python, needs)
        else:
            with only_one_at_a_time():
                python = prepare(arguments.python, needs)
    except SetupFailed as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    if arguments.command == "tools":
        return 0
    if arguments.command == "lint":
        return lint(python)
    if arguments.command == "docs":
        return build_site(python, arguments.rest)
    if arguments.command == "test":
        os.chdir(ROOT)
        return replace_process(python, ["-m", "pytest", *test_arguments(arguments.rest)])
    modules = {"demo": "devtools.demo", "up": "devtools.up", "bench": "bench", "infra": "devtools.deployment"}
    return replace_process(python, ["-m", modules[arguments.command], *arguments.rest])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    width = max(map(len, COMMANDS))
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description=(__doc__ or "").partition("\n\n")[2],
        epilog="commands:\n" + "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--python",
        metavar="INTERPRETER",
        help="another Python to run on, in a .venv-X.Y of its own (default: the one that runs this, in .venv)",
    )
    parser.add_argument(
        "--no-install",
        action="store_true",
        help="make and fetch nothing: use the packages of the active virtual environment or this Python, Node.js and "
        "Azurite of the PATH; and say what is missing",
    )
    parser.add_argument("command", choices=COMMANDS, metavar="command")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="…", help="what the command itself takes")
    return parser.parse_args(argv)


def use_utf8() -> None:
    """Where the locale has another encoding, begins anew in UTF-8 mode, as does all that is started: what is printed,
    and the name of the folder, need not fit into that encoding."""
    if sys.getfilesystemencoding().lower() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def keep_compiled_modules() -> None:
    """Where the environment says not to write them, they go to `.tools` rather than beside each source: the stack
    starts hundreds of processes, and each would spend a second on compiling what it imports.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(TOOLS / "compiled"))


# What is made, and when


class Needs(NamedTuple):
    """What a command needs: `tools` are Node.js and Azurite, `checks` the packages and the service that only checks of
    the deployment and interop tests need; without `to_check` not even pytest and linters."""

    tools: bool
    checks: bool
    to_check: bool = True

    @property
    def lists(self) -> tuple[str, ...]:
        return ("requirements-dev.txt", *(CHECKS_LISTS if self.checks else ()))

    def pins(self, version: str) -> dict[str, str]:
        found = machine.pins(ROOT, self.lists, version)
        return {name: it for name, it in found.items() if self.to_check or name not in NOT_TO_RUN}


def needs_of(command: str, rest: Sequence[str]) -> Needs:
    if command in ("demo", "up", "bench"):
        return Needs(tools=True, checks=False, to_check=False)
    paths = [word for word in test_arguments(rest) if word.startswith(("tests", "standins"))]
    light = command == "test" and bool(paths) and all(it.startswith(LIGHT_TESTS) for it in paths)
    return Needs(tools=command not in ("lint", "infra"), checks=not light)


def prepare(interpreter: str | None, needs: Needs) -> Path:
    """The interpreter of a virtual environment that is complete; `.tools` is there too, if asked for."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupFailed(f"this is Python {sys.version.split()[0]}. Run it with Python 3.11 or newer.")
    ready = None if interpreter else usable_environment(needs)
    environment = ROOT / ".venv"
    if interpreter:
        found = find_interpreter(interpreter)
        environment = ROOT / f".venv-{version_of(found)}"
    else:
        found = Path(sys.executable)
    version = version_of(ready or found)
    python = ready or environment / "bin" / "python"
    has_packages = ready is not None or is_complete(environment, STAMP, fingerprint(PACKAGES, version))
    if not has_packages:
        make_environment(found, environment)
    has_checks = (
        not needs.checks
        or ready is not None
        or is_complete(environment, CHECKS_STAMP, fingerprint(CHECKS_PACKAGES, version))
    )
    tooling = Tooling(ROOT)
    with ThreadPoolExecutor(2) as pool:
        # At once, since one mostly waits for the network while the other unpacks.
        jobs = []
        if not (has_packages and has_checks):
            jobs.append(pool.submit(install_packages, environment, version, with_checks=not has_checks))
        needs_service = needs.tools and needs.checks and not tooling.service_is_complete()
        if needs.tools and not tooling.is_complete():
            jobs.append(pool.submit(tooling.install, python, with_service=needs_service))
        elif needs_service:
            jobs.append(pool.submit(tooling.install_service, python))
        for job in jobs:
            job.result()
    return python


def usable_environment(needs: Needs) -> Path | None:
    """The interpreter of the active virtual environment, if that has all packages as they are pinned."""
    python = machine.active_environment(ROOT)
    if python is None:
        return None
    try:
        found = machine.packages(python, needs.pins(version_of(python)))
    except SetupFailed:
        return None
    named = python.parent.parent
    if lacks := [*found.missing, *found.others]:
        more = f" and {len(lacks) - 1} more" if len(lacks) > 1 else ""
        tell(f"dev.py leaves the active virtual environment {named} alone: it lacks {lacks[0]}{more}")
        return None
    tell(f"dev.py uses the packages of the active virtual environment {named}")
    return python


def as_it_is(interpreter: str | None, needs: Needs) -> Path:
    """The interpreter to run on, which has all that is needed; nothing is made. Raises SetupFailed with all that is
    missing, by name."""
    ours = ROOT / ".venv"
    chosen = find_interpreter(interpreter) if interpreter else machine.active_environment(ROOT) or Path(sys.executable)
    version = version_of(chosen)
    if interpreter:
        ours = ROOT / f".venv-{version}"
    candidates = [chosen, ours / "bin" / "python"]
    looked = {it: machine.packages(it, needs.pins(version_of(it))) for it in candidates if it.exists()}
    python = next((it for it, found in looked.items() if not found.missing), chosen)
    tools = list(machine.missing_tools(ROOT, TOOLS, with_service=needs.checks)) if needs.tools else []
    missing = looked[python].missing
    if missing or tools:
        raise SetupFailed(machine.told(python, version_of(python), missing, needs.lists, tools))
    if others := looked[python].others:
        tell(f"dev.py uses other versions than the pinned ones: {', '.join(others)}")
    return python


def find_interpreter(named: str) -> Path:
    found = shutil.which(named)
    if found is None:
        raise SetupFailed(f"there is no interpreter {named}. Give the path of a Python 3.11 or newer.")
    return Path(found)


def prepare_site(interpreter: str | None, *, install: bool) -> Path:
    """The interpreter of `.venv-docs`, which has mkdocs and nothing of the project."""
    found = find_interpreter(interpreter) if interpreter else Path(sys.executable)
    environment, version = ROOT / ".venv-docs", version_of(found)
    python, wanted = environment / "bin" / "python", fingerprint(SITE_PACKAGES, version)
    with only_one_at_a_time():
        if is_complete(environment, STAMP, wanted):
            return python
        if not install:
            raise SetupFailed(f"mkdocs is not in {environment.name}. Run it without --no-install.")
        make_environment(found, environment)
        with step(f"mkdocs into {environment.name}"):
            lists = [word for name in SITE_PACKAGES for word in ("-r", ROOT / name)]
            run([*pip(python), *lists], "Is the package index within reach?", ROOT)
        (environment / STAMP).write_text(wanted, encoding="utf-8")
    return python


def version_of(interpreter: Path) -> str:
    """ "3.13" and the like."""
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        found = subprocess.run([interpreter, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupFailed(f"{interpreter} does not run: {error}") from error
    version = found.stdout.strip()
    if tuple(map(int, version.split("."))) < OLDEST_PYTHON:
        raise SetupFailed(f"{interpreter} is Python {version}. Give one that is 3.11 or newer.")
    return version


def fingerprint(packages: Sequence[str], *parts: str) -> str:
    """Of everything that an environment is made of; its place counts, since scripts in it name the interpreter."""
    found = hashlib.sha256(os.fsencode("\n".join((str(ROOT), *parts))))
    for name in packages:
        found.update((ROOT / name).read_bytes())
    return found.hexdigest()


def is_complete(environment: Path, stamp: str, wanted: str) -> bool:
    """Stamps are written last: an environment without one was interrupted or is older than the requirements."""
    file = environment / stamp
    if not (file.exists() and file.read_text(encoding="utf-8") == wanted):
        return False
    with contextlib.suppress(SetupFailed):
        return bool(version_of(environment / "bin" / "python"))
    return False


def make_environment(interpreter: Path, environment: Path) -> None:
    """An empty virtual environment, in place of whatever half of one was there."""
    version = version_of(interpreter)
    lacks = (
        f"This Python lacks a module of the standard library. On Debian and Ubuntu: apt install python{version}-venv "
        "(or python3-venv). Or run it with another Python (--python INTERPRETER), or with packages that are there "
        "(--no-install)."
    )

    def remedy(said: str) -> str:
        if re.search("No module named '?(venv|ensurepip)|ensurepip is (disabled|not available)", said):
            return lacks
        return f"Look at what it says, and at rights and space left in {environment.parent} and in the folder TMPDIR."

    shutil.rmtree(environment, ignore_errors=True)
    with step(f"a virtual environment in {environment.name}"):
        run([interpreter, "-m", "venv", "--without-pip", environment], remedy, ROOT)
        # By itself: where venv runs it, nothing is told but that it failed.
        run([environment / "bin" / "python", "-I", "-m", "ensurepip", "--default-pip"], remedy, ROOT)


def install_packages(environment: Path, version: str, *, with_checks: bool) -> None:
    lists = ["requirements-dev.txt", *(CHECKS_LISTS if with_checks else ())]
    wanted = [word for name in lists for word in ("-r", ROOT / name)]
    with step(f"Python packages into {environment.name}"):
        run(
            [*pip(environment / "bin" / "python"), *wanted, "-c", ROOT / "constraints.txt"],
            "Is the package index within reach?",
            ROOT,
        )
    (environment / STAMP).write_text(fingerprint(PACKAGES, version), encoding="utf-8")
    if with_checks:
        (environment / CHECKS_STAMP).write_text(fingerprint(CHECKS_PACKAGES, version), encoding="utf-8")


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Of two that start in the same clone, the second waits for what the first makes."""
    import fcntl

    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# What is run


def test_arguments(rest: Sequence[str]) -> list[str]:
    """Of pytest. Paths that are given replace the default ones."""
    given = [word for word in rest if not word.startswith("-") and (ROOT / word.partition("::")[0]).exists()]
    paths = [] if given else ["tests/unit", "tests/infra", "tests/integration", "standins/tests"]
    # Tests wait for leases and links for a part of their time, so somewhat more of them run than there are cores. Each
    # process begins with a share of its own, so that what a module's tests share is mostly started once.
    processes = max(2, min(8, (os.cpu_count() or 2) * 3 // 2))
    return ["-n", str(processes), "--dist", "worksteal", *paths, *rest]


def lint(python: Path) -> int:
    """Runs all of them, whatever the first ones say, and fails if one does."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    checks = {
        "ruff check": ["-m", "ruff", "check", "."],
        "ruff format": ["-m", "ruff", "format", "--check", "."],
        "mypy --strict": ["-m", "mypy", "--strict"],
        "import contracts": ["-c", code],
    }
    failed = []
    for name, words in checks.items():
        print(f"\n{name}:", flush=True)
        if subprocess.run([python, *words], cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"\nlint: {'failed: ' + ', '.join(failed) if failed else 'clean'}", flush=True)
    return 1 if failed else 0


def build_site(python: Path, rest: Sequence[str]) -> int:
    """mkdocs.yml makes every warning an error: a link or an anchor that leads nowhere, a page that nothing lists."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run([python, "-m", "mkdocs", "build", *rest], cwd=ROOT, env=environment, check=False).returncode


def replace_process(python: Path, words: Sequence[str]) -> int:
    """The command takes this process's place, so that signals reach it; it finds the modules here from any folder."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    sys.stdout.flush()
    os.execve(python, [str(python), *words], environment)


if __name__ == "__main__":
    sys.exit(main())
