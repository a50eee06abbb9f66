"""A worker's operating-system process: how it is started, what state it is in, how it ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from standins.functions import isolated
from standins.functions.counts import Counts

PACKAGES = Path(".python_packages") / "lib" / "site-packages"
"""Where an app that brings its own packages has them, in its folder."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a worker, and where what it prints goes. `restart_delay`: seconds before a host that ended is
    followed by another."""

    app: Path
    runtime: str
    environment: Mapping[str, str]
    function_timeout: float | None
    restart_delay: float
    log: Callable[[str], None]
    counts: Counts


# What a placeholder has in its environment: how its interpreter starts, and nothing of the app's.
_PLACEHOLDER = re.compile("PATH|HOME|LANG|LC_.*|TMPDIR|PYTHON.*|COVERAGE.*|VIRTUAL_ENV")


def environment_of(launch: Launch) -> dict[str, str]:
    """What the app finds in its environment."""
    root = str(Path(__file__).resolve().parents[2])
    inherited = [path for path in launch.environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {
        "PYTHON_THREADPOOL_THREAD_COUNT": "1000",  # the host's own, where the app sets none
        **launch.environment,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([*inherited, root])),
        "PYTHONUNBUFFERED": "1",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    }


def spawn(launch: Launch, descriptor: int, *, placeholder: bool) -> subprocess.Popen[bytes]:
    """A placeholder starts elsewhere and without the app's settings, and is told of both later."""
    environment = environment_of(launch)
    packages = launch.app / PACKAGES
    if packages.is_dir():
        library = sysconfig.get_path("purelib")
        command = [sys.executable, "-u", "-I", "-S", isolated.__file__, library, str(packages)]
    else:
        command = [sys.executable, "-m", "standins.functions.worker"]
    command += ["--fd", str(descriptor), "--app", str(launch.app), "--runtime", launch.runtime]
    if placeholder:
        command.append("--placeholder")
        environment = {name: value for name, value in environment.items() if _PLACEHOLDER.fullmatch(name)}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[descriptor],
        cwd=launch.app.anchor if placeholder else launch.app,
        env=environment,
        start_new_session=True,
    )


def ending(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name


def state(pid: int) -> str:
    """The process's state as one letter of proc(5): T is stopped; empty where it is gone."""
    try:
        # The name before it is in parentheses and may hold anything.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2][:1]
    except OSError:
        if sys.platform == "linux":
            return ""
    told = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip()[:1]
