"""What a job has failed by so far, each kind of failure apart. It travels in the job's message."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from acrmirror.moments import Moment, nine_digits


@dataclass(frozen=True, slots=True)
class Failing:
    """One kind of failure: an error's `code`, the time of the first run that ended in it, the number of runs that did,
    and when the attempt after the last of them was due."""

    code: str
    since: Moment
    count: int
    due: Moment

    @classmethod
    def read(cls, fields: object) -> tuple[Self, ...]:
        """What `written` gave; nothing of a message that has none. One of an older version does not say when the next
        attempt was due: then that is taken to be its first failure's time. Raises ValueError, TypeError, KeyError or
        AttributeError (Malformed, for a time) for anything else."""
        if fields is None:
            return ()
        if not isinstance(fields, dict):
            raise TypeError("failures are no object")
        return tuple(
            cls(str(code), nine_digits(it["since"]), int(it["count"]), nine_digits(it.get("due", it["since"])))
            for code, it in fields.items()
        )


def written(failing: Iterable[Failing]) -> dict[str, Any] | None:
    """As a message has it: `{"not-found": {"since": …, "count": 2, "due": …}}`, about 120 bytes for each kind."""
    return {it.code: {"since": it.since, "count": it.count, "due": it.due} for it in failing} or None
