"""How a run that only asks the registry again writes into the record of a job that has ended."""

from collections.abc import Callable
from typing import Literal, cast, get_args

from acrmirror.errors import Conflict
from acrmirror.jobs.recorder import Recorder, RunRecords
from acrmirror.jobs.records import WRITE_ROUNDS
from acrmirror.work import FINAL_STATES, Copy, Record, RecordFields

Outcome = Literal[
    "state", "finished", "next_attempt", "notes", "error_code", "error_asked", "error_answered", "error_remedy"
]
"""What a record has of a check, each with `check_` before its name."""


class CheckRecorder(Recorder):
    """The pen of a check. What the job itself came to stays as it is (rule L11): a tag that is gone by now, or a
    registry that is away, says nothing about the push that was mirrored. Nor can a check be cancelled.

    Where the job had not mirrored its image, and the check finds it in the mirror (`mirrored_digest`), the record says
    what the check came to: it must not say `gone` of an image that is there."""

    def __init__(self, records: RunRecords, job: Copy, run: str, deliveries: int) -> None:
        super().__init__(records, job, run, deliveries)
        self._ended = job.ended

    def open(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Writes nothing. Superseded if a person has sent the job again since. Raises Unavailable."""
        current = self._records.get(self._job.id)
        self.superseded = current is not None and current.retries > self._job.retries
        self._opened = True

    def write(
        self,
        fields: RecordFields,
        *,
        if_cancelled: RecordFields | None = None,  # noqa: ARG002
        told: Callable[[RecordFields], RecordFields] = lambda fields: fields,
    ) -> None:
        """Writes what the check has come to, and nothing of how far it is. Raises Unavailable or Conflict."""
        fields = told(fields)
        facts = facts_of_check(fields)
        for _ in range(WRITE_ROUNDS):
            if not self._opened:
                self.begin()
            if self.superseded or not facts:
                return
            current = self._records.get(self._job.id)
            if current is not None and current.retries > self._job.retries:
                self.superseded = True
                return
            # Somebody may have deleted the record since.
            known: RecordFields = {} if current is not None else self._job.asked | {"state": self._ended}
            known = known | facts | made_good(fields, current) | {"check": self._job.check}
            if self._records.write(self._job.id, known, current) is not None:
                return
        raise Conflict(f"write the record {self._job.id}", "other writers kept changing it", "It will be tried again.")

    def look(self) -> None:
        """There is nothing that others could ask of it."""


def made_good(fields: RecordFields, current: Record | None) -> RecordFields:
    """What becomes of the record itself, by a check that ended with the job's own image in the mirror. Nothing, where
    the job was done, or is not over (its event came again): then its own run tells."""
    if not fields.get("mirrored_digest") or fields.get("state") not in FINAL_STATES:
        return {}
    if current is not None and current.state not in FINAL_STATES - {"done"}:
        return {}
    names = ("state", "finished", "mirrored_digest", "error_code", "error_asked", "error_answered", "error_remedy")
    told = cast(RecordFields, {name: value for name, value in fields.items() if name in names})
    return told | {"missing": False, "next_attempt": ""}


def facts_of_check(fields: RecordFields) -> RecordFields:
    """What a record has of a run that only asked again and came to `fields`."""
    told = {f"check_{name}": value for name, value in fields.items() if name in get_args(Outcome)}
    facts = cast(RecordFields, told)
    if fields.get("tagged_digest"):
        facts["tagged_digest"] = fields["tagged_digest"]
    if fields.get("state") == "done" and "left_out" in fields:
        facts["left_out"] = fields["left_out"]
    return facts
