"""Job records in Table Storage: what was requested and how far it is.

The records say how things went; the mirror itself never depends on them.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from acrmirror.errors import Cancelled, Conflict, MirrorError
from acrmirror.jobs.properties import fields_of, fitting
from acrmirror.moments import from_datetime
from acrmirror.storage import Change, Entity, Lost, Table, TokenCredential
from acrmirror.work.ids import DAY_DIGITS, JobId
from acrmirror.work.record import Record, RecordFields, complete
from acrmirror.work.state import FINAL_STATES, UNFINISHED_STATES
from acrmirror.work.task import Task

WRITE_ROUNDS = 8
TOGETHER = 50
"""Records that one transaction writes: storage takes 100, and 4 MiB."""
KEYS = ["PartitionKey", "RowKey"]
RUN_FIELDS = [*KEYS, "state", "run", "started", "first_started", "deliveries", "attempt", "check", "retries"]
RUN_FIELDS += ["cancel_requested", "heartbeat", "received"]
UNFINISHED_FIELDS = ["PartitionKey", "RowKey", "state", "kind", "repository", "tag", "digest", "platforms", "parent"]
UNFINISHED_FIELDS += ["heartbeat", "received", "next_attempt"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Requested:
    """What a sweep requested: how many jobs are in each state, and bytes of those that have begun."""

    states: dict[str, int] = field(default_factory=dict)
    bytes_done: int = 0
    bytes_total: int = 0

    def add(self, record: Record) -> None:
        self.states[record.state] = self.states.get(record.state, 0) + 1
        self.bytes_done += record.fields["bytes_done"]
        self.bytes_total += record.fields["bytes_total"]


class JobRecords:
    """The table of records, newest first by their ids."""

    def __init__(self, table: Table) -> None:
        self.table = table

    @classmethod
    def open(
        cls, endpoint: str, table: str, credential: TokenCredential, trust_bundle: Path | None = None
    ) -> "JobRecords":
        """`endpoint` is the table service's URL. The table is made by the deployment."""
        return cls(Table.open(endpoint, table, credential, trust_bundle=trust_bundle))

    def close(self) -> None:
        self.table.close()

    def add(self, job: Task) -> bool:
        """Writes the record of a job that was just enqueued; False if it is there already."""
        return self.write(job.id, first_fields(job), None) is not None

    def get(self, identity: str) -> Record | None:
        found = self.table.get(_partition(identity), identity, f"read the record {identity}")
        return _record(found) if found is not None else None

    def newest(
        self, *, state: str | None = None, repository: str | None = None, after: str | None = None
    ) -> Iterator[Record]:
        """All records, newest first, read page by page as they are requested; `after` is the id of one: those older."""
        return self.where({"state": state, "repository": repository}, after)

    def where(self, equal: Mapping[str, str | None], after: str | None = None) -> Iterator[Record]:
        """As `newest`, those whose properties are equal to these; None is any. The names are the app's own."""
        where = ["PartitionKey ge @first and PartitionKey lt 'job.'"]
        parameters = {"first": _partition(after) if after is not None else "job-"}
        if after is not None:
            where.append("RowKey gt @after")
            parameters["after"] = after
        for name, value in equal.items():
            if value is not None:
                where.append(f"{name} eq @{name}")
                parameters[name] = value
        for entity in self.table.query(" and ".join(where), parameters, "list the records"):
            yield _record(entity)

    def write_all(self, changes: Sequence[tuple[str, RecordFields, Record | None]]) -> list[str | None]:
        """As `write`, of several records. Those of one day go in one transaction, 50 at once; where that is refused,
        since one of them has changed, each goes by itself."""
        etags: list[str | None] = []
        for start in range(0, len(changes), TOGETHER):
            some = changes[start : start + TOGETHER]
            partitions = {_partition(identity) for identity, _, _ in some}
            written: Sequence[str | None] | None = None
            if len(some) > 1 and len(partitions) == 1:
                written = self.table.swap_all(
                    partitions.pop(),
                    [Change(str(it), fitting(fields), known.etag if known else None) for it, fields, known in some],
                    f"write {len(some)} records",
                )
            etags += written if written is not None else [self.write(*it) for it in some]
        return etags

    def together(self, repository: str, first: str, last: str) -> dict[str, Record]:
        """The records of a repository's jobs whose ids, of one hour, are from `first` to `last`, with the properties
        that say who is at it."""
        where = "PartitionKey eq @partition and RowKey ge @first and RowKey le @last and repository eq @repository"
        parameters = {"partition": _partition(first), "first": first, "last": last, "repository": repository}
        asked = f"read the records of copies of {repository}"
        found = map(_record, self.table.query(where, parameters, asked, select=RUN_FIELDS))
        return {str(it.id): it for it in found}

    def of_hour(self, identity: JobId) -> Iterator[Record]:
        """The jobs that sweeps of the same hour have requested, with the properties that say what became of them."""
        where = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last and parent gt ''"
        hour = identity.hour
        parameters = {"partition": _partition(hour), "first": f"{hour}-", "last": f"{hour}."}
        select = [*KEYS, "state", "parent"]
        yield from map(_record, self.table.query(where, parameters, "look for what was requested", select=select))

    def states_of_children(self, identity: str) -> dict[str, int]:
        """How many of the jobs that a sweep requested are in each state."""
        return self.so_far(identity).states

    def so_far(self, identity: str) -> Requested:
        """How far what a sweep requested is. The ids of its jobs begin with the hour of the sweep, or in an older
        version with its millisecond."""
        found = Requested()
        where = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last and parent eq @parent"
        select = ["PartitionKey", "RowKey", "state", "heartbeat", "bytes_done", "bytes_total"]
        for moment in sorted({JobId(identity).hour, JobId(identity).moment}):
            parameters = {
                "partition": _partition(moment),
                "first": f"{moment}-",
                "last": f"{moment}.",
                "parent": identity,
            }
            for entity in self.table.query(where, parameters, f"count what {identity} requested", select=select):
                found.add(_record(entity))
        return found

    def children(self, identity: str, select: list[str]) -> Iterator[Record]:
        """The jobs that a task of many requested, with the properties that are selected."""
        moment = JobId(identity).hour
        where = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last and parent eq @parent"
        parameters = {"partition": _partition(moment), "first": f"{moment}-", "last": f"{moment}.", "parent": identity}
        for entity in self.table.query(where, parameters, f"list what {identity} requested", select=select):
            yield _record(entity)

    def unfinished(self, since: datetime) -> Iterator[Record]:
        """Records of jobs requested since then that have not ended, with the properties that say what they copy and
        when they were last heard of. It reads what it passes over, too: about a day's records share a partition."""
        states = " or ".join(f"state eq '{state}'" for state in UNFINISHED_STATES)
        where = f"PartitionKey ge 'job-' and PartitionKey le @oldest and ({states})"
        parameters = {"oldest": _partition(JobId.of(since, ""))}
        for entity in self.table.query(where, parameters, "look for jobs under way", select=UNFINISHED_FIELDS):
            yield _record(entity)

    def since(self, moment: datetime, select: list[str]) -> Iterator[Record]:
        """Records of jobs requested since then, newest first, with the properties that are selected."""
        oldest = JobId.of(moment, "")
        where = "PartitionKey ge 'job-' and PartitionKey le @partition and RowKey le @oldest"
        parameters = {"partition": _partition(oldest), "oldest": f"{oldest.moment}."}
        for entity in self.table.query(where, parameters, "look what was requested lately", select=select):
            yield _record(entity)

    def change(
        self,
        identity: str,
        fields: RecordFields,
        *,
        unless_final: bool = False,
        if_cancelled: RecordFields | None = None,
        retries: int = 0,
    ) -> Record | None:
        """Merges `fields` into a record, whoever else writes it; makes it if it is missing. `if_cancelled` are merged
        over them where a person has asked to cancel the job (rule W3).

        With `unless_final`, a record in a final state stays as it is, and so does one that a person has sent again
        since (`retries` is how often by then): what it said before that counts for nothing. Returns the record as it
        is then.
        """
        for _ in range(WRITE_ROUNDS):
            current = self.get(identity)
            known = current if current is not None and current.retries >= retries else None
            sent_again = known is not None and known.retries > retries
            if known is not None and unless_final and (sent_again or known.fields["state"] in FINAL_STATES):
                return known
            cancelled = known is not None and known.fields["cancel_requested"]
            anew: RecordFields = AGAIN if current is not None and known is None else {}
            if self.write(identity, anew | fields | (if_cancelled or {}) if cancelled else anew | fields, current):
                return self.get(identity)
        raise Conflict(f"write the record {identity}", "other writers kept changing it", "It will be tried again.")

    def write(self, identity: str, fields: RecordFields, expected: Record | None) -> str | None:
        """One conditional write: the new ETag, or None if the record is not `expected` any more. Text that no property
        takes is cut."""
        version = expected.etag if expected is not None else None
        asked = f"write the record {identity}"
        outcome = self.table.swap(_partition(identity), identity, fitting(fields), version, asked, merge=True)
        return None if isinstance(outcome, Lost) else outcome.etag


def first_fields(task: Task) -> RecordFields:
    """What the record of a task has when it is first written."""
    return task.asked | {"state": "queued", "retries": task.retries, "heartbeat": _now()}


def first_record(task: Task) -> Record:
    """The record of a task that was just enqueued, as it is first written."""
    return Record(task.id, complete(first_fields(task)))


def error_fields(error: MirrorError | None) -> RecordFields:
    """An error as a record has it; empty fields where there is none, since a merge keeps what it does not name."""
    return {
        "error_code": error.code if error else "",
        "error_asked": error.asked if error else "",
        "error_answered": error.answered if error else "",
        "error_remedy": error.remedy if error else "",
    }


AGAIN: RecordFields = error_fields(None) | {"cancel_requested": False, "finished": "", "next_attempt": "", "run": ""}
"""What a record says anew of a job that a person has sent again."""
CANCELLED: RecordFields = error_fields(
    Cancelled("run a job", "a person cancelled it", "Request it again, or retry it: what is staged is reused.")
) | {"state": "cancelled", "next_attempt": ""}
"""What a record says of a job that a person has cancelled, whatever it came to (rule W3)."""


def _partition(identity: str) -> str:
    """About a day's jobs share one, and partitions sort newest first as ids do."""
    return f"job-{identity[:DAY_DIGITS]}"


def _record(entity: Entity) -> Record:
    return Record(JobId(entity.row), fields_of(entity.fields), entity.etag)


def _now() -> str:
    return from_datetime(datetime.now(UTC))
