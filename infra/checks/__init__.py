"""Checks of the Bicep in this folder that need neither Azure nor the Bicep compiler: `python -m infra.checks`.

`syntax` reads a file, `models` knows what the management SDKs carry, `static` holds one file against that, `evaluate`
works out what a deployment would send to Azure, and `requirements` says what must hold of it.
"""

from pathlib import Path

INFRA = Path(__file__).resolve().parent.parent


def templates(root: Path = INFRA) -> list[Path]:
    """Every Bicep file, in a steady order."""
    return sorted(root.rglob("*.bicep"))
