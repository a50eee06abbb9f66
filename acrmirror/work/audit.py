"""An audit: what is in the mirror is read again, slice by slice; each slice is a message."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from acrmirror.moments import Moment, from_datetime, nine_digits
from acrmirror.work.failing import Failing, written
from acrmirror.work.fields import message, text_of
from acrmirror.work.ids import JobId

KIND = "audit"


@dataclass(frozen=True, slots=True)
class Audit:
    """`at` is when it was requested. How far it is stands in the container, and not in its message; `failing` is what
    its slices failed by since the last one that did not, `attempt` how often."""

    id: JobId
    at: Moment
    attempt: int = 0
    failing: tuple[Failing, ...] = ()

    @classmethod
    def of(cls, at: datetime, seed: str) -> Self:
        return cls(JobId.of(at, f"audit {seed}"), from_datetime(at))

    def later(self, failing: tuple[Failing, ...]) -> Self:
        """The same slice once more."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

    def onward(self) -> Self:
        """The next slice."""
        return replace(self, attempt=0, failing=())

    def to_json(self) -> str:
        return message(
            {
                "version": 1,
                "id": self.id,
                "kind": KIND,
                "at": self.at,
                "attempt": self.attempt or None,
                "failures": written(self.failing),
            }
        )

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises ValueError, KeyError, TypeError or AttributeError for what `to_json`
        never wrote."""
        if fields["version"] != 1:
            raise ValueError("another version")
        return cls(
            JobId.read(fields["id"]),
            nine_digits(text_of(fields["at"])),
            int(fields.get("attempt", 0)),
            Failing.read(fields.get("failures")),
        )
