"""What a job has failed by so far, each kind of failure apart. It travels in the job's message."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from acrmirror.moments import nine_digits


@dataclass(frozen=True, slots=True)
class Failing:
    """One kind of failure: an error's `code`, the time of the first run that ended in it (UTC, nine digits), and the
    number of runs that did."""

    code: str
    since: str
    count: int

    @classmethod
    def read(cls, fields: object) -> tuple[Self, ...]:
        """What `written` gave; nothing of a message that has none. Raises ValueError, TypeError, KeyError or
        AttributeError (Malformed, for a time) for anything else."""
        if fields is None:
            return ()
        if not isinstance(fields, dict):
            raise TypeError("failures are no object")
        return tuple(cls(str(code), nine_digits(it["since"]), int(it["count"])) for code, it in fields.items())


def written(failing: Iterable[Failing]) -> dict[str, Any] | None:
    """As a message has it: `{"not-found": {"since": …, "count": 2}}`, about 80 bytes for each kind."""
    return {it.code: {"since": it.since, "count": it.count} for it in failing} or None
