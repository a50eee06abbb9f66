"""Events that were refused: one entity in the records' table, so that any instance's health check sees them."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from acrmirror.errors import Conflict, MirrorError
from acrmirror.jobs.properties import cut, fitting
from acrmirror.moments import Moment, from_datetime, to_datetime
from acrmirror.storage import Lost, Table

PARTITION, ROW = "events", "refused"
KEPT = 20
"""The newest are kept. So many fit into one property of an entity, unless much in them has to be escaped; then the
oldest of them are left to the log."""
PART_LIMIT = 400
"""UTF-16 code units of each part of an error, as the table service counts."""
KEPT_FOR = timedelta(hours=24)
"""As long as Event Grid goes on delivering an event that is answered with an error; then it is a dead letter."""
WRITE_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event, and why it was refused last; `times` so far, at `first` and `last`."""

    event: str
    code: str
    asked: str
    answered: str
    remedy: str
    first: Moment
    last: Moment
    times: int = 1


class Refusals:
    """The newest refused events, the last one first. Thread-safe."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, event: str, error: MirrorError) -> None:
        """Writes down that `event` (its id) was refused. Raises Unavailable, Denied or Conflict."""
        now = from_datetime(datetime.now(UTC))
        asked, answered, remedy = (cut(it, PART_LIMIT) for it in (error.asked, error.answered, error.remedy))
        new = Refusal(event, error.code, asked, answered, remedy, now, now)
        self._change(lambda known: [_again(new, known), *(it for it in known if it.event != event)][:KEPT])

    def settle(self, event: str) -> None:
        """Forgets an event that came again and was taken. Raises as `add` does."""
        self._change(lambda known: [it for it in known if it.event != event])

    def recent(self) -> list[Refusal]:
        """Those that Event Grid may still deliver again. Raises Unavailable or Denied."""
        return self._read()[0]

    def _change(self, change: Callable[[list[Refusal]], list[Refusal]]) -> None:
        for _ in range(WRITE_ROUNDS):
            known, etag = self._read()
            changed = change(known)
            if changed == known or self._write(changed, etag):
                return
        raise Conflict("write down a refused event", "other writers kept changing the list", "The log has it.")

    def _read(self) -> tuple[list[Refusal], str | None]:
        entity = self._table.get(PARTITION, ROW, "read the list of refused events")
        if entity is None:
            return [], None
        known = [Refusal(**it) for it in json.loads(str(entity.fields.get("events") or "[]"))]
        oldest = datetime.now(UTC) - KEPT_FOR
        return [it for it in known if to_datetime(it.first) > oldest], entity.etag

    def _write(self, refused: list[Refusal], etag: str | None) -> bool:
        """One conditional write of as many of the first as fit; False if another was faster."""
        fields = fitting({"events": [asdict(it) for it in refused]})
        outcome = self._table.swap(PARTITION, ROW, fields, etag, "write the list of refused events")
        return not isinstance(outcome, Lost)


def _again(new: Refusal, known: list[Refusal]) -> Refusal:
    for it in known:
        if it.event == new.event:
            return replace(new, first=it.first, times=it.times + 1)
    return new
