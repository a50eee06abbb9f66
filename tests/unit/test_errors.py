"""Every failure that a user can meet is in the documentation, and nothing else is. That each is provoked is tested in
tests/integration/test_errors_*.py, row by row."""

import re
from collections.abc import Iterator

from acrmirror import errors
from acrmirror.cli import app
from acrmirror.client import ApiProblem
from acrmirror.errors import MirrorError, TagMoved, Transient
from acrmirror.http import api, problems
from tests.documentation import ROOT
from tests.integration.error_rows import command_rows, rows

NEVER_SEEN = {MirrorError.code, Transient.code, TagMoved.code}
"""Bases that are not raised as such, and what is caught where it is raised."""
WHERE_ALL_ARE = (api, app)
"""What imports every class there is."""
OF_THE_COMMAND_LINE = ("acrmirror.client.", "acrmirror.cli.")


def kinds(base: type[MirrorError] = MirrorError) -> Iterator[type[MirrorError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def raised(*rooms: str) -> set[str]:
    """The codes of what these rooms raise, by their source."""
    known = {kind.__name__: kind.code for kind in kinds()}
    texts = [path.read_text() for room in rooms for path in (ROOT / "acrmirror" / room).glob("*.py")]
    return {known[name] for text in texts for name in re.findall(r"(?:raise|return) (\w+)\(", text) if name in known}


def codes(*, of_the_command_line: bool) -> set[str]:
    return {
        kind.code
        for kind in kinds()
        if kind.__module__.startswith("acrmirror.")
        and kind is not ApiProblem
        and kind.__module__.startswith(OF_THE_COMMAND_LINE) is of_the_command_line
    } - NEVER_SEEN


def test_the_documentation_has_every_code_and_no_other() -> None:
    assert set(rows()) == codes(of_the_command_line=False) | {"unexpected"}
    own = codes(of_the_command_line=True) | raised("client", "cli", "archive") - NEVER_SEEN
    assert set(command_rows()) == own | {"no-problem-details"}


def test_every_status_of_a_problem_is_in_its_row() -> None:
    told = {code: row.statuses for code, row in rows().items()}
    for code, status in problems.STATUSES.items():
        assert code in NEVER_SEEN or not told[code] or status in told[code], code


def drawn(kind: type[MirrorError], depth: int = 1) -> Iterator[str]:
    """The class and those under it in that module, in the order of their definitions."""
    yield "    " * depth + kind.__name__
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from drawn(child, depth + 1)


def test_the_tree_at_the_top_is_that_of_the_classes() -> None:
    assert errors.__doc__ is not None
    assert [line for line in errors.__doc__.splitlines() if line.startswith("    ")] == list(drawn(MirrorError))


def test_a_message_has_its_three_parts() -> None:
    for kind in kinds():
        if kind.__module__ == "acrmirror.errors":
            error = kind("copy team/app", "it answered 404", "Push it.")
            assert str(error) == "copy team/app: it answered 404. Push it."
            assert kind.__doc__
