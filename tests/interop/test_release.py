"""A release: the same bytes each time, and an SBOM that lists what is in them. Needs git and the package index."""

import hashlib
import json
import os
import subprocess
import zipfile
from datetime import UTC, datetime
from email.parser import Parser
from pathlib import Path

import pytest

from acrmirror.version import VERSION
from devtools.release import ROOT, main, notes, zipped
from infra.hooks.package import canonical

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    assert main([str(folder)]) == 0
    return folder


def test_the_digests_are_of_what_is_there(made: Path) -> None:
    """That a second run gives the same ones is looked at by each release (.github/workflows/release.yml)."""
    sums = (made / "SHA256SUMS").read_text()
    for line in sums.splitlines():
        digest, name = line.split()
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest
    assert len(sums.splitlines()) == 3


def test_the_sbom_lists_each_package_of_the_zip_and_no_other(made: Path) -> None:
    inside = set()
    with zipfile.ZipFile(made / f"acrmirror-function-{VERSION}.zip") as opened:
        for name in opened.namelist():
            if name.endswith(".dist-info/METADATA"):
                told = Parser().parsestr(opened.read(name).decode())
                inside.add((canonical(told["Name"]), told["Version"]))
        assert {"function_app.py", "host.json", "requirements.txt"} <= set(opened.namelist())
    document = json.loads((made / f"acrmirror-function-{VERSION}.cdx.json").read_text())
    assert document["specVersion"] == "1.6"
    assert {(canonical(it["name"]), it["version"]) for it in document["components"]} == inside
    assert len(inside) > 20
    assert document["metadata"]["component"]["version"] == VERSION


def test_the_zip_has_what_is_committed_and_nothing_of_this_machine(made: Path) -> None:
    committed = set(subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines())
    with zipfile.ZipFile(made / f"acrmirror-function-{VERSION}.zip") as opened:
        ours = [it for it in opened.namelist() if not it.startswith(".python_packages/")]
        assert opened.namelist() == sorted(opened.namelist())
    if committed:
        assert set(ours) <= committed


def test_when_and_in_which_order_files_were_made_changes_nothing(tmp_path: Path) -> None:
    archives = []
    for number, names in enumerate((("b/c.py", "a.py"), ("a.py", "b/c.py"))):
        folder = tmp_path / str(number)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"# {name}\n")
            os.utime(folder / name, (number, number))
        (folder / "a.py").chmod(0o600 if number else 0o664)
        archives.append(tmp_path / f"{number}.zip")
        zipped(folder, archives[-1], datetime(2026, 11, 30, 12, tzinfo=UTC))
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_its_notes_are_what_the_changelog_says() -> None:
    changelog = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- New.\n\n## [0.0.1] - 2026-01-01\n\n- Old.\n"
    assert notes(changelog) == "### Added\n\n- New."
    assert notes(changelog.replace("[Unreleased]", f"[{VERSION}] - 2026-11-30")) == "### Added\n\n- New."
