"""The life of a job: the queue that it waits in, the record of what becomes of it, claims on what it copies."""

from acrmirror.jobs.check_recorder import CheckRecorder, facts_of_check
from acrmirror.jobs.claims import HeldClaims, Holder, TableClaims
from acrmirror.jobs.queue import JobQueue
from acrmirror.jobs.recorder import Recorder
from acrmirror.jobs.records import JobRecords
from acrmirror.jobs.refusals import Refusal, Refusals
from acrmirror.jobs.shared_pulls import SharedPull, SharedPulls
from acrmirror.jobs.underway import UnderWay
from acrmirror.storage import Depth

__all__ = [
    "CheckRecorder",
    "Depth",
    "HeldClaims",
    "Holder",
    "JobQueue",
    "JobRecords",
    "Recorder",
    "Refusal",
    "Refusals",
    "SharedPull",
    "SharedPulls",
    "TableClaims",
    "UnderWay",
    "facts_of_check",
]
