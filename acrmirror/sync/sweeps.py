"""Sweeps as people ask for them: pulls of all that patterns choose and the mirror lacks."""

import logging
from uuid import uuid4

from acrmirror.errors import MirrorError
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.records import first_record
from acrmirror.patterns import Patterns
from acrmirror.work import Record, Sweep

_log = logging.getLogger(__name__)


class Sweeps:
    """Asks for sweeps. `registry` is the host that patterns may name."""

    def __init__(self, registry: str, queue: JobQueue, records: JobRecords) -> None:
        self._registry = registry
        self._queue = queue
        self._records = records

    def ask(self, patterns: list[str], *, dry_run: bool) -> Record:
        """Raises Malformed for what is no pattern."""
        parsed = Patterns.parse(patterns, self._registry)
        return self.send(Sweep.now(parsed.texts, uuid4().hex, dry_run=dry_run))

    def send(self, sweep: Sweep) -> Record:
        """The message, then the record, which its run writes if this does not (rule W6)."""
        self._queue.send_task(sweep)
        try:
            self._records.add(sweep)
        except MirrorError as error:
            _log.warning("No record yet of %s: %s", sweep.id, error)
        return first_record(sweep)
