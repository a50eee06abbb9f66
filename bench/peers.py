"""Other tools that copy many images, told what to copy by files of their own."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Taken, measure_program
from bench.services import find_tool
from standins.control import RegistryControl

SIDE_BY_SIDE = 4
"""Copies that a tool runs beside each other: on two cores more of them are no faster."""


@dataclass(frozen=True, slots=True)
class Place:
    """A registry as a client needs it; without `tls` by plain HTTP."""

    host: str
    username: str = ""
    password: str = ""
    tls: bool = True

    @classmethod
    def of(cls, registry: RegistryControl) -> Place:
        return cls(registry.host, registry.username, registry.password)

    def entry(self) -> dict[str, Any]:
        """As regclient's programs take it. They send three requests at once to a host, unless told to send more."""
        signed_in = {"user": self.username, "pass": self.password} if self.username else {}
        return {"tls": "enabled" if self.tls else "disabled", "reqConcurrent": 4 * SIDE_BY_SIDE, **signed_in}

    def docker_config(self) -> str:
        """As docker's own configuration has it."""
        secret = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return json.dumps({"auths": {self.host: {"auth": secret}}})


class Regsync:
    """Synchronizes whole repositories, as `regsync once` does."""

    name = "regsync"

    def __init__(self, program: Path, folder: Path, ca: Path) -> None:
        self._program = program
        self._folder = folder
        self._ca = ca

    @classmethod
    def find(cls, folder: Path, ca: Path) -> Regsync | None:
        program = find_tool(cls.name)
        return cls(program, folder, ca) if program else None

    def run(self, source: Place, target: Place, repositories: Sequence[str]) -> Taken:
        """Raises ContenderFailed."""
        steps = [{"source": f"{source.host}/{it}", "target": f"{target.host}/{it}"} for it in repositories]
        configuration = {
            "version": 1,
            "creds": [{"registry": it.host, **it.entry()} for it in (source, target)],
            "defaults": {"parallel": SIDE_BY_SIDE, "skipDockerConfig": True},
            "sync": [{**it, "type": "repository"} for it in steps],
        }
        path = self._folder / "regsync.yml"
        path.write_text(json.dumps(configuration), encoding="utf-8")  # JSON is YAML.
        command = [str(self._program), "once", "-v", "error", "--abort-on-error", "-c", str(path)]
        return measure_program(command, _environment(self._folder, self._ca))


class Regctl:
    """Copies images one by one: a program run for each."""

    name = "regctl"

    def __init__(self, program: Path, folder: Path, ca: Path) -> None:
        self._program = program
        self._folder = folder
        self._ca = ca

    @classmethod
    def find(cls, folder: Path, ca: Path) -> Regctl | None:
        program = find_tool(cls.name)
        return cls(program, folder, ca) if program else None

    def run(self, source: Place, target: Place, images: Sequence[str]) -> Taken:
        """`images` are references without a host. Raises ContenderFailed."""
        path = self._folder / "regctl.json"
        path.write_text(json.dumps({"hosts": {it.host: it.entry() for it in (source, target)}}), encoding="utf-8")
        environment = {**_environment(self._folder, self._ca), "REGCTL_CONFIG": str(path)}

        def copy(image: str) -> Taken:
            command = [str(self._program), "image", "copy", f"{source.host}/{image}", f"{target.host}/{image}"]
            return measure_program(command, environment)

        begun = time.perf_counter()
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            taken = list(pool.map(copy, images))
        seconds = time.perf_counter() - begun
        return Taken(seconds, sum(it.cpu for it in taken), max(it.peak_rss for it in taken), None)


def _environment(home: Path, ca: Path) -> Mapping[str, str]:
    """No configuration of the user's, and the throwaway authority as the only one."""
    return {"PATH": "", "HOME": str(home), "SSL_CERT_FILE": str(ca)}
