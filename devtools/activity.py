"""What happens on a running stack: events that the registry raised, and the jobs they became, as they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, Self

from azure.data.tables import TableClient

from acrmirror.jobs import JobRecords
from acrmirror.moments import to_datetime
from acrmirror.storage import Table
from acrmirror.work import FINAL_STATES, Record, RecordFields, State
from standins.foundation import STORAGE_AUDIENCE
from standins.stack import Stack

# Jobs that are looked at each time; one that is older than so many others is not followed any more.
NEWEST = 200
UNDELIVERED = {"held": "is held back", "waiting": "will be delivered again", "dead": "was given up"}
ENDED = ("delivered", "unsubscribed", "dead")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `mark` says of what kind it is: event, work, good, bad."""

    at: datetime
    mark: str
    what: str
    about: str
    said: str

    def __str__(self) -> str:
        clock = self.at.astimezone().strftime("%H:%M:%S")
        return f"{clock}  {self.what:<8}  {self.about}  {self.said}".rstrip()


class Activity:
    """Asked again and again, tells what is new since the last time."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        table = stack.ready()["records_table"]
        client = TableClient(stack.table_endpoint, table, audience=STORAGE_AUDIENCE, **stack.account.client_options)
        self._records = JobRecords(Table(client))
        self._changes = 0
        self._events: dict[str, str] = {}
        self._jobs: dict[str, tuple[object, ...]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._records.close()

    def records(self, repository: str) -> list[Record]:
        """The jobs for that repository, newest first."""
        return list(self._records.newest(repository=repository))

    def news(self) -> list[Line]:
        """Oldest first."""
        return sorted([*self._event_news(), *self._job_news()], key=lambda line: line.at)

    def _event_news(self) -> Iterator[Line]:
        for delivery in self._stack.registry.events(since=self._changes):
            self._changes = max(self._changes, delivery["changed"])
            trouble = _trouble(delivery)
            told = self._events.pop(delivery["delivery"], None)
            if delivery["state"] not in ENDED:
                self._events[delivery["delivery"]] = trouble
            if told == trouble:
                continue
            event = delivery["event"]
            target = event["data"].get("target", {})
            about = _named(str(target.get("repository")), target.get("tag"), target.get("digest"))
            kind = str(event["eventType"]).rpartition(".")[2]
            mark = "bad" if trouble else "event"
            yield Line(to_datetime(event["eventTime"]), mark, "event", about, f"{kind} {trouble}".rstrip())

    def _job_news(self) -> Iterator[Line]:
        before, self._jobs = self._jobs, {}
        for record in islice(self._records.newest(), NEWEST):
            fields = record.fields
            seen = self._jobs[record.id] = (record.state, fields["bytes_done"], fields["attempt"])
            if before.get(record.id) != seen:
                yield job_line(record)


def _trouble(delivery: Mapping[str, Any]) -> str:
    """What keeps an event from arriving; nothing for one that arrived, or is on its way for the first time."""
    state, attempts = str(delivery["state"]), delivery["attempts"]
    if state not in UNDELIVERED or (state == "waiting" and not attempts):
        return ""
    answered = f" (answered {attempts[-1]['status'] or attempts[-1]['outcome']})" if attempts else ""
    return UNDELIVERED[state] + answered


def job_line(record: Record) -> Line:
    """A record in one line."""
    fields = record.fields
    state = record.state
    about = _about(fields)
    moment = fields["finished"] if state in FINAL_STATES else record.last_sign
    mark = {"done": "good", "failed": "bad", "interrupted": "bad", "waiting": "bad"}.get(state, "work")
    return Line(to_datetime(moment or fields["received"]), mark, state, about, _said(state, fields))


def _about(fields: RecordFields) -> str:
    """The image of a job, or the patterns of a sweep."""
    if fields["patterns"]:
        return " ".join(fields["patterns"])
    return _named(fields["repository"], fields["tag"], fields["digest"])


def size(count: float) -> str:
    """Bytes for a person: 999 B, 1.0 kB, 12.3 MB."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def seconds_between(earlier: str, later: str) -> float:
    """Of two moments as records have them."""
    return (to_datetime(later) - to_datetime(earlier)).total_seconds()


def _said(state: State, fields: RecordFields) -> str:
    if state in ("failed", "gone", "waiting") and fields["error_answered"]:
        return f"{fields['error_asked']}: {fields['error_answered']}. {fields['error_remedy']}"
    if state == "done" and fields["patterns"]:
        return f"compared with the registry, {fields['match_requested']} images requested"
    if state == "done":
        told = [f"{fields['layers_total']} layers and configs, {size(fields['bytes_written'])} written"]
        if skipped := fields["layers_skipped"]:
            told.append(f"{skipped} known already")
        told.append(f"{seconds_between(fields['at'], fields['finished']):.1f} s after the push")
        return ", ".join([*told, *fields["notes"]])
    if state == "running" and fields["bytes_total"]:
        return f"{size(fields['bytes_done'])} of {size(fields['bytes_total'])}"
    return ""


def _named(repository: str, tag: object, digest: object) -> str:
    short = f"@{str(digest)[:19]}" if digest else ""
    return f"{repository}:{tag}" if tag else f"{repository}{short}"
