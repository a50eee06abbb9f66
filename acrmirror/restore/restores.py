"""Restores as people ask for them, and what became of one."""

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from acrmirror.errors import MirrorError, NotHere, WrongState
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.records import first_record
from acrmirror.moments import end_of
from acrmirror.patterns import Patterns
from acrmirror.reference import check_repository, shown
from acrmirror.restore.targets import Targets
from acrmirror.work import FINAL_STATES, Record, Restore
from acrmirror.work.ids import JobId
from acrmirror.work.restore import KIND, Into

FAILURES_SHOWN = 300

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What became of a restore: how many of its images are in each state, how many were written or were there by then,
    the bytes that were sent, and the records of those that failed or lack something, at most `FAILURES_SHOWN`."""

    record: Record
    jobs: dict[str, int] = field(default_factory=dict)
    restored: int = 0
    present: int = 0
    bytes_sent: int = 0
    failures: list[Record] = field(default_factory=list)


class Restores:
    """Asks for restores. `registry` is the host that patterns may name."""

    def __init__(self, registry: str, targets: Targets, queue: JobQueue, records: JobRecords) -> None:
        self._registry = registry
        self._targets = targets
        self._queue = queue
        self._records = records

    def request(
        self,
        patterns: list[str],
        *,
        target: str | None = None,
        at: str | None = None,
        prefix: str = "",
        overwrite: bool = False,
        dry_run: bool = False,
    ) -> Record:
        """Raises Refused for a target that settings do not name, Malformed for what is no pattern or moment, or
        InvalidReference for a prefix that is none."""
        into = Into(self._targets.named(target), check_repository(prefix) if prefix else "", overwrite)
        moment = end_of(at) if at is not None else None
        parsed = Patterns.parse(patterns, self._registry)
        restore = Restore.now(parsed.texts, into, uuid4().hex, moment=moment, dry_run=dry_run)
        self._queue.send_task(restore)
        _log.info("Enqueued %s: restore %s into %s", restore.id, " ".join(parsed.texts), into.target)
        try:
            self._records.add(restore)
        except MirrorError as error:
            # The message is on its way, and its run writes the record (rule W6).
            _log.warning("No record yet of %s: %s", restore.id, error)
        return first_record(restore)

    def report(self, identity: str) -> Report:
        """Raises NotHere."""
        record = self._records.get(identity) if JobId.is_one(identity) else None
        if record is None or record.fields["kind"] != KIND:
            raise NotHere(
                f"look for the restore {shown(identity)}",
                "there is no record of it",
                "List the jobs: GET /api/v1/pulls.",
            )
        report = Report(record)
        images: dict[tuple[str, str, str], Record] = {}
        for child in self._children(identity):
            report.bytes_sent += child.fields["bytes_written"]
            image = (child.fields["repository"], child.fields["tag"], child.fields["digest"])
            images[image] = max(images.get(image, child), child, key=_telling)
        for child in images.values():
            state, outcome = child.state, child.fields["outcome"]
            report.jobs[state] = report.jobs.get(state, 0) + 1
            report.restored += outcome == "restored"
            report.present += outcome == "present"
            if state in ("failed", "incomplete", "cancelled") and len(report.failures) < FAILURES_SHOWN:
                report.failures.append(child)
        return report

    def cancel(self, identity: str, cancel: Callable[[str], Record]) -> Record:
        """Cancels a restore and each image of it that has not ended. `cancel` cancels one job. Raises NotHere; and
        WrongState where all has ended."""
        record = self.report(identity).record
        refused: WrongState | None = None
        try:
            # First, so that it requests no more of them; an image that it is about to request looks at this itself.
            record = cancel(identity)
        except WrongState as error:
            refused = error
        left = [it for it in self._children(identity) if it.state not in FINAL_STATES]
        if refused is not None and not left:
            raise refused
        for child in left:
            with suppress(WrongState):
                # It ended meanwhile.
                cancel(child.id)
        return record

    def _children(self, identity: str) -> Iterator[Record]:
        return self._records.children(identity, REPORTED)


def _telling(record: Record) -> tuple[bool, bool, str]:
    """Of several jobs of one image, as a restore that was sent again has, the one counts that says most of it."""
    return record.state == "done", record.state not in FINAL_STATES, record.last_sign


REPORTED = ["PartitionKey", "RowKey", "state", "heartbeat", "received", "kind", "repository", "tag", "digest"]
REPORTED += ["parent", "outcome", "bytes_written", "error_code", "error_asked", "error_answered", "error_remedy"]
