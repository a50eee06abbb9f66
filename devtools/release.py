"""What a release has: the function app's zip, the command line's wheel, an SBOM, their digests, its notes.

    python -m devtools.release FOLDER

Made from what is committed. The same commit gives the same bytes, whoever makes them, on whichever machine: files are
in the order of their names and bear the time of the commit. Needs git, the package index, and
requirements-release.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PathDistribution
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from acrmirror.version import VERSION
from devtools import package

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = Path(".python_packages") / "lib" / "site-packages"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m devtools.release", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where to; it is made")
    folder: Path = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    made = release(folder)
    (folder / "notes.md").write_text(notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")), encoding="utf-8")
    digests = "".join(f"{hashlib.sha256(it.read_bytes()).hexdigest()}  {it.name}\n" for it in sorted(made))
    (folder / "SHA256SUMS").write_text(digests, encoding="utf-8")
    print(digests, end="")
    return 0


def release(folder: Path) -> list[Path]:
    """The files of a release, in `folder`. Raises CalledProcessError, with what git, pip or build said."""
    with tempfile.TemporaryDirectory() as place:
        app = package.build(Path(place), platform_only=True)
        clone = Path(place) / "clone"
        when = _commit_time(clone)
        function = folder / f"acrmirror-function-{VERSION}.zip"
        zipped(app, function, when)
        wheel = _wheel(clone, folder, when)
        inside = function.with_suffix(".cdx.json")
        inside.write_text(bom(_distributions(app / PACKAGES), when), encoding="utf-8")
        return [function, wheel, inside]


def zipped(app: Path, archive: Path, when: datetime) -> None:
    """All files of a folder. A mode is 0644, or 0755 for what its owner may run."""
    stamp = when.timetuple()[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        found = {it.relative_to(app).as_posix(): it for it in app.rglob("*") if it.is_file()}
        for name, file in sorted(found.items()):
            if "__pycache__" in file.parts:
                continue
            entry = zipfile.ZipInfo(name, stamp)
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if os.access(file, os.X_OK) else 0o100644) << 16
            made.writestr(entry, file.read_bytes(), compresslevel=9)


def bom(packages: Iterable[PathDistribution], when: datetime) -> str:
    """A CycloneDX 1.6 document: the app, and the packages that are in the same archive with it."""
    app = Component(
        name="acrmirror", version=VERSION, type=ComponentType.APPLICATION, bom_ref="acrmirror", purl=_purl("acrmirror")
    )
    document = Bom(version=1)
    document.metadata.component = app
    document.metadata.timestamp = when
    document.serial_number = None  # type: ignore[assignment]  # else a new one each time
    found = []
    for it in packages:
        name, version = str(it.metadata["Name"]), it.version
        one = Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            bom_ref=f"{name}@{version}",
            purl=_purl(name, version),
        )
        document.components.add(one)
        found.append(one)
    document.register_dependency(app, found)
    return JsonV1Dot6(document).output_as_string(indent=2) + "\n"


def notes(changelog: str) -> str:
    """The section of this version, or what is not released yet."""
    sections = re.split(r"^## \[", changelog, flags=re.MULTILINE)[1:]
    named = {it.partition("]")[0]: it.partition("\n")[2].strip() for it in sections}
    return named.get(VERSION) or named["Unreleased"]


def _purl(name: str, version: str = VERSION) -> PackageURL:
    return PackageURL("pypi", name=re.sub(r"[-_.]+", "-", name).lower(), version=version)


def _distributions(packages: Path) -> list[PathDistribution]:
    return [PathDistribution(it) for it in sorted(packages.glob("*.dist-info"))]


def _commit_time(clone: Path) -> datetime:
    told = subprocess.run(
        ["git", "-C", clone, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True
    ).stdout
    return datetime.fromtimestamp(int(told), UTC)


def _wheel(clone: Path, folder: Path, when: datetime) -> Path:
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(int(when.timestamp())),
        "PIP_CONSTRAINT": str(ROOT / "requirements-release.txt"),
    }
    words: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, clone]
    subprocess.run(words, stdout=subprocess.DEVNULL, env=environment, check=True)
    return folder / f"acrmirror-{VERSION}-py3-none-any.whl"


if __name__ == "__main__":
    sys.exit(main())
