"""What the documentation tells one to type is typed, against what `dev.py up` starts; the command line is installed."""

import json
import os
import shutil
import subprocess
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from standins.foundation import Foundation
from standins.process import wait_for
from standins.stack import Stack
from testkit.images import Image, multi_arch, oci_image
from testkit.push import Pusher
from testkit.stack import mirror_stack
from tests.documentation import ROOT, blocks
from tests.integration.http_api import Caller
from tests.interop.podman import Podman

pytestmark = pytest.mark.interop
MIB = 1024 * 1024
HTTP, CLI, README = "docs/http-api.md", "docs/cli.md", "README.md"
RUN_ELSEWHERE = {
    "python3 dev.py demo": ".ci/ordinary-user, on a new clone",
    "python3 dev.py test": ".ci/run",
    "azd up": "needs Azure",
    "python3 dev.py up": "tests/integration/test_up.py; .ci/run lints and measures",
}
"""Blocks of README that are typed in other places, by how they begin."""
ADDRESSES = ("http://127.0.0.1:7071", "https://<app>.azurewebsites.net", "https://my-mirror.azurewebsites.net")


@dataclass(frozen=True, slots=True)
class Shell:
    """A bash at a place of its own, for what is typed at a stack."""

    folder: Path
    stack: Stack

    def type(self, script: str, identity: str = "") -> str:
        """What it prints. Every command of it has to succeed. Address, key and ids are put in: of that pull, and of an
        archive, a rebuild and a restore."""
        ready = self.stack.ready()
        for address in ADDRESSES:
            script = script.replace(address, ready["functions"])
        script = script.replace("ID=…", f"ID={identity}").replace("KEY=…", f"KEY={ready['functions_key']}")
        if "ARCHIVE=…" in script:
            script = script.replace("ARCHIVE=…", f"ARCHIVE={cancelled_archive(self.stack)}")
        if "REBUILD=…" in script:
            asked = Caller.of(self.stack)("POST", "rebuilds", {"match": ["nothing/at/all"]})
            script = script.replace("REBUILD=…", f"REBUILD={asked.json['id']}")
        if "RESTORE=…" in script:
            script = script.replace("RESTORE=…", f"RESTORE={cancelled_restore(self.stack)}")
        script = script.replace("spare.azurecr.io", ready["target"])
        script = script.replace("<function key>", ready["functions_key"])
        assert "…" not in script, script
        environment = {
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ACRMIRROR_CA": ready["ca"],
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=environment,
            cwd=self.folder / "clone",
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def stack(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `dev.py up` starts, on a slow link, and in its registry what the examples name."""
    folder, settings = tmp_path_factory.mktemp("up"), {"MIRROR_SERVE": "anonymous"}
    with mirror_stack(foundation=foundation, folder=folder, settings=settings, target=True) as started:
        started.registry.set_event_manner(hold=True)
        started.registry.set_faults([{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 0.5}}])
        push(started, "team/app", multi_arch("app", 2, tag="1.2"))
        push(started, "base/os", oci_image("os", tag="v3"))
        yield started


def push(stack: Stack, repository: str, image: Image) -> None:
    registry = stack.registry
    with Pusher(registry.host, registry.username, registry.password, registry.ca) as pusher:
        pusher.image(repository, image)


@pytest.fixture(scope="module")
def shell(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("shell")
    (folder / "clone").mkdir()
    return Shell(folder, stack)


@pytest.fixture(scope="module")
def equipped(shell: Shell) -> Iterator[Shell]:
    """With what goes into the package as its clone, and the programs of an empty environment and `docker` on its path.

    `docker` is podman, which takes the same archives.
    """
    clone = shell.folder / "clone"
    venv.create(shell.folder, with_pip=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "acrmirror", clone / "acrmirror", ignore=shutil.ignore_patterns("__pycache__"))
    with Podman.started() as podman:
        podman.as_program("docker", shell.folder / "bin")
        yield shell


def cancelled(stack: Stack, repository: str) -> str:
    """The id of a pull that was cancelled, and that takes long enough to be cancelled once more."""
    call = Caller.of(stack)
    push(stack, repository, oci_image(repository, (24 * MIB,)))
    identity = str(call("POST", "pulls", {"image": repository}).json["id"])
    call("DELETE", f"pulls/{identity}")
    assert wait_for(lambda: call("GET", f"pulls/{identity}").json["state"] == "cancelled", 30)
    return identity


def is_cancelled(stack: Stack, identity: str) -> bool:
    return bool(Caller.of(stack)("GET", f"jobs/{identity}").json["state"] == "cancelled")


def cancelled_archive(stack: Stack) -> str:
    """The id of an archive that was cancelled before it was begun."""
    call = Caller.of(stack)
    push(stack, "docs/archived", oci_image("archived", tag="v1"))
    assert call("POST", "pulls", {"image": "docs/archived:v1", "wait": 60}).json["state"] == "done"
    for _ in range(10):
        identity = str(call("POST", "archives", {"images": ["docs/archived:v1"]}).json["id"])
        call("DELETE", f"archives/{identity}")
        ended = wait_for(lambda it=identity: call("GET", f"archives/{it}").json["state"] in ("cancelled", "done"), 30)  # type: ignore[misc]
        if ended and call("GET", f"archives/{identity}").json["state"] == "cancelled":
            return identity
    raise AssertionError("each archive was done before it could be cancelled")


def cancelled_restore(stack: Stack) -> str:
    """The id of a restore that was cancelled before it was begun."""
    call = Caller.of(stack)
    for _ in range(10):
        identity = str(call("POST", "restores", {"patterns": ["nothing/at/all"]}).json["id"])
        call("DELETE", f"restores/{identity}")
        ended = wait_for(lambda it=identity: call("GET", f"restores/{it}").json["state"] in ("cancelled", "done"), 30)  # type: ignore[misc]
        if ended and call("GET", f"restores/{identity}").json["state"] == "cancelled":
            return identity
    raise AssertionError("each restore was done before it could be cancelled")


def test_every_call_of_the_http_api_is_answered(shell: Shell) -> None:
    (block,) = blocks(HTTP, "sh")
    identity = cancelled(shell.stack, "slow/http")
    before = ""
    answers: dict[str, Any] = {}
    for line in block.splitlines():
        if not line.startswith(("call ", "curl ")):
            before += f"{line}\n"
            continue
        if "/retry" in line:
            # What was just cancelled may be running for a second more.
            assert wait_for(lambda: is_cancelled(shell.stack, identity), 30)
        answers[line] = shell.type(f"{before}{line}", identity)
    documents = {line: json.loads(text) for line, text in answers.items() if "/api/status" not in line}
    assert len(documents) > 10
    assert any(it.get("state") == "queued" for it in documents.values())
    assert any(it.get("live") for it in documents.values())


def test_the_command_line_is_installed_and_does_what_its_page_says(equipped: Shell) -> None:
    (block,) = blocks(CLI, "sh")
    printed = equipped.type(block, cancelled(equipped.stack, "slow/cli"))
    assert "team/app" in printed
    assert "Loaded image" in printed
    packages = {path.name for path in (equipped.folder / "lib").glob("python*/site-packages/*")}
    assert "typer" in packages
    assert not {name for name in packages if name.startswith(("azure", "msal"))}


def test_what_readme_says_of_images_by_hand_works(equipped: Shell) -> None:
    (block,) = (it for it in blocks(README, "sh") if "acrmirror pull" in it)
    assert "Loaded image" in equipped.type(block)


def test_every_block_of_readme_is_typed_somewhere() -> None:
    for block in blocks(README, "sh"):
        assert "acrmirror pull" in block or block.startswith(tuple(RUN_ELSEWHERE)), block
