"""Rebuilds of tags from history: requested by a person, run as a task, tag by tag."""

import logging
import threading
from uuid import uuid4

from acrmirror.cancel import Cancel
from acrmirror.errors import Cancelled, Incomplete, MirrorError, NotHere, Throttled, Unavailable
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.records import first_record
from acrmirror.jobs.task_runner import TaskRunner
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.rebuilding import Rebuilt, rebuild_tag
from acrmirror.patterns import Patterns
from acrmirror.reference import shown
from acrmirror.retrying import RetryPolicy
from acrmirror.telemetry import Telemetry
from acrmirror.threads import Threads
from acrmirror.work import JobId, Rebuild, Record, RecordFields
from acrmirror.work.rebuild import KIND

THREADS = 8
SHOWN = 200
"""Tags that a record names, of each kind."""
PROBLEMS_TOLD = 5

_log = logging.getLogger(__name__)


class Rebuilds:
    """Requests rebuilds. `registry` is the host that patterns may name."""

    def __init__(self, registry: str, queue: JobQueue, records: JobRecords) -> None:
        self._registry = registry
        self._queue = queue
        self._records = records

    def request(self, patterns: list[str], *, dry_run: bool, overwrite: bool) -> Record:
        """Raises Malformed for what is no pattern. The message, then the record (rule W6)."""
        parsed = Patterns.parse(patterns, self._registry)
        task = Rebuild.now(parsed.texts, uuid4().hex, dry_run=dry_run, overwrite=overwrite)
        self._queue.send_task(task)
        try:
            self._records.add(task)
        except MirrorError as error:
            _log.warning("No record yet of %s: %s", task.id, error)
        return first_record(task)

    def get(self, identity: str) -> Record:
        """Raises NotHere."""
        record = self._records.get(identity) if JobId.is_one(identity) else None
        if record is None or record.fields["kind"] != KIND:
            raise NotHere(
                f"look for the rebuild {shown(identity)}",
                "there is no record of it",
                "Request it: POST /api/v1/rebuilds.",
            )
        return record


class Rebuilding:
    """One run: each tag that the patterns choose, and history has. A tag that is right by now is left alone, so that
    a run that was killed goes on."""

    def __init__(self, task: Rebuild, patterns: Patterns, store: MirrorStore, cancel: Cancel) -> None:
        self._task = task
        self._patterns = patterns
        self._store = store
        self._cancel = cancel
        self._lock = threading.Lock()
        self._looked_at = 0
        self._set: dict[str, str] = {}
        self._set_count = 0
        self._notes: list[str] = []
        self._problems: list[str] = []

    def run(self) -> None:
        """Raises Cancelled, Throttled, Unavailable; and Incomplete in the end, if not all could be read (rule W8)."""
        with Threads(THREADS, "rebuild", self._cancel.bind) as pool:
            for repository in self._store.listing.repositories():
                if not self._patterns.may_match(repository):
                    continue
                self._cancel.check()
                tags = (it for it in self._store.history.tags(repository) if self._patterns.matches(repository, it))
                list(pool.map(lambda tag, where=repository: self._rebuild(where, tag), tags))
        if self._problems:
            told = "; ".join(self._problems[:PROBLEMS_TOLD])
            more = len(self._problems) - PROBLEMS_TOLD
            raise Incomplete(
                "rebuild tags from history",
                f"{told}; and {more} more, which its notes name" if more > 0 else told,
                "The other tags are rebuilt. Mend what is named, and request it again.",
            )

    def _rebuild(self, repository: str, tag: str) -> None:
        task, name = self._task, f"{repository}:{tag}"
        try:
            found = rebuild_tag(self._store, repository, tag, overwrite=task.overwrite, dry_run=task.dry_run)
        except (Cancelled, Throttled, Unavailable):
            raise
        except MirrorError as error:
            with self._lock:
                self._looked_at += 1
                self._problems.append(f"{name}: {error.answered}")
            return
        with self._lock:
            self._looked_at += 1
            self._count(name, found)

    def _count(self, name: str, found: Rebuilt | None) -> None:
        if found is None:
            self._problems.append(f"{name}: the mirror has nothing that history has of it")
        elif found.set:
            self._set_count += 1
            if len(self._set) < SHOWN:
                self._set[name] = f"{found.digest} ({found.finding})"
        elif found.finding != "right" and len(self._notes) < SHOWN:
            why = "a job has set it meanwhile" if found.finding == "moved" else f"history has it at {found.digest}"
            self._notes.append(f"{name}: left as it is; {why}")

    def figures(self) -> RecordFields:
        with self._lock:
            return {
                "rebuild_looked_at": self._looked_at,
                "rebuild_set": self._set_count,
                "rebuilt": dict(self._set),
                "notes": [*self._problems[:SHOWN], *self._notes],
            }

    def tell(self) -> str:
        return f"{self._set_count} of {self._looked_at} tags {'would be ' if self._task.dry_run else ''}set"


class RebuildRunner(TaskRunner[Rebuild]):
    """Thread-safe."""

    def __init__(
        self,
        registry: str,
        store: MirrorStore,
        queue: JobQueue,
        records: JobRecords,
        policy: RetryPolicy,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(queue, records, policy, telemetry)
        self._registry = registry
        self._store = store

    def _work(self, task: Rebuild, cancel: Cancel) -> Rebuilding:
        return Rebuilding(task, Patterns.parse(task.patterns, self._registry), self._store, cancel)
