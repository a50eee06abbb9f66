"""Checks of the Bicep in this folder that need neither Azure nor the Bicep compiler: `python -m infra.checks`.

`parser` reads a file into `syntax`, `models` knows what the management SDKs carry, `static` holds one file against
that (`kinds` its expressions, `parameters` what comes in), `evaluate` works out the `deployment` that would be sent to
Azure, `requirements` says what must hold of it, and `mutations` seeds mistakes that have to be noticed.
"""

from pathlib import Path

INFRA = Path(__file__).resolve().parent.parent


def templates(root: Path = INFRA) -> list[Path]:
    """Every Bicep file, in a steady order."""
    return sorted(root.rglob("*.bicep"))
