"""Where audits are kept: their progress and reports in the container, and what is known of the last in the table.

The table has the digest of the newest report: with the container alone in hand, nobody can take that away unseen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from acrmirror.errors import Conflict, Damaged, InvalidReference, Malformed
from acrmirror.mirror.layout import Layout
from acrmirror.moments import Moment, from_datetime, to_datetime
from acrmirror.proof.progress import Progress
from acrmirror.proof.report import REPORT_LIMIT, Link, Report
from acrmirror.reference import Digest
from acrmirror.storage import Container, Lost, Table
from acrmirror.work import JobId

PARTITION, ROW = "audit", "everything"
PROGRESS_LIMIT = REPORT_LIMIT
_ASKED = "look when the mirror was audited"
ROUNDS = 8


class Overtaken(Exception):
    """Another run of the same audit wrote its progress meanwhile: this one has nothing more to say."""


@dataclass(frozen=True, slots=True)
class Known:
    """`since` is when the timer first looked; `audit` the audit that was requested last, `asked` when, and `sent` when
    its message was last sent once more; `last` the newest report, `begun` since when that covers the mirror, `left` how
    many faults it names or counts that were not mended, `finished` when it was written."""

    since: datetime
    audit: JobId | None = None
    asked: datetime | None = None
    last: Link | None = None
    begun: datetime | None = None
    finished: datetime | None = None
    left: int = 0
    etag: str = ""
    sent: datetime | None = None


class Ledger:
    """Thread-safe, and safe for several instances: each write is conditional."""

    def __init__(self, container: Container, layout: Layout, table: Table) -> None:
        self._container = container
        self._layout = layout
        self._table = table

    # progress

    def progress(self, identity: str) -> tuple[Progress, str] | None:
        """How far an audit is, and the ETag of what says so."""
        found = self._container.get(self._layout.audit_progress(identity), PROGRESS_LIMIT, f"read audit {identity}")
        return (Progress.read(found.body or b""), found.head.etag) if found is not None else None

    def begin(self, progress: Progress) -> str:
        """The first entry of an audit, unless it is there; its ETag. Raises Conflict where it does not stay."""
        name, asked = self._layout.audit_progress(progress.id), f"note the audit {progress.id}"
        outcome = self._container.swap(name, progress.to_json(), None, asked)
        if not isinstance(outcome, Lost):
            return outcome.etag
        found = self.progress(progress.id)
        if found is None:
            raise Conflict(asked, "its entry does not stay", "It will be tried again.")
        return found[1]

    def save(self, progress: Progress, etag: str) -> str:
        """Puts `progress` in place of what `etag` names; the new ETag. Raises Overtaken if that was changed."""
        name, raw = self._layout.audit_progress(progress.id), progress.to_json()
        outcome = self._container.swap(name, raw, etag, f"note how far audit {progress.id} is")
        if not isinstance(outcome, Lost):
            return outcome.etag
        # An answer that was lost makes the client send the same once more.
        found = self._container.get(name, PROGRESS_LIMIT, f"read audit {progress.id}")
        if found is None or found.body != raw:
            raise Overtaken
        return found.head.etag

    def cancel(self, seen: Progress, at: Moment) -> Progress | None:
        """Ends an audit that was last `seen` so, or that has not begun; None if it has gone on since."""
        found = self.progress(seen.id)
        if found is None:
            # A first slice that begins now finds this.
            self.begin(seen.cancelled(at))
            found = self.progress(seen.id)
            return found[0] if found is not None and found[0].state == "cancelled" else None
        progress, etag = found
        if progress.over or progress.phase == "reporting":
            return None
        ended = progress.cancelled(at)
        try:
            self.save(ended, etag)
        except Overtaken:
            return None
        return ended

    def audits(self) -> Iterator[str]:
        """Ids of all audits, newest first."""
        folder = self._layout.audit_progress()
        for item in self._container.list(folder, "list the audits"):
            identity = item.name.removeprefix(folder)
            if JobId.is_one(identity):
                yield identity

    # reports

    def report(self, identity: str) -> Report | None:
        """Raises Malformed where it is none any more."""
        found = self._container.get(
            self._layout.audit_report(identity), REPORT_LIMIT, f"read the report of audit {identity}"
        )
        return Report.read(found.body or b"") if found is not None else None

    def publish(self, progress: Progress, registry: str, now: datetime) -> Report:
        """Writes the report, once, then notes it in the table. Whoever is killed between does it again."""
        known = self.read() or Known(now)
        if known.last is not None and known.last.id == progress.id:
            return self._reread(progress.id)
        report = Report.of(progress, registry, from_datetime(now), known.last)
        name, asked = self._layout.audit_report(progress.id), f"write the report of audit {progress.id}"
        if isinstance(self._container.swap(name, report.raw, None, asked), Lost):
            report = self._reread(progress.id)
        self._note(report)
        return report

    def _reread(self, identity: JobId) -> Report:
        report = self.report(identity)
        if report is None:
            raise Damaged(f"read the report of audit {identity}", "it was removed", "Request a new audit.")
        return report

    def _note(self, report: Report) -> None:
        for _ in range(ROUNDS):
            known = self.read()
            if known is not None and known.finished is not None and known.finished >= to_datetime(report.finished):
                return
            since = {} if known is not None else {"since": report.begun}
            fields = {
                "report": report.id,
                "digest": str(report.digest),
                "begun": report.begun,
                "finished": report.finished,
                "left": len(report.left) + report.more_faults,
            }
            if self._write(since | fields, known):
                return
        raise Conflict(_ASKED, "others kept changing it", "It will be tried again.")

    def chain(self) -> list[str]:
        """What is wrong with the reports: empty if each is there and as it was written, from the newest, whose digest
        the table has, to the first."""
        known = self.read()
        folder = self._layout.audit_report()
        kept = {it.name.removeprefix(folder) for it in self._container.list(folder, "list the reports of audits")}
        link = known.last if known is not None else None
        if link is None:
            return ["there are reports, and the table names none as the newest"] if kept else []
        wrong: list[str] = []
        seen: set[str] = set()
        while link is not None and link.id not in seen:
            seen.add(link.id)
            try:
                report = self.report(link.id)
            except (Malformed, InvalidReference):
                report = None
                if link.id in kept:
                    wrong.append(f"the report {link.id} was changed: it can not be read, nor what came before it")
                    break
            if report is None:
                wrong.append(f"the report {link.id} was removed, and what came before it is not known")
                break
            if report.digest != link.digest:
                wrong.append(f"the report {link.id} was changed: its digest is not the one that was noted")
            link = report.before
        wrong += [f"the report {it} is in no chain" for it in sorted(kept - seen)]
        return wrong

    # what the table has

    def read(self, within: float | None = None) -> Known | None:
        """None before anything was requested; `within` as of `Table`."""
        entity = self._table.get(PARTITION, ROW, _ASKED, within=within)
        if entity is None:
            return None
        fields = entity.fields
        asked, begun, finished, sent = (_time(fields.get(name)) for name in ("asked", "begun", "finished", "sent"))
        audit, report = fields.get("audit") or "", fields.get("report") or ""
        last = Link(JobId(report), Digest.parse(str(fields.get("digest")))) if report else None
        since = _time(fields.get("since")) or asked or finished or _EVER
        left = int(fields.get("left") or 0)
        return Known(since, JobId(audit) if audit else None, asked, last, begun, finished, left, entity.etag, sent)

    def start(self, now: datetime) -> Known:
        """What there is, or the first entry."""
        found = self.read()
        if found is None:
            self._write({"since": from_datetime(now)}, None)
            found = self.read()
        if found is None:
            raise Conflict(_ASKED, "its entry does not stay", "It will be tried again.")
        return found

    def ask(self, known: Known, audit: JobId, at: Moment) -> bool:
        """Notes that an audit was requested; False if another instance noted something since `known` was read."""
        return self._write({"audit": audit, "asked": at, "sent": ""}, known)

    def note_sent(self, known: Known, now: datetime) -> None:
        """That the message of the audit was sent once more, unless another instance noted something meanwhile."""
        self._write({"sent": from_datetime(now)}, known)

    def _write(self, fields: dict[str, Any], known: Known | None) -> bool:
        version = known.etag if known is not None else None
        return not isinstance(self._table.swap(PARTITION, ROW, fields, version, _ASKED, merge=True), Lost)


def told(progress: Progress, at: datetime, run: str) -> Progress:
    """As `run` writes it at that time."""
    return replace(progress, updated=from_datetime(at), run=run)


_EVER = to_datetime("2000-01-01T00:00:00Z")


def _time(value: object) -> datetime | None:
    return to_datetime(value) if isinstance(value, str) and value else None
