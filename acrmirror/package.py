"""Which Python the deployed package was built for. Imports nothing that was built for any."""

import sys
from pathlib import Path

from acrmirror.errors import Misconfigured

APP = Path(__file__).resolve().parents[1]
RECORD = Path(".python_packages") / "built-for"
"""In the app's folder: a version such as `3.13`. What makes the package writes it; elsewhere there is none."""


def other_python(folder: Path = APP, running: tuple[int, int] = sys.version_info[:2]) -> Misconfigured | None:
    """What is wrong if this process runs another Python than the packages beside it were built for."""
    record = folder / RECORD
    if not record.is_file():
        return None
    built, here = record.read_text(encoding="utf-8").strip(), "{}.{}".format(*running)
    if built == here:
        return None
    return Misconfigured(
        "Start of the app",
        f"its packages were built for Python {built}, and it runs on Python {here}",
        f"Set the function app's runtime to Python {built}, as the templates do, or package the app for Python {here}.",
    )
