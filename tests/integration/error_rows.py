"""The rows of docs/errors.md, as tests hold the app to them."""

import re
from dataclasses import dataclass

from tests.documentation import table

DOCUMENT = "docs/errors.md"
STATES = {"running", "waiting", "incomplete", "failed", "gone", "cancelled"}


@dataclass(frozen=True, slots=True)
class Row:
    """`statuses` are the HTTP statuses that the row gives, `states` those of a job, `told` what one may be told."""

    code: str
    told: tuple[str, ...]
    statuses: frozenset[int]
    states: frozenset[str]

    def fits(self, text: str) -> bool:
        """Whether a message is one that the row tells of."""
        return any(part in text for part in self.told)


def rows() -> dict[str, Row]:
    """Of everything that the app can answer or write down."""
    found: dict[str, Row] = {}
    for code, told, http, job, why, remedy in table(DOCUMENT, "code"):
        name = code.strip("`")
        assert name not in found, f"{name} is there twice"
        assert why, name
        assert remedy, name
        states = set(re.findall(r"`([a-z]+)`", job))
        assert states <= STATES | {"crashed"}, f"{name}: {states}"
        found[name] = Row(
            name, _told(told), frozenset(map(int, re.findall(r"\d{3}", http))), frozenset(states & STATES)
        )
    return found


def command_rows() -> dict[str, tuple[Row, int]]:
    """Of what the command line says besides, with its exit code."""
    found: dict[str, tuple[Row, int]] = {}
    for code, told, ends, why, remedy in table(DOCUMENT, "code of the command line"):
        name = code.strip("`")
        assert why, name
        assert remedy, name
        found[name] = Row(name, _told(told), frozenset(), frozenset()), int(ends.partition(",")[0])
    return found


def _told(cell: str) -> tuple[str, ...]:
    parts = tuple(re.findall(r"“([^”]+)”", cell))
    assert parts, f"nothing is quoted in {cell}"
    return parts
