"""What a sweep requests: each image that the mirror lacks is a job, and those of a repository go in batches."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from acrmirror.jobs import JobQueue, JobRecords, UnderWay
from acrmirror.jobs.records import first_fields
from acrmirror.moments import from_datetime
from acrmirror.sync.comparing import Lack
from acrmirror.sync.tally import Tally
from acrmirror.threads import Threads
from acrmirror.work import FINAL_STATES, Batch, Copy, JobId, Sweep
from acrmirror.work.batch import LARGEST, Wanted, parted

NAMES = 100
"""Jobs of one copy within an hour, one after the other, that sweeps share; after these each sweep has its own."""


class Requests:
    """`check` raises Cancelled where the sweep is not to go on. Each method raises Unavailable and Denied where the
    queue or the table is away."""

    def __init__(
        self,
        sweep: Sweep,
        queue: JobQueue,
        records: JobRecords,
        under_way: UnderWay,
        tally: Tally,
        check: Callable[[], None],
    ) -> None:
        self._sweep = sweep
        self._queue = queue
        self._records = records
        self._under_way = under_way
        self._tally = tally
        self._check = check
        self._known: dict[str, tuple[str, str]] | None = None
        """State and parent of the jobs that sweeps of this hour have requested, as of when this one began to."""

    def request(self, repository: str, lacking: Sequence[Lack], pool: Threads, *, covered: bool) -> None:
        """Requests each of them, unless it is. `covered`: whatever refers to an image is in the mirror, or requested by
        itself."""
        if not lacking:
            return
        if self._sweep.dry_run:
            for lack in lacking:
                self._tally.requested(lack.reference)
            return
        new = [(lack, job) for lack in lacking if (job := self._job(lack)) is not None]
        small = {job.id: (lack, job) for lack, job in new if lack.size is not None and lack.size <= LARGEST}
        wanted = [
            (Wanted(it, lack.reference.tag, lack.digest, lack.absent), lack.size or 0)
            for it, (lack, _) in small.items()
        ]
        seen = from_datetime(datetime.now(UTC))

        def send_batch(part: Sequence[Wanted]) -> None:
            if len(part) == 1:
                send(*small[part[0].job])
                return
            self._check()
            batch = Batch(repository, self._sweep.id, self._sweep.at, seen, tuple(part), covered)
            self._queue.send_batch(batch)
            written = self._records.write_all([(job.id, first_fields(job), None) for job in batch])
            for it, etag in zip(part, written, strict=True):
                lack = small[it.job][0]
                if etag is None and self._ended_meanwhile(it.job):
                    if (job := self._job(lack)) is not None:
                        send(lack, job)
                    continue
                self._tally.requested(lack.reference)

        def send(lack: Lack, job: Copy) -> None:
            self._check()
            self._send(job)
            self._tally.requested(lack.reference)

        list(pool.map(send_batch, parted(wanted)))
        list(pool.map(lambda it: send(*it), [it for it in new if it[1].id not in small]))

    def _ended_meanwhile(self, identity: JobId) -> bool:
        """Whether another sweep of the hour requested the same since this one looked, and it ended without a copy: the
        batch leaves that alone."""
        record = self._records.get(identity)
        if record is None or record.state not in FINAL_STATES or record.state == "done":
            return False
        self._requested_before()[identity] = (record.state, record.fields["parent"])
        return True

    def _job(self, lack: Lack) -> Copy | None:
        """The job to be sent, whoever else asks for the same copy now: it is named by that. None where it was sent."""
        known = self._requested_before()
        ended = 0
        for number in range(NAMES):
            job = self._sweep.job(lack.reference, lack.digest, number)
            if job.id not in known:
                return job
            state, parent = known[job.id]
            if parent == self._sweep.id:
                # An earlier run of this sweep requested it; one that a person retried asks anew for what has failed.
                ended += 1
                if state in FINAL_STATES and ended <= self._sweep.retries:
                    continue
            elif state in FINAL_STATES:
                continue
            else:
                record = self._records.get(job.id)
                if record is not None and not self._under_way.believed(record):
                    self._send(job)
                self._tally.count(under_way=1)
                return None
            self._tally.requested(lack.reference)
            return None
        # Whatever keeps failing: a sweep that was requested requests it, in its own name.
        job = self._sweep.own_job(lack.reference, lack.digest)
        if job.id not in known:
            return job
        self._tally.requested(lack.reference)
        return None

    def _requested_before(self) -> dict[str, tuple[str, str]]:
        if self._known is None:
            found = self._records.of_hour(JobId(self._sweep.id))
            self._known = {str(it.id): (it.state, it.fields["parent"]) for it in found}
        return self._known

    def _send(self, job: Copy) -> None:
        """The message, then the record (rule W6)."""
        self._queue.send(job)
        self._records.add(job)
