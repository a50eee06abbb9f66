"""A deletion: one digest that an event says the registry no longer has, as it travels through the queue."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from acrmirror.moments import Moment, from_datetime, nine_digits, to_datetime
from acrmirror.reference import Reference
from acrmirror.work.fields import message_of, record_of, reference_of, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.queued import Unchecked, common, first_attempt
from acrmirror.work.queues import JOB_QUEUE
from acrmirror.work.record import Record, RecordFields


@dataclass(frozen=True, slots=True)
class Deletion(Unchecked):
    """What the registry is asked about before it is noted (rule H4). `received` is when the app heard of it."""

    reference: Reference
    received: Moment
    event_id: str

    kind: ClassVar[Literal["deletion"]] = "deletion"
    queue: ClassVar[str] = JOB_QUEUE

    @classmethod
    def of_event(cls, reference: Reference, event_id: str, at: Moment) -> Self:
        """The same event delivered twice makes the same job."""
        identity = JobId.of(to_datetime(at), f"{event_id} {reference}")
        return cls(identity, at, reference, from_datetime(datetime.now(UTC)), event_id)

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return {
            "kind": self.kind,
            **record_of(self.reference),
            "event_id": self.event_id,
            "at": self.at,
            "received": self.received,
        }

    @property
    def own_fields(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            **message_of(self.reference),
            "received": self.received,
            "eventId": self.event_id,
        }

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        return cls(
            **common(fields),
            reference=reference_of(fields),
            received=nine_digits(text_of(fields["received"])),
            event_id=text_of(fields["eventId"]),
        )

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """As at its first attempt. Raises as `Copy.of_record` does."""
        fields = record.fields
        return cls(
            **first_attempt(record),
            reference=reference_of(fields),
            received=nine_digits(fields["received"] or fields["at"]),
            event_id=fields["event_id"],
        )
