"""When everything was compared last, and which sweep is to do it next: one entity in the table of the records."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from acrmirror.errors import Conflict
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.storage import Lost, Table

PARTITION, ROW = "comparison", "everything"
_ASKED = "look when everything was compared"
ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Compared:
    """`since` is when the timer first looked; `sweep` the id of the sweep that it requested last, `asked` when that was
    due; `whole` when the last comparison of everything began that was complete."""

    since: datetime
    sweep: str | None = None
    asked: datetime | None = None
    whole: datetime | None = None
    etag: str = ""

    @property
    def last(self) -> datetime:
        """What its age counts from."""
        return self.whole or self.since


class Comparisons:
    """Thread-safe, and safe for several instances: each write is conditional. Raises Unavailable and Denied."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self) -> Compared | None:
        """None before the timer has ever looked, and no comparison was complete."""
        entity = self._table.get(PARTITION, ROW, _ASKED)
        if entity is None:
            return None
        since, asked, whole = (_time(entity.fields.get(name)) for name in ("since", "asked", "whole"))
        return Compared(since or whole or _EVER, entity.fields.get("sweep") or None, asked, whole, entity.etag)

    def begin(self, now: datetime) -> Compared:
        """What there is, or the first entry."""
        found = self.read()
        if found is None:
            self._write({"since": from_datetime(now)}, None)
            found = self.read()
        if found is None:
            raise Conflict("note when everything was compared", "its entry does not stay", "It will be tried again.")
        return found

    def ask(self, known: Compared, sweep: str, at: datetime) -> bool:
        """Notes that a sweep was requested; False if another instance noted something since `known` was read."""
        return self._write({"sweep": sweep, "asked": from_datetime(at)}, known)

    def completed(self, begun: datetime) -> None:
        """Notes that everything was compared, by a run that began then. It never goes back."""
        for _ in range(ROUNDS):
            known = self.read()
            if known is not None and known.whole is not None and known.whole >= begun:
                return
            since = {} if known is not None else {"since": from_datetime(begun)}
            if self._write(since | {"whole": from_datetime(begun)}, known):
                return
        raise Conflict("note when everything was compared", "others kept changing it", "It will be tried again.")

    def _write(self, fields: dict[str, Any], known: Compared | None) -> bool:
        version = known.etag if known is not None else None
        return not isinstance(self._table.swap(PARTITION, ROW, fields, version, _ASKED, merge=True), Lost)


_EVER = to_datetime("2000-01-01T00:00:00Z")


def _time(value: object) -> datetime | None:
    return to_datetime(value) if isinstance(value, str) and value else None
