"""From the command line to a hook, and from a problem to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from infra.hooks.commands import Azd, Azure, Console, run
from infra.hooks.environment import Environment, outputs
from infra.hooks.postdeploy import postdeploy
from infra.hooks.predown import predown
from infra.hooks.preprovision import preprovision
from infra.hooks.problems import Problem


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m infra.hooks", description="What runs around a deployment.")
    parser.add_argument("hook", choices=["preprovision", "postdeploy", "predown"])
    parser.add_argument(
        "--outputs", type=Path, metavar="FILE", help="outputs of the deployment, as the Azure CLI prints them"
    )
    given = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        # A name that the console has no letters for is no reason to end.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        environment = Environment({**os.environ, **(outputs(given.outputs) if given.outputs else {})})
        azure, console = Azure(run), Console()
        if given.hook == "preprovision":
            preprovision(
                environment,
                azure,
                Azd(run, environment.get("AZURE_ENV_NAME"), installed=which("azd") is not None),
                console,
            )
        elif given.hook == "predown":
            predown(environment, azure, console)
        else:
            postdeploy(environment, azure, console)
    except Problem as problem:
        print(f"{given.hook}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{given.hook}: stopped.", file=sys.stderr)
        return 130
    return 0
