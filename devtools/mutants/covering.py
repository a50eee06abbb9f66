"""Which lines of the app each test file runs, in whatever process, and how long the file takes."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from coverage import CoverageData

STARTUP = Path(__file__).parent / "startup"
LONGEST_FILE = 300.0
"""Seconds for one test file; what takes longer is no help against two hundred mutants."""


@dataclass(frozen=True, slots=True)
class Covering:
    """One test file: `lines` by the path of the module, relative to the root."""

    test: str
    seconds: float
    lines: dict[str, list[int]]


def measure(root: Path, tests: Iterable[Path], processes: int, map_file: Path) -> None:
    """Runs each test file by itself, and adds what it covers to `map_file`, a line each, as soon as that is known: who
    is interrupted goes on with the rest. A file that fails, or takes too long, is told and left out."""
    known = {it.test for it in read(map_file)} if map_file.exists() else set()
    lock = threading.Lock()

    def measure_one(test: Path) -> None:
        found = _measure_one(root, test)
        if found is not None:
            with lock, map_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(found)) + "\n")

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(measure_one, [it for it in tests if str(it.relative_to(root)) not in known]))


def _measure_one(root: Path, test: Path) -> Covering | None:
    name = str(test.relative_to(root))
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "coverage.ini"
        configuration.write_text(
            f"[run]\nsource = {root / 'acrmirror'}\n  {root / 'function_app.py'}\nparallel = true\n"
            f"data_file = {folder}/data\ndisable_warnings = no-data-collected,module-not-imported,already-imported\n",
            encoding="utf-8",
        )
        paths = [str(STARTUP), str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "COVERAGE_PROCESS_START": str(configuration),
            "COVERAGE_CORE": "sysmon" if sys.version_info >= (3, 12) else "ctrace",
        }
        begun = time.monotonic()
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "pytest", "-x", "-n0", name],
                cwd=root,
                env=environment,
                capture_output=True,
                text=True,
                timeout=LONGEST_FILE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            print(f"{name}: left out, it takes longer than {LONGEST_FILE:.0f} s", flush=True)
            return None
        seconds = time.monotonic() - begun
        if ended.returncode not in (0, 5):
            print(f"{name}: left out, it fails:\n{ended.stdout[-2000:]}", flush=True)
            return None
        lines: dict[str, set[int]] = {}
        for file in Path(folder).glob("data.*"):
            data = CoverageData(str(file))
            data.read()
            for measured in data.measured_files():
                module = str(Path(measured).relative_to(root))
                lines.setdefault(module, set()).update(data.lines(measured) or ())
    print(f"{name}: {seconds:.0f} s, {sum(map(len, lines.values()))} lines", flush=True)
    return Covering(name, round(seconds, 1), {module: sorted(them) for module, them in sorted(lines.items())})


def read(file: Path) -> list[Covering]:
    """Raises OSError where `measure` has not been run yet."""
    return [Covering(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
