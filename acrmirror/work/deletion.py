"""A deletion: one digest that an event says the registry no longer has, as it travels through the queue."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from acrmirror.moments import Moment, from_datetime, nine_digits, to_datetime
from acrmirror.reference import Reference
from acrmirror.work.failing import Failing, written
from acrmirror.work.fields import message, reference_of, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.queues import JOB_QUEUE
from acrmirror.work.record import RecordFields


@dataclass(frozen=True, slots=True)
class Deletion:
    """What the registry is asked about before it is noted (rule H4). `at` is its own time of the event, `received` when
    the app heard of it; `attempt`, `failing` and `retries` are as for a `Copy`."""

    id: JobId
    reference: Reference
    at: Moment
    received: Moment
    event_id: str
    attempt: int = 0
    failing: tuple[Failing, ...] = ()
    retries: int = 0

    kind: ClassVar[Literal["deletion"]] = "deletion"
    queue: ClassVar[str] = JOB_QUEUE
    check: ClassVar[int] = 0
    """It is not asked about again."""

    @classmethod
    def of_event(cls, reference: Reference, event_id: str, at: Moment) -> Self:
        """The same event delivered twice makes the same job."""
        identity = JobId.of(to_datetime(at), f"{event_id} {reference}")
        return cls(identity, reference, at, from_datetime(datetime.now(UTC)), event_id)

    def later(self, failing: tuple[Failing, ...], *, fresh: bool) -> Self:  # noqa: ARG002 - nothing of it is staged
        """The same job for one more attempt; `failing` is all that it has failed by, this attempt included."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return {
            "kind": self.kind,
            "repository": self.reference.repository,
            "tag": self.reference.tag or "",
            "digest": str(self.reference.digest or ""),
            "event_id": self.event_id,
            "at": self.at,
            "received": self.received,
        }

    def to_json(self) -> str:
        return message(
            {
                "version": 1,
                "id": self.id,
                "kind": self.kind,
                "repository": self.reference.repository,
                "tag": self.reference.tag,
                "digest": str(self.reference.digest) if self.reference.digest else None,
                "at": self.at,
                "received": self.received,
                "eventId": self.event_id,
                "attempt": self.attempt or None,
                "failures": written(self.failing),
                "retries": self.retries or None,
            }
        )

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        if fields["version"] != 1:
            raise ValueError("another version")
        return cls(
            JobId(text_of(fields["id"])),
            reference_of(fields),
            nine_digits(text_of(fields["at"])),
            nine_digits(text_of(fields["received"])),
            text_of(fields["eventId"]),
            int(fields.get("attempt", 0)),
            Failing.read(fields.get("failures")),
            int(fields.get("retries", 0)),
        )
