"""Azurite (Blob, Queue and Table Storage) over TLS, taking bearer tokens and no keys.

`python -m standins.azurite --cert FILE [--folder DIR] [--accounts N] [--blob-port 0 …]` starts what `Tools.find` finds.
Its ready line: {"blob": "https://127.0.0.1:PORT", "queue": …, "table": …, "accounts": [...]}; an account's endpoint is
one of those, a slash and its name. `GET /_local/requests` of any of the three tells how often each port was asked what:
{"PORT": {"METHOD": count}}.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from standins.process import die_with_parent, set_death_signal, wait_until_told_to_stop

VARIABLE = "STANDINS_AZURITE"
"""In the environment: a folder in which `npm install azurite` was run."""
TOOLS = Path(__file__).resolve().parent.parent / ".tools"
"""Where the repository that this package is kept in has Node and Azurite, with a tools.json that tells their paths."""
_SCRIPT = Path("node_modules", "azurite", "dist", "src", "azurite.js")
_REMEDY = (
    f"Run 'npm install azurite@3.37.0' in a folder and name it in {VARIABLE}, or put it on the PATH (npm install "
    "--global), with Node.js 22 or newer on the PATH. "
    "(In the repository of the stand-ins, 'python3 dev.py tools' installs both.)"
)
ACCOUNT = "devstoreaccount1"
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (https://\S+)")
# Azurite's default of 5 s closes idle connections that the SDKs are about to use again; the real service keeps them.
_KEEP_ALIVE = 120
_BEFORE = tuple(Path(__file__).with_name(f"azurite_{name}.js") for name in ("cleaning", "copying", "counting"))
"""What is loaded into Azurite before it starts: each says why."""
CLEANING_SECONDS = 600  # Azurite's own interval for blobs; for messages it has a minute


class NoTools(RuntimeError):
    """Node or Azurite is not there."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The Node that runs, and Azurite's main script."""

    node: Path
    azurite: Path

    @classmethod
    def find(cls, folder: Path = TOOLS, environment: Mapping[str, str] = os.environ) -> Tools:
        """Those of the folder that STANDINS_AZURITE names; without the variable, those that `folder`'s tools.json tells
        of, or else those that npm put on the PATH. Raises `NoTools`."""
        if named := environment.get(VARIABLE):
            return cls._installed(Path(named), environment)
        try:
            found = json.loads((folder / "tools.json").read_text(encoding="utf-8"))
            tools = cls(Path(found["node"]), Path(found["azurite"]))
        except (OSError, ValueError, KeyError):
            if on_path := cls._on_path(environment):
                return on_path
            raise NoTools(
                f"{VARIABLE} is not set, and there is no Azurite in {folder} or on the PATH. {_REMEDY}"
            ) from None
        for path in (tools.node, tools.azurite):
            if not path.exists():
                raise NoTools(f"{path} is gone. {_REMEDY}")
        return tools

    @classmethod
    def _on_path(cls, environment: Mapping[str, str]) -> Self | None:
        node, program = (shutil.which(it, path=environment.get("PATH")) for it in ("node", "azurite"))
        script = Path(program).resolve() if program is not None else None
        return cls(Path(node), script) if node and script and script.suffix == ".js" else None

    @classmethod
    def _installed(cls, folder: Path, environment: Mapping[str, str]) -> Tools:
        script = folder.resolve() / _SCRIPT
        if not script.exists():
            raise NoTools(f"{VARIABLE} names {folder}, and there is no {_SCRIPT} in it. {_REMEDY}")
        node = shutil.which("node", path=environment.get("PATH"))
        if node is None:
            raise NoTools(f"There is no node on the PATH to run {script} with. {_REMEDY}")
        return cls(Path(node), script)


def account_names(count: int) -> list[str]:
    """The accounts of an Azurite started with `--accounts count`."""
    return [f"devstoreaccount{number}" for number in range(1, count + 1)]


def command(tools: Tools, certificate: Path, folder: Path | None, ports: tuple[int, int, int]) -> list[str]:
    """Azurite's command line. The SDKs of today send an API version that it does not know, so it must not check."""
    blob, queue, table = ports
    arguments = [str(tools.node), *(part for it in _BEFORE for part in ("--require", str(it))), str(tools.azurite)]
    arguments += ["--oauth", "basic", "--skipApiVersionCheck"]
    arguments += ["--cert", str(certificate), "--key", str(certificate), "--silent", "--disableTelemetry"]
    arguments += ["--inMemoryPersistence"] if folder is None else ["--location", str(folder)]
    for name, port in (("blob", blob), ("queue", queue), ("table", table)):
        arguments += [f"--{name}Port", str(port), f"--{name}KeepAliveTimeout", str(_KEEP_ALIVE)]
    return arguments


def _endpoints(output: Iterator[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in output:
        print(line, end="", file=sys.stderr, flush=True)
        if match := _LISTENING.search(line):
            found[match[1].lower()] = match[2]
            if len(found) == 3:
                return found
    raise SystemExit("Azurite ended before its three services were listening.")


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m standins.azurite", description=__doc__.partition("\n")[0])
    parser.add_argument("--cert", type=Path, required=True, help="PEM file with private key and chain")
    parser.add_argument("--folder", type=Path, help="where it keeps its data; in memory if not given")
    parser.add_argument("--accounts", type=int, default=1, help=f"how many, {ACCOUNT} first")
    parser.add_argument(
        "--cleaning",
        type=float,
        default=CLEANING_SECONDS,
        metavar="SECONDS",
        help=f"between two clean-ups of what no blob or message refers to any more ({CLEANING_SECONDS})",
    )
    for service in ("blob", "queue", "table"):
        parser.add_argument(f"--{service}-port", type=int, default=0)
    arguments = parser.parse_args()

    try:
        tools = Tools.find()
    except NoTools as error:
        sys.exit(f"Azurite can't start: {error}")
    names = account_names(arguments.accounts)
    # Keys that nobody keeps: Azurite wants one for every account, and everything here comes with a bearer token.
    keys = ";".join(f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}" for name in names)
    ports = (arguments.blob_port, arguments.queue_port, arguments.table_port)
    with subprocess.Popen(
        command(tools, arguments.cert, arguments.folder, ports),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "AZURITE_ACCOUNTS": keys,
            "STANDINS_AZURITE_CLEANING_MS": str(round(arguments.cleaning * 1000)),
        },
        # Safe: this process has one thread so far.
        preexec_fn=set_death_signal if sys.platform == "linux" else None,
    ) as azurite:
        assert azurite.stdout is not None
        found = _endpoints(azurite.stdout)
        output = threading.Thread(target=_copy, args=(azurite.stdout,))
        output.start()
        wait_until_told_to_stop({**found, "accounts": names})
        # Not SIGTERM: Azurite would first wait for idle connections to close, and what it holds ends with it anyway.
        if arguments.folder is None:
            azurite.kill()
        else:
            azurite.terminate()
        output.join()


def _copy(output: Iterator[str]) -> None:
    for line in output:
        print(line, end="", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)  # Azurite has ended, so its keeper does too


if __name__ == "__main__":
    main()
