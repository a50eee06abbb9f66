"""A copy: one reference of the registry to copy into the mirror, as it travels through the queue."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Self, cast, get_args

from acrmirror.moments import Moment, from_datetime, nine_digits, to_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.work.failing import Failing
from acrmirror.work.fields import message_of, record_of, reference_of, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.queued import Queued, common, first_attempt
from acrmirror.work.queues import BACKFILL_QUEUE, JOB_QUEUE
from acrmirror.work.record import Record, RecordFields
from acrmirror.work.state import State

Cause = Literal["event", "pull"]
"""A push that an event told of; or a pull, by a person or by a sweep."""


@dataclass(frozen=True, slots=True)
class Copy(Queued):
    """Everything that a run needs: records say how jobs went, but no job depends on its record.

    `received` is when the app heard of it. `fresh`: nothing that was staged before is believed. `check`: how often the
    registry was asked again after an answer that may have come from a replica that lags; `about` is the time of the
    tag's event that it contradicted, `ended` the state in which the job's own run ended. `platforms`: of an index, only
    these images. `parent` is the sweep that requested it.
    """

    kind: Cause
    reference: Reference
    received: Moment
    event_id: str | None = None
    media_type: str | None = None
    size: int | None = None
    fresh: bool = False
    force: bool = False
    check: int = 0
    platforms: tuple[str, ...] = ()
    parent: JobId | None = None
    about: Moment | None = None
    ended: State = "done"

    @classmethod
    def of_pull(cls, reference: Reference, seed: str, *, force: bool = False, platforms: tuple[str, ...] = ()) -> Self:
        """A pull requested now; `seed` sets it apart from others of the same millisecond."""
        now = datetime.now(UTC)
        moment = from_datetime(now)
        identity = JobId.of(now, f"{seed} {reference}")
        return cls(identity, moment, "pull", reference, moment, force=force, platforms=platforms)

    @classmethod
    def of_event(
        cls,
        reference: Reference,
        event_id: str,
        at: Moment,
        media_type: str | None = None,
        size: int | None = None,
    ) -> Self:
        """The same event delivered twice makes the same job."""
        identity = JobId.of(to_datetime(at), f"{event_id} {reference}")
        received = from_datetime(datetime.now(UTC))
        return cls(identity, at, "event", reference, received, event_id, media_type, size)

    @property
    def queue(self) -> str:
        """The queue that it and its retries go through: one that a sweep requested never enters the queue of pushes."""
        return JOB_QUEUE if self.parent is None else BACKFILL_QUEUE

    def later(self, failing: tuple[Failing, ...], *, fresh: bool = False) -> Self:
        return replace(self, attempt=self.attempt + 1, failing=failing, fresh=fresh)

    def checking_again(self, digest: Digest | None = None, about: Moment | None = None, ended: State = "done") -> Self:
        """The same job, for what may have been a replica's lag: its tag is asked about once more, and so is what was
        left out of `digest`. `ended` is the state of its record by then; later checks keep the first one's."""
        return replace(
            self,
            reference=Reference(self.reference.repository, self.reference.tag, digest),
            check=self.check + 1,
            attempt=0,
            failing=(),
            fresh=False,
            about=about,
            ended=self.ended if self.check else ended,
        )

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return {
            "kind": self.kind,
            **record_of(self.reference),
            "event_id": self.event_id or "",
            "at": self.at,
            "received": self.received,
            "force": self.force,
            "platforms": list(self.platforms),
            "parent": self.parent or "",
        }

    @property
    def own_fields(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            **message_of(self.reference),
            "received": self.received,
            "eventId": self.event_id,
            "mediaType": self.media_type,
            "size": self.size,
            "fresh": self.fresh or None,
            "force": self.force or None,
            "check": self.check or None,
            "platforms": list(self.platforms) or None,
            "parent": self.parent,
            "about": self.about,
            "ended": self.ended if self.ended != "done" else None,
        }

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises ValueError, KeyError, TypeError, AttributeError or InvalidReference for
        what `to_json` never wrote."""
        if fields["kind"] not in get_args(Cause):
            raise ValueError("another kind")
        about = fields.get("about")
        if about is None and not fields.get("digest") and fields.get("check") and fields["kind"] == "event":
            # A recheck of an older version, which sent them only for a tag that contradicted the job's own event.
            about = fields["at"]
        return cls(
            **common(fields),
            kind=cast(Cause, fields["kind"]),
            reference=reference_of(fields),
            received=nine_digits(text_of(fields["received"])),
            event_id=fields.get("eventId"),
            media_type=fields.get("mediaType"),
            size=fields.get("size"),
            fresh=bool(fields.get("fresh")),
            force=bool(fields.get("force")),
            check=int(fields.get("check", 0)),
            platforms=tuple(text_of(it) for it in fields.get("platforms", ())),
            parent=JobId(fields["parent"]) if fields.get("parent") else None,
            about=nine_digits(text_of(about)) if about else None,
            ended=_state(fields.get("ended", "done")),
        )

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """From the record of a copy, as at its first attempt. Raises InvalidReference or Malformed where somebody wrote
        something odd into it."""
        fields = record.fields
        return cls(
            **first_attempt(record),
            kind=cast(Cause, fields["kind"]),
            reference=reference_of(fields),
            received=nine_digits(fields["received"] or fields["at"]),
            event_id=fields["event_id"] or None,
            force=fields["force"],
            platforms=tuple(fields["platforms"]),
            parent=JobId(fields["parent"]) if fields["parent"] else None,
        )


def _state(value: object) -> State:
    if value not in get_args(State):
        raise ValueError("a state is none")
    return cast(State, value)
