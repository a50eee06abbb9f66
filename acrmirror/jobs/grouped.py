"""Records of jobs that one process runs beside each other: read by one query, and written by one transaction."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from acrmirror.errors import MirrorError
from acrmirror.jobs.records import JobRecords
from acrmirror.work import JobId, Record, RecordFields

FRESH_SECONDS = 1.0
"""How old what was read may be: as often a run by itself looks whether it was cancelled."""
AWAY_SECONDS = 5.0
"""For how long the table is left in peace after it failed."""
GATHER_SECONDS = 0.2
"""How long a write waits for others."""
GATHERED = 25
"""Writes that wait for no more."""


@dataclass(slots=True, eq=False)
class _Write:
    identity: str
    fields: RecordFields
    expected: Record | None
    over: bool = False
    etag: str | None = None
    failure: BaseException | None = None


class GroupedRecords:
    """What a run asks of records, for the jobs `ids` of one repository, sorted and of one hour. Thread-safe.

    Where they can't be read together, each is read by itself.
    """

    def __init__(self, records: JobRecords, repository: str, ids: Sequence[JobId]) -> None:
        self._records = records
        self._repository = repository
        self._ids = ids
        self._reading = threading.Lock()
        self._known: dict[str, Record] = {}
        self._read_at = float("-inf")
        self._away: MirrorError | None = None
        self._away_until = float("-inf")
        self._touched: dict[str, float] = {}
        """When each was written last, or found to be another than was known."""
        self._change = threading.Condition()
        self._waiting: list[_Write] = []
        self._hurried = False

    def _refresh(self) -> None:
        """Reads all of them. Where that fails, it fails for a while: none waits for what another has waited for."""
        begun = time.monotonic()
        if self._away is not None and begun < self._away_until:
            raise self._away
        try:
            self._known = self._records.together(self._repository, self._ids[0], self._ids[-1])
        except MirrorError as error:
            self._away, self._away_until = error, time.monotonic() + AWAY_SECONDS
            raise
        self._read_at = begun

    def get(self, identity: str) -> Record | None:
        """At most `FRESH_SECONDS` old, and never older than this process's own last write. Raises as `JobRecords`."""
        with self._reading:
            now = time.monotonic()
            touched = self._touched.get(identity, float("-inf"))
            if self._read_at <= touched and touched > now - FRESH_SECONDS:
                return self._records.get(identity)
            if self._read_at <= max(touched, now - FRESH_SECONDS):
                self._refresh()
            return self._known.get(identity)

    def write(self, identity: str, fields: RecordFields, expected: Record | None) -> str | None:
        """As `JobRecords.write`, together with what others write at about the same time."""
        mine = _Write(identity, fields, expected)
        with self._change:
            self._waiting.append(mine)
            if len(self._waiting) > 1:
                # Whoever came first writes for all.
                self._change.notify_all()
                self._change.wait_for(lambda: mine.over)
                some = []
            else:
                self._change.wait_for(lambda: self._hurried or len(self._waiting) >= GATHERED, GATHER_SECONDS)
                some, self._waiting = self._waiting, []
        if some:
            self._write(some)
        if mine.failure is not None:
            raise mine.failure
        return mine.etag

    def hurry(self) -> None:
        """From now on no write waits for others that may come: there will be few."""
        with self._change:
            self._hurried = True
            self._change.notify_all()

    def _write(self, some: list[_Write]) -> None:
        etags: list[str | None] = [None] * len(some)
        failure: BaseException | None = None
        try:
            etags = self._records.write_all([(it.identity, it.fields, it.expected) for it in some])
        except BaseException as error:  # noqa: BLE001  # it is raised by each who waits
            failure = error
        with self._reading:
            now = time.monotonic()
            self._touched.update((it.identity, now) for it in some)
        with self._change:
            for it, etag in zip(some, etags, strict=False):
                it.etag, it.failure, it.over = etag, failure, True
            self._change.notify_all()
