"""Steps of the set-up: a command that is run silently, and told in full if it fails. Standard library only."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

TELL_EVERY = 20.0
"""Seconds after which a step of the set-up says that it goes on."""


class SetupFailed(Exception):
    """What could not be made, why, and what to do."""


def run(command: Sequence[str | Path], remedy: str | Callable[[str], str], folder: Path) -> None:
    """Runs it silently; raises `SetupFailed` with what it said if it fails. A remedy may depend on that."""
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
        raise SetupFailed(
            f"this ended with code {ended.returncode}: {' '.join(words)}\n{said}\n"
            f"{remedy if isinstance(remedy, str) else remedy(said)}"
        )


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Progress goes to standard error, so that what `up --json` prints is one line."""
    tell(f"setting up: {what} …")
    begun = time.monotonic()
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(TELL_EVERY):
            tell(f"setting up: {what}, for {time.monotonic() - begun:.0f} s so far")

    threading.Thread(target=go_on, daemon=True).start()
    try:
        yield
    finally:
        over.set()
    tell(f"setting up: {what}, done in {time.monotonic() - begun:.0f} s")


def tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def pip(python: Path) -> list[str | Path]:
    return [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile"]
