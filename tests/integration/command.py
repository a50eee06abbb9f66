"""The command line as a process of its own, against a stack."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from acrmirror.cli.app import app
from standins.stack import Stack
from testkit.stack import ROOT

_FOREIGN = ("ACRMIRROR_", "COLUMNS")


@dataclass(frozen=True, slots=True)
class Command:
    """`run("ls", code=0)` fails unless that is the exit code; keywords are further variables of its environment."""

    environment: Mapping[str, str]
    folder: Path

    @classmethod
    def of(cls, stack: Stack, folder: Path, url: str | None = None) -> "Command":
        """`url` in place of the functions' own."""
        config = folder / "config.toml"
        config.write_text(
            f'url = "{url or stack.functions.url}"\nkey = "{stack.functions.function_key}"\nca = "{stack.ca}"\n'
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return cls({**kept, "ACRMIRROR_CONFIG": str(config), "PYTHONPATH": str(ROOT)}, folder)

    def line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "acrmirror.cli", *arguments]

    def inside(self, *arguments: str, code: int = 0, **more: str) -> Result:
        """The same in this process, which is quicker."""
        done = CliRunner().invoke(app, arguments, env={**self.environment, **more})
        assert done.exit_code == code, (done.exit_code, done.stdout[-2000:], done.stderr[-2000:], done.exception)
        return done

    def __call__(self, *arguments: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.line(*arguments), capture_output=True, env={**self.environment, **more}, cwd=self.folder, timeout=120
        )
        assert done.returncode == code, (done.returncode, done.stdout.decode()[-2000:], done.stderr.decode()[-2000:])
        return done
