"""What the documentation has in it, for tests that hold it to what is there: its blocks of code and its tables."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks in that language, such as `sh`; `document` is a path in the repository."""
    return [body for kind, body in BLOCK.findall((ROOT / document).read_text()) if kind == language]


def table(document: str, first: str) -> list[list[str]]:
    """The rows of the one table whose first column is headed `first`, each as its cells."""
    found = [rows for rows in _tables((ROOT / document).read_text()) if rows[0][0] == first]
    assert len(found) == 1, f"{document} has {len(found)} tables of {first}"
    head, _, *rows = found[0]
    assert all(len(row) == len(head) for row in rows), f"{document}: a row of {first} has another number of cells"
    return rows


def _tables(text: str) -> list[list[list[str]]]:
    runs: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            runs[-1].append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif runs[-1]:
            runs.append([])
    return [rows for rows in runs if len(rows) > 2]
