"""What is requested, typed: copies, deletions, sweeps, audits and more, as they are in queues and records."""

from acrmirror.work.archive import Archive
from acrmirror.work.audit import Audit
from acrmirror.work.batch import Batch
from acrmirror.work.copy import Copy
from acrmirror.work.deletion import Deletion
from acrmirror.work.ids import JobId
from acrmirror.work.queues import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE
from acrmirror.work.rebuild import Rebuild
from acrmirror.work.record import LayerFigures, Record, RecordFields
from acrmirror.work.restore import ImageRestore, Into, Restore
from acrmirror.work.state import FINAL_STATES, LayerState, State
from acrmirror.work.sweep import Sweep
from acrmirror.work.task import BackfillTask, Job, Task, read_task

__all__ = [
    "BACKFILL_QUEUE",
    "DEAD_BACKFILL_QUEUE",
    "DEAD_QUEUE",
    "FINAL_STATES",
    "JOB_QUEUE",
    "Archive",
    "Audit",
    "BackfillTask",
    "Batch",
    "Copy",
    "Deletion",
    "ImageRestore",
    "Into",
    "Job",
    "JobId",
    "LayerFigures",
    "LayerState",
    "Rebuild",
    "Record",
    "RecordFields",
    "Restore",
    "State",
    "Sweep",
    "Task",
    "read_task",
]
