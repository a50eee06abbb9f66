"""The app as a deployment has it: what is committed less .funcignore, and its own packages beside it.

A deployment uploads a zip, and the platform's remote build installs requirements.txt into it
(https://learn.microsoft.com/azure/azure-functions/functions-reference-python#remote-build). A folder made here is run
by `local.functions` with nothing but itself on the import path: see `local.functions.isolated`.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = Path(".python_packages") / "lib" / "site-packages"


def build(folder: Path) -> Path:
    """The app's folder, `folder`/app, made from a new clone of this repository's HEAD. Needs git and the package index.

    Raises `CalledProcessError`, with what pip or git said on standard error.
    """
    archive = pack(folder / "clone", folder / "app.zip")
    app = folder / "app"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(app)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", app / PACKAGES, "-r", app / "requirements.txt"], check=True)
    return app


def pack(clone: Path, archive: Path) -> Path:
    """Clones this repository, and zips what a deployment uploads of it. `.funcignore` is read as git reads its own."""
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), clone], check=True)
    ignored = _listed(clone, "--cached", "--ignored", "--exclude-from=.funcignore")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(_listed(clone, "--cached") - ignored):
            made.write(clone / name, name)
    return archive


def _listed(clone: Path, *options: str) -> set[str]:
    found = subprocess.run(["git", "-C", clone, "ls-files", "-z", *options], capture_output=True, check=True)
    return {name.decode() for name in found.stdout.split(b"\0") if name}
