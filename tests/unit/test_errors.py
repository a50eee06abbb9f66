"""Every failure that a user can meet is in the documentation, and nothing else is."""

import re
from collections.abc import Iterator
from pathlib import Path

from acrmirror.errors import MirrorError, Transient
from acrmirror.http import problems

DOCS = Path(__file__).parents[2] / "docs" / "errors.md"
ROW = re.compile(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
# Never raised as such.
BASES = {MirrorError.code, Transient.code}
# Written down by a run that failed in a way that nobody expected.
WITHOUT_A_CLASS = {"unexpected"}
ROOMS = ("acrmirror.errors", "acrmirror.application.", "acrmirror.http.")


def kinds(base: type[MirrorError] = MirrorError) -> Iterator[type[MirrorError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def rows() -> dict[str, list[str]]:
    """The cells behind each code."""
    found: dict[str, list[str]] = {}
    for codes, *cells in ROW.findall(DOCS.read_text()):
        for code in re.findall(r"`([a-z-]+)`", codes):
            assert code not in found, f"{code} is there twice"
            found[code] = [cell.strip() for cell in cells]
    return found


def test_the_documentation_has_every_code_and_no_other() -> None:
    codes = {kind.code for kind in kinds() if kind.__module__.startswith(ROOMS)}
    assert set(rows()) == (codes - BASES) | WITHOUT_A_CLASS


def test_each_code_says_its_status_its_meaning_and_what_to_do() -> None:
    for code, (status, meaning, job, remedy) in rows().items():
        assert meaning
        assert job
        assert remedy, code
        known = problems.STATUSES.get(code)
        assert str(known or "") in status, code


def test_a_message_has_its_three_parts() -> None:
    for kind in kinds():
        if kind.__module__ == "acrmirror.errors":
            error = kind("copy team/app", "it answered 404", "Push it.")
            assert str(error) == "copy team/app: it answered 404. Push it."
            assert kind.__doc__
