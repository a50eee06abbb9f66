"""One run of a restore: what the mirror has of it is listed, and a job is requested for each image."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from acrmirror.cancel import Cancel
from acrmirror.errors import Damaged, DigestMismatch, Incomplete, InvalidReference, Malformed
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.past import tags_at
from acrmirror.oci import INDEX_TYPES, Descriptor, is_referrers_index, plain_type, referrers_index
from acrmirror.patterns import Patterns
from acrmirror.reference import Digest, Reference
from acrmirror.restore.images import named
from acrmirror.restore.plans import Plan
from acrmirror.threads import Threads
from acrmirror.work import FINAL_STATES, ImageRestore, RecordFields, Restore

TAGS_PAGE = 1000
THREADS = 8
SAMPLE = 300
NOTES_SHOWN = 100


@dataclass(slots=True)
class _Tally:
    """Thread-safe."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    repositories: int = 0
    listed: int = 0
    requested: int = 0
    sample: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        with self.lock:
            self.problems.append(text)

    def request(self, reference: Reference) -> None:
        with self.lock:
            self.requested += 1
            if len(self.sample) < SAMPLE:
                self.sample.append(str(reference))


class Restoring:
    """`plan` is of a dry run, which asks for nothing."""

    def __init__(
        self,
        restore: Restore,
        patterns: Patterns,
        store: MirrorStore,
        queue: JobQueue,
        records: JobRecords,
        cancel: Cancel,
        plan: Plan | None,
    ) -> None:
        self._restore = restore
        self._patterns = patterns
        self._store = store
        self._queue = queue
        self._records = records
        self._cancel = cancel
        self._plan = plan
        self._tally = _Tally()

    def figures(self) -> RecordFields:
        tally = self._tally
        with tally.lock:
            fields: RecordFields = {
                "match_repositories": tally.repositories,
                "match_listed": tally.listed,
                "match_requested": tally.requested,
                "match_sample": list(tally.sample),
                "notes": tally.problems[:NOTES_SHOWN],
            }
        if self._plan is None:
            return fields
        planned = self._plan.fields()
        return fields | planned | {"notes": [*fields["notes"], *planned["notes"]][:NOTES_SHOWN]}

    def tell(self) -> str:
        return f"requested {self._tally.requested} of {self._tally.listed} images"

    def run(self) -> None:
        """Asks for each image once, however often it is run. Raises Incomplete in the end where a name does not fit the
        target, or an index can not be read."""
        with Threads(THREADS, "restore", self._cancel.bind) as pool:
            for repository in self._store.listing.repositories():
                if not self._patterns.may_match(repository):
                    continue
                self._check()
                try:
                    named(self._restore.into.prefix, repository)
                except InvalidReference as error:
                    self._tally.problem(f"{repository}: {error.answered}; use a shorter prefix")
                    continue
                self._tally.repositories += 1
                references = list(self._references(repository))
                self._tally.listed += len(references)
                list(pool.map(self._take, references))
        if self._tally.problems:
            raise Incomplete(
                f"list what is to be restored into {self._restore.into.target}",
                "; ".join(self._tally.problems[:5]),
                "The rest is requested. Its notes name each of these.",
            )

    def _references(self, repository: str) -> Iterator[Reference]:
        tags = dict(self._tags(repository))
        for tag, digest in sorted(tags.items()):
            yield Reference(repository, tag, digest)
        if self._restore.moment is None and self._patterns.matches_untagged(repository):
            for digest in self._untagged(repository, set(tags.values())):
                yield Reference(repository, None, digest)

    def _tags(self, repository: str) -> Iterator[tuple[str, Digest]]:
        """The tags that are chosen, without lists of referrers: a registry makes these itself."""
        for tag, digest in self._all_tags(repository):
            if self._patterns.matches(repository, tag):
                yield tag, digest

    def _all_tags(self, repository: str) -> Iterator[tuple[str, Digest]]:
        moment = self._restore.moment
        if moment is not None:
            for tag, seen in tags_at(self._store.history, repository, moment):
                self._check()
                yield tag, seen.digest
            return
        cursor: str | None = None
        while True:
            page = self._store.listing.tags(repository, TAGS_PAGE, cursor)
            for entry in page.tags:
                yield entry.name, entry.at_registry
            self._check()
            cursor = page.cursor
            if cursor is None:
                return

    def _untagged(self, repository: str, tagged: set[Digest]) -> Iterator[Digest]:
        """Manifests that no tag leads to: what refers to another comes with that one, a child with its index. Lists of
        referrers that the mirror made are left to the registry."""
        revisions = list(self._store.listing.revisions(repository))
        present = {it.digest for it in revisions}
        covered = set(tagged)
        for found in revisions:
            if plain_type(found.media_type) not in INDEX_TYPES:
                continue
            self._check()
            try:
                index = self._store.manifests.read(repository, Descriptor(found.media_type, found.digest, found.size))
            except (Damaged, DigestMismatch, Malformed) as error:
                # Its own job says so, too; what it lists is restored by itself.
                self._tally.problem(f"{repository}@{found.digest}: {error.answered}")
                continue
            if is_referrers_index(index) and referrers_index(index.manifests) == index.raw:
                covered.add(found.digest)
            else:
                covered |= {it.digest for it in index.manifests}
        for found in revisions:
            if found.digest not in covered and found.subject not in present:
                yield found.digest

    def _take(self, reference: Reference) -> None:
        self._check()
        if self._plan is not None:
            if self._plan.add(reference):
                self._tally.request(reference)
            return
        if reference.digest is None:
            raise ValueError(f"{reference} names no digest")
        job = self._restore.image(reference.repository, reference.tag, reference.digest)
        if self._records.get(job.id) is None and not self._settled(job):
            # The message, then the record (rule W6): a second message of the same job finds it under way, or over.
            self._queue.send_task(job)
            self._records.add(job)
        self._tally.request(reference)

    def _settled(self, job: ImageRestore) -> bool:
        """Whether the image is restored, or on its way, since before a person sent this restore again: what failed is
        requested anew."""
        for identity in self._restore.images_before(job):
            record = self._records.get(identity)
            if record is not None and (record.state == "done" or record.state not in FINAL_STATES):
                return True
        return False

    def _check(self) -> None:
        self._cancel.check()
