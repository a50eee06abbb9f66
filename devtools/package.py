"""The app as a deployment has it: what is committed less .funcignore, and its own packages beside it.

A deployment uploads a zip, with the packages of requirements.txt in it as `infra/hooks/package.py` chooses them; where
a test runs on the platform's Python and kind of machine, it runs these very wheels. A folder made here is run by
`standins.functions` with nothing but itself on the import path: see `standins.functions.isolated`.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build(folder: Path, *, platform_only: bool = False) -> Path:
    """The app's folder, `folder`/app, made from a new clone of this repository's HEAD. Needs git and the package index.
    With `platform_only` the packages are the platform's, whatever this machine is.

    Where there is no repository, as in an unpacked archive of one, the files are taken as they are here. Raises
    `CalledProcessError`, with what pip or git said on standard error.
    """
    archive = pack(folder / "clone", folder / "app.zip")
    app = folder / "app"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(app)
    deployed = (sys.version_info[:2], sys.platform, platform.machine()) == ((3, 13), "linux", "x86_64")
    words: list[str | Path] = [
        sys.executable,
        ROOT / "infra" / "hooks" / "package.py",
        app,
        *([] if deployed or platform_only else ["--here"]),
    ]
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    return app


def pack(clone: Path, archive: Path, root: Path = ROOT) -> Path:
    """Clones the repository, and zips what a deployment uploads of it. `.funcignore` is read as git reads its own."""
    if (root / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", root.as_uri(), clone], check=True)
    else:
        _make_repository(clone, root)
    ignored = _listed(clone, "--cached", "--ignored", "--exclude-from=.funcignore")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name in sorted(_listed(clone, "--cached") - ignored):
            made.write(clone / name, name)
    return archive


def _make_repository(clone: Path, root: Path) -> None:
    """Out of what is in `root` and its `.gitignore` does not name."""
    subprocess.run(["git", "init", "--quiet", clone], check=True)
    for name in _listed(clone, "--others", "--exclude-standard", root=root):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, clone / name)
    subprocess.run(["git", "-C", clone, "add", "--all"], check=True)


def _listed(clone: Path, *options: str, root: Path | None = None) -> set[str]:
    """Of the clone, or of what lies in `root` and is no repository."""
    git = ["git", f"--git-dir={clone / '.git'}", f"--work-tree={root or clone}", "ls-files", "-z", *options]
    found = subprocess.run(git, cwd=root or clone, capture_output=True, check=True)
    return {name.decode() for name in found.stdout.split(b"\0") if name}
