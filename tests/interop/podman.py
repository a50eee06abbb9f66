"""Debian's podman with a storage of its own, which needs no daemon: it loads what `docker load` does."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.interop.tools import tool


@dataclass(frozen=True, slots=True)
class Podman:
    """Everything that it keeps is in `folder`, whose path it wants to be short."""

    folder: Path

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Podman"]:
        with TemporaryDirectory(prefix="podman-") as folder:
            yield cls(Path(folder))

    @property
    def line(self) -> list[str]:
        places = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        return [str(tool("podman")), *places, "--storage-driver", "vfs", "--events-backend", "none"]

    def __call__(self, *arguments: str, registries: Path | None = None) -> str:
        """`registries` is a containers-registries.conf(5) in place of the system's."""
        environment = {**os.environ, "CONTAINERS_REGISTRIES_CONF": str(registries)} if registries is not None else None
        line = [*self.line, *arguments]
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def as_program(self, name: str, folder: Path) -> None:
        """Puts a program of that name into a folder that is on somebody's PATH."""
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(self.line)} "$@"\n')
        program.chmod(0o755)
