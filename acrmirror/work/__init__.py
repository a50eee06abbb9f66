"""What is asked for, typed: jobs and sweeps, as they travel through the queues and are named in records."""

from acrmirror.work.job import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Job, job_id
from acrmirror.work.sweep import Sweep

__all__ = ["BACKFILL_QUEUE", "DEAD_BACKFILL_QUEUE", "DEAD_QUEUE", "JOB_QUEUE", "Job", "Sweep", "job_id"]
