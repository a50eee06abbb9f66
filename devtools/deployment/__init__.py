"""What is known of this project's deployment: its scenarios, the roles in it, and the docs that follow from it.

`scenarios` deploys the templates in infra/ for the cases that matter, `permissions` holds what the code does against
the `roles` that are assigned, `graph` draws it. `python3 dev.py infra` checks, and with `--write` makes, what follows.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
ACCOUNT = "Microsoft.Storage/storageAccounts"
CONTAINER = f"{ACCOUNT}/blobServices/containers"
ROLE = "Microsoft.Authorization/roleAssignments"
SITE = "Microsoft.Web/sites"


def templates() -> list[Path]:
    """Every Bicep file, in a steady order."""
    return sorted(INFRA.rglob("*.bicep"))
