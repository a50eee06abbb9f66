"""Kusto's own language service: it parses queries, and binds each name in them to a table, a column or a function."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools.kusto.tables import TABLES, Columns

SERVICE = Path(__file__).resolve().parents[2] / ".tools" / "kusto"
"""Where `dev.py` installs it."""
Node = dict[str, Any]
"""A node of a query's tree; language.js says what is in it."""

_SCRIPT = Path(__file__).with_name("language.js")
_SECONDS = 120


class NoLanguageService(Exception):
    """It is not installed, or it does not run: with what it said."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query as the service sees it. `problems` are sentences with line and column, warnings and suggestions among
    them; `columns` is what the query's result has, None where it is no table."""

    text: str
    problems: tuple[str, ...]
    columns: Columns | None
    tree: Node


def read(
    queries: Mapping[str, str], node: Path, service: Path = SERVICE, tables: Mapping[str, Columns] = TABLES
) -> dict[str, Query]:
    """Each query by its name, parsed and bound to the columns of `tables`. All are read by one process, since it takes
    a second to start. Raises NoLanguageService."""
    asked = json.dumps({"tables": tables, "queries": dict(queries)})
    command = [str(node), str(_SCRIPT), str(service)]
    try:
        ended = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoLanguageService(f"{node} does not run: {error}") from error
    if ended.returncode:
        raise NoLanguageService(
            f"{' '.join(command)} ended with code {ended.returncode}. `python3 dev.py tools` installs Kusto's language "
            f"service. It said:\n{ended.stderr}"
        )
    return {
        name: Query(queries[name], tuple(map(_sentence, found["problems"])), found["columns"], found["tree"])
        for name, found in json.loads(ended.stdout).items()
    }


def _sentence(problem: Mapping[str, Any]) -> str:
    return "{severity} {code} in line {line}, column {column}: {message}".format(**problem)
