"""The command line as `pipx install` leaves it: the wheel in an environment of its own, against the local stack."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from acrmirror.version import VERSION
from testkit.images import multi_arch, oci_image
from tests.documentation import ROOT
from tests.integration.command import Command
from tests.integration.mirroring import Mirroring

pytestmark = pytest.mark.interop


def installed(folder: Path) -> Path:
    """The folder of the programs of an environment with the wheel, which is built of the files here."""
    source = folder / "source"
    shutil.copytree(ROOT / "acrmirror", source / "acrmirror", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    words: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv" / "bin"
    wheel = folder / f"acrmirror-{VERSION}-py3-none-any.whl"
    pip: list[str | Path] = [
        programs / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        wheel,
    ]
    subprocess.run(pip, check=True)
    return programs


def test_a_fresh_installation_pulls_inspects_and_exports(mirror: Mirroring, tmp_path: Path) -> None:
    programs, repository = installed(tmp_path), "interop/installed"
    listed = subprocess.run([programs / "python", "-m", "pip", "list"], capture_output=True, text=True, check=True)
    assert "azure" not in listed.stdout
    image = mirror.push(repository, oci_image(repository, tag="v1"))
    mirror.push(repository, multi_arch(repository, 2, tag="v2"))
    environment = {**Command.of(mirror.stack, tmp_path).environment, "PATH": os.environ["PATH"]}
    del environment["PYTHONPATH"]

    def typed(*words: str) -> bytes:
        line = [str(programs / "acrmirror"), *words]
        done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    assert typed("--version").decode() == f"acrmirror {VERSION}\n"
    assert typed("pull", f"{repository}:v1", f"{repository}:v2", "--wait").count(b"  done  ") == 2
    found = json.loads(typed("inspect", f"{repository}:v1", "-o", "json"))
    assert found["digest"] == str(image.root.digest)
    typed("export", f"{repository}:v1", "--to", "one.tar")
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert "manifest.json" in tar.getnames()
    typed("export", f"{repository}:*", "--to", "all/")
    assert len(json.loads((tmp_path / "all" / "index.json").read_text())["manifests"]) == 2
