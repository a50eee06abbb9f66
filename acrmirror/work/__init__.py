"""What is asked for, typed: jobs and sweeps, as they travel through the queues and are named in records."""

from acrmirror.work.ids import JobId
from acrmirror.work.job import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Job
from acrmirror.work.record import LayerFigures, Record, RecordFields
from acrmirror.work.state import FINAL_STATES, LayerState, State
from acrmirror.work.sweep import Sweep
from acrmirror.work.task import Task, read_task

__all__ = [
    "BACKFILL_QUEUE",
    "DEAD_BACKFILL_QUEUE",
    "DEAD_QUEUE",
    "FINAL_STATES",
    "JOB_QUEUE",
    "Job",
    "JobId",
    "LayerFigures",
    "LayerState",
    "Record",
    "RecordFields",
    "State",
    "Sweep",
    "Task",
    "read_task",
]
