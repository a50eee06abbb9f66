"""From a queue's message to whoever runs it."""

from acrmirror.errors import Crashed, Malformed
from acrmirror.jobs.batches import BatchRunner
from acrmirror.jobs.burial import DIED, LOOK, Burial
from acrmirror.jobs.runner import Runner
from acrmirror.proof.runner import AuditRunner
from acrmirror.restore.runner import RestoreRunner
from acrmirror.serve.archives.runner import ArchiveRunner
from acrmirror.sync.rebuilds import RebuildRunner
from acrmirror.sync.runner import SweepRunner
from acrmirror.work import (
    Archive,
    Audit,
    Batch,
    Copy,
    Deletion,
    ImageRestore,
    Rebuild,
    Restore,
    Sweep,
    Task,
    read_task,
)


class Dispatch:
    """Reads each message once, and hands what it asks for to its runner. Thread-safe."""

    def __init__(
        self,
        runner: Runner,
        batches: BatchRunner,
        sweeps: SweepRunner,
        audits: AuditRunner,
        archives: ArchiveRunner,
        rebuilds: RebuildRunner,
        restores: RestoreRunner,
        burial: Burial,
    ) -> None:
        self._restores = restores
        self._runner = runner
        self._batches = batches
        self._sweeps = sweeps
        self._audits = audits
        self._archives = archives
        self._rebuilds = rebuilds
        self._burial = burial

    def run(self, message: str, deliveries: int) -> None:
        """Runs what the message asks for to a final record, or to a delayed message for its next attempt.

        Raises only what is nobody's expected failure: then the platform delivers the message again, and after too
        often puts it into the poison queue.
        """
        match task := self._read(message):
            case Copy() | Deletion():
                self._runner.run(task, deliveries)
            case Batch():
                self._batches.run(task, deliveries)
            case Sweep():
                self._sweeps.run(task, deliveries)
            case Restore() | ImageRestore():
                self._restores.run(task, deliveries)
            case Audit():
                self._audits.run(task)
            case Archive():
                self._archives.run(task, deliveries)
            case Rebuild():
                self._rebuilds.run(task, deliveries)

    def bury(self, message: str) -> None:
        """Takes a message of a poison queue into its record. Raises where that can't be written: then the platform
        delivers it again."""
        match task := self._read(message):
            case Copy() | Deletion():
                self._burial.bury(task)
            case Batch():
                self._batches.part(task)
            case Sweep():
                self._sweeps.bury(task, Crashed("list the registry", DIED, f"{LOOK}."))
            case Restore() | ImageRestore():
                self._restores.bury(task, Crashed("restore from the mirror", DIED, f"{LOOK}."))
            case Audit():
                self._audits.bury(task, Crashed("audit the mirror", DIED, f"{LOOK}."))
            case Archive():
                self._archives.bury(task, Crashed("put an archive together", DIED, f"{LOOK}."))
            case Rebuild():
                self._rebuilds.bury(task, Crashed("rebuild tags from history", DIED, f"{LOOK}."))

    def _read(self, message: str) -> Task | Audit | Batch | None:
        """None for what is no job, which is in a record then."""
        try:
            return read_task(message)
        except Malformed as error:
            self._burial.bury_unreadable(message, error)
            return None
