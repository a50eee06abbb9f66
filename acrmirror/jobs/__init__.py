"""Jobs: what was asked for, the queue it waits in, and the record of where it stands."""

from acrmirror.jobs.checks import CheckRecorder, facts_of_check
from acrmirror.jobs.claims import HeldClaims, Holder, TableClaims
from acrmirror.jobs.comparisons import Compared, Comparisons
from acrmirror.jobs.flights import Flight, Flights
from acrmirror.jobs.job import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, Job, job_id
from acrmirror.jobs.queue import Depth, JobQueue
from acrmirror.jobs.recorder import Recorder
from acrmirror.jobs.records import FINAL_STATES, JobRecord, JobRecords
from acrmirror.jobs.refusals import Refusal, Refusals
from acrmirror.jobs.sweep import Sweep
from acrmirror.jobs.underway import UnderWay

__all__ = [
    "BACKFILL_QUEUE",
    "DEAD_BACKFILL_QUEUE",
    "DEAD_QUEUE",
    "FINAL_STATES",
    "JOB_QUEUE",
    "CheckRecorder",
    "Compared",
    "Comparisons",
    "Depth",
    "Flight",
    "Flights",
    "HeldClaims",
    "Holder",
    "Job",
    "JobQueue",
    "JobRecord",
    "JobRecords",
    "Recorder",
    "Refusal",
    "Refusals",
    "Sweep",
    "TableClaims",
    "UnderWay",
    "facts_of_check",
    "job_id",
]
