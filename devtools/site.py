"""What the site has besides docs/: the pages at the root of the repository. mkdocs loads it by mkdocs.yml.

It runs in the site's own environment (requirements-docs.txt), and imports nothing of this project.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md")


def on_files(files: Any, *, config: Any) -> Any:
    """Adds them; called once a build."""
    from mkdocs.structure.files import File

    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=from_the_root(text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called for each page: all of them are in one folder on the site."""
    return re.sub(rf"\]\(\.\./({'|'.join(map(re.escape, PAGES))})", r"](\1", markdown)


def from_the_root(text: str) -> str:
    """A page of the root, with its links into docs/ as from there."""
    return text.replace("](docs/", "](")
