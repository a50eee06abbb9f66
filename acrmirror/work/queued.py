"""What everything has that travels through a queue."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar, Self, TypedDict

from acrmirror.moments import Moment, nine_digits
from acrmirror.work.failing import Failing, written
from acrmirror.work.fields import message, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.record import Record

VERSION = 1
"""Of messages. One of another version is not read."""


class Common(TypedDict):
    """The fields that all have, as they were read from a message or a record."""

    id: JobId
    at: Moment
    retries: int
    attempt: int
    failing: tuple[Failing, ...]


@dataclass(frozen=True, slots=True)
class Queued(ABC):
    """`at` is when it was requested; of what an event told, the registry's own time of that. `retries`: how often a
    person has sent it again; a message with fewer than the record counts is left to the later one. `attempt` counts
    runs that ended in a delayed message; `failing` has what they failed by, each kind apart."""

    id: JobId
    at: Moment
    _: KW_ONLY
    retries: int = 0
    attempt: int = 0
    failing: tuple[Failing, ...] = ()

    def later(self, failing: tuple[Failing, ...], *, fresh: bool = False) -> Self:  # noqa: ARG002 - only a copy stages
        """The same for one more attempt; `failing` is all that it has failed by, this attempt included. `fresh`: that
        attempt believes nothing that was staged before."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

    @property
    @abstractmethod
    def own_fields(self) -> dict[str, Any]:
        """What a message has besides what all have, `kind` among it. A field that is None is left out."""

    def to_json(self) -> str:
        """Its message. A queue's takes 64 KiB."""
        return message(
            {
                "version": VERSION,
                "id": self.id,
                "at": self.at,
                "retries": self.retries or None,
                "attempt": self.attempt or None,
                "failures": written(self.failing),
                **self.own_fields,
            }
        )


@dataclass(frozen=True, slots=True)
class Unchecked(Queued):
    """All but a copy: the registry is not asked about it again."""

    check: ClassVar[int] = 0


def common(fields: dict[str, Any]) -> Common:
    """From the fields of a message. Raises ValueError, KeyError, TypeError, AttributeError or Malformed for what
    `to_json` never wrote. A message of an older version has one clock for all kinds of failure (`failingSince`): which
    of them started it is not known, so each kind begins anew."""
    if fields["version"] != VERSION:
        raise ValueError("another version")
    return {
        "id": JobId.read(fields["id"]),
        "at": nine_digits(text_of(fields["at"])),
        "retries": int(fields.get("retries", 0)),
        "attempt": int(fields.get("attempt", 0)),
        "failing": Failing.read(fields.get("failures")),
    }


def first_attempt(record: Record) -> Common:
    """From a record, as at its first attempt since somebody sent it. Raises Malformed where somebody wrote something
    odd into it."""
    return {
        "id": record.id,
        "at": nine_digits(record.fields["at"]),
        "retries": record.retries,
        "attempt": 0,
        "failing": (),
    }
