"""One run of a sweep: the registry is compared with the mirror, and what that lacks is requested."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from acrmirror.copying import Cancel
from acrmirror.errors import (
    Cancelled,
    Denied,
    Incomplete,
    InvalidReference,
    MirrorError,
    NotFound,
    Permanent,
    Throttled,
    Transient,
    Unavailable,
)
from acrmirror.jobs import JobQueue, JobRecords, UnderWay
from acrmirror.mirror.listing import Listing
from acrmirror.patterns import Patterns
from acrmirror.reference import REPOSITORY_LIMIT, Digest, check_repository
from acrmirror.registry import Registry
from acrmirror.registry.values import ListedManifest
from acrmirror.sync.comparing import Comparison, Lack, Mirrored, edges_from
from acrmirror.sync.requesting import Requests
from acrmirror.sync.tally import Tally
from acrmirror.threads import Threads
from acrmirror.work import RecordFields, Sweep

PATIENCE = (1.0, 4.0, 10.0)
"""Seconds between attempts at one listing."""
LONGEST_PAUSE = 30.0
"""Seconds for what asks for more patience."""
TAGS_PAGE = 1000
THREADS = 8

_T = TypeVar("_T")


class Sweeping:
    """`cancel` ends it between two requests. `limit` is the longest repository name that fits into the mirror."""

    def __init__(
        self,
        sweep: Sweep,
        patterns: Patterns,
        source: Registry,
        listing: Listing,
        queue: JobQueue,
        records: JobRecords,
        cancel: Cancel,
        limit: int = REPOSITORY_LIMIT,
    ) -> None:
        self.tally = Tally()
        self._sweep = sweep
        self._patterns = patterns
        self._source = source.counted(self.tally.requests.count)
        self._listing = listing
        self._under_way = UnderWay(records, queue)
        self._requests = Requests(sweep, queue, records, self._under_way, self.tally, self._check)
        self._cancel = cancel
        self._limit = limit
        self._doubtful = False
        """Whether the registry failed for a repository in a way that may be the same for all."""

    def run(self) -> None:
        """What is wrong with one repository is noted, and the others are done. Raises what stops all of it: no list of
        repositories, no registry, no storage, no queue, no table, Cancelled; and Incomplete in the end, if not all
        could be compared (rule W8)."""
        with Threads(THREADS, "sweep", self._cancel.bind) as pool:
            for repository in self._repositories():
                if not self._patterns.may_match(repository):
                    continue
                self._check()
                self.tally.count(repositories=1)
                lacking, covered = self._lacking(repository, pool)
                self._requests.request(repository, lacking, pool, covered=covered)
        problems = self.tally.tell_problems()
        if problems:
            raise Incomplete(
                f"compare the mirror with {self._source.host}",
                problems,
                "What could be compared is done. Mend what is named, and ask again.",
            )

    def figures(self) -> RecordFields:
        return self.tally.fields()

    def tell(self) -> str:
        return self.tally.tell()

    # what there is

    def _repositories(self) -> list[str]:
        """Those that the registry lists; a list that breaks off for good is gone through as far as it goes."""
        found: list[str] = []

        def list_them() -> None:
            found.clear()
            for repository in self._source.list_repositories(self._refused("the list of repositories")):
                self._check()
                try:
                    found.append(check_repository(repository, self._limit))
                except InvalidReference as error:
                    self.tally.problem(f"{repository}: {error.answered}")

        try:
            self._patiently(list_them)
        except Permanent as error:
            if not found:
                raise
            self.tally.problem(f"the list of repositories breaks off after {found[-1]}: {error.answered}")
        return found

    def _lacking(self, repository: str, pool: Threads) -> tuple[list[Lack], bool]:
        """What has to be requested of a repository, and whether that and what the mirror has is all that the registry
        has of it. What is wrong with it becomes a problem. Raises Throttled or Unavailable where the registry, storage
        or the table is away for all of them."""
        whole = False
        try:
            listed, whole = self._listed(repository)
        except Cancelled:
            raise
        except MirrorError as error:
            self._note(error, f"{repository}: {error.answered}, and was left out")
            listed = []
        self._stop_if_away()
        try:
            lacking, covered = self._compared(repository, listed, pool) if listed else ([], True)
            return lacking, covered and whole
        except (Cancelled, Throttled, Unavailable):
            # What this reads of the registry is not raised, and storage and the table are the same for all.
            raise
        except MirrorError as error:
            self.tally.problem(f"{repository}: {error.answered}, and was left out")
            return [], False

    def _note(self, error: MirrorError, problem: str) -> None:
        self._doubtful = self._doubtful or isinstance(error, (Throttled, Unavailable))
        self.tally.problem(problem)

    def _stop_if_away(self) -> None:
        """After a repository that the registry failed for: raises if it has no answer at all."""
        doubtful, self._doubtful = self._doubtful, False
        if doubtful:
            with suppress(Permanent):
                self._patiently(lambda: next(self._source.list_repositories(lambda _: None), None))

    def _listed(self, repository: str) -> tuple[list[ListedManifest], bool]:
        """As far as the listing goes, and whether that is all. It is held against how many manifests the registry says
        there are, before and after, since they come and go."""
        found: list[ListedManifest] = []

        def list_them() -> None:
            found.clear()
            for manifest in self._source.list_manifests(repository, self._refused(repository)):
                self._check()
                found.append(manifest)

        def count() -> int:
            return self._patiently(lambda: self._source.count_manifests(repository))

        try:
            before = count()
        except NotFound:
            self.tally.note(f"{repository}: it is no longer there")
            return [], False
        try:
            self._patiently(list_them)
        except Cancelled:
            raise
        except MirrorError as error:
            if isinstance(error, NotFound) and self._is_gone(count):
                self.tally.note(f"{repository}: it is no longer there")
                return [], False
            self._note(
                error, f"{repository}: its listing failed after {len(found)} of {before} manifests: {error.answered}"
            )
            return found, False
        if len(found) < before and len(found) < (now := count()):
            self.tally.problem(f"{repository}: its listing stopped at {len(found)} of {now} manifests")
            return found, False
        return found, True

    @staticmethod
    def _is_gone(count: Callable[[], int]) -> bool:
        try:
            return count() == 0
        except NotFound:
            return True

    def _compared(self, repository: str, listed: list[ListedManifest], pool: Threads) -> tuple[list[Lack], bool]:
        mirrored = Mirrored(self._tags(repository), self._listing.manifests(repository))
        untagged = self._patterns.matches_untagged(repository)
        comparison = Comparison(
            repository, listed, mirrored, lambda tag: self._patterns.matches(repository, tag), untagged=untagged
        )
        lacking = self._not_under_way(comparison.lacking_tags)
        read = edges_from(self._source, repository, pool)
        alone = comparison.lacking_manifests(read, {it.digest for it in lacking})
        self.tally.count(
            manifests=len(listed),
            listed=comparison.tags + len(alone),
            mirrored=comparison.tags - len(comparison.lacking_tags),
        )
        return lacking + self._not_under_way(alone), comparison.covered

    def _tags(self, repository: str) -> dict[str, Digest]:
        found: dict[str, Digest] = {}
        cursor: str | None = None
        while True:
            page = self._listing.tags(repository, TAGS_PAGE, cursor, hide=False)
            found.update({it.name: it.at_registry for it in page.tags})
            cursor = page.cursor
            if cursor is None:
                return found

    # what is requested

    def _not_under_way(self, lacking: list[Lack]) -> list[Lack]:
        """What an earlier run of this sweep requested is its own."""
        left = []
        for lack in lacking:
            job = self._under_way.job(lack.reference, lack.digest)
            if job is None or job.fields["parent"] == self._sweep.id:
                left.append(lack)
        self.tally.count(under_way=len(lacking) - len(left))
        return left

    # how

    def _refused(self, where: str) -> Callable[[InvalidReference], None]:
        return lambda error: self.tally.problem(f"{where}: {error.asked}: {error.answered}")

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """What may go away is tried again for a short while."""
        for pause in PATIENCE:
            self._check()
            try:
                return attempt()
            except (NotFound, Denied):
                raise
            except Transient as error:
                self._cancel.wait(min(LONGEST_PAUSE, max(pause, error.retry_after or 0.0)))
        self._check()
        return attempt()

    def _check(self) -> None:
        if self._cancel.is_set():
            raise Cancelled("list the registry", self._cancel.reason, "Ask again: what was requested by then goes on.")
