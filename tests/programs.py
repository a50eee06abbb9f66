"""Programs that stand in for others on a path, and how a test's own children meet signals."""

import shlex
import signal
import sys
from pathlib import Path


def make_program(path: Path, code: str) -> None:
    """Makes an executable of Python code. A `#!` line can't name an interpreter in a folder with a space, so the code
    lies beside it: `az` and `az.py`."""
    script = path.with_name(f"{path.name}.py")
    script.write_text(code, encoding="utf-8")
    line = f'exec {shlex.quote(sys.executable)} {shlex.quote(str(script))} "$@"'
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def as_from_a_terminal() -> None:
    """For `preexec_fn`: Ctrl-C and a hangup end the child, also where this process was started with `nohup … &`."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
