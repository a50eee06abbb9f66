"""What one run carries, whatever it copies."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from acrmirror.cancel import Cancel
from acrmirror.copying.budget import Budget
from acrmirror.copying.lagging import WINDOW
from acrmirror.copying.ports import Claims
from acrmirror.copying.progress import Progress
from acrmirror.copying.referrals import Referrals
from acrmirror.history import Observation, TagEvent
from acrmirror.moments import Moment
from acrmirror.reference import Digest


@dataclass(frozen=True, slots=True)
class Listed:
    """What listings told of what a run copies, so that it need not be asked again. `digest` is where the registry had
    the tag; `absent`: the mirror had neither the tag nor that manifest; `referrers`: whether there may be any that
    have no job of their own."""

    digest: Digest
    absent: bool = False
    referrers: bool = True


@dataclass(frozen=True, slots=True)
class Context:
    """`budget` are the threads that copy blocks, each with one buffer, for all runs of the process; a run without one
    makes `threads` of its own. With one thread, nothing is written beside anything else. `claim_wait` is for how
    many seconds a run stays with nothing but other workers' blobs.

    `claims_all`: also blobs of one block are claimed, since a target's own limits make it worth the claim.

    `force` looks at everything again, whatever links promise, and hashes anew what the mirror has; `resume` is off
    after a digest mismatch. `identity` names the job in history, `at` is the registry's time of what the job is about.
    `event` is the push that the job has news of, if it has; `about` is one that is in history already, which the
    registry is asked about again. For as long as `window` after a push the registry's replicas may be behind.
    `manifests` are all that this run came to, `referrals` those of them that are to be listed. `admitted` is called
    before the registry is asked anything, and raises Cancelled where the run is not to go on.

    `listing` is what a listing of the registry and of the mirror told before. `measured` is called with the bytes of
    the blobs of each graph before they are moved, and raises where the run is not to move so many.
    """

    identity: str
    at: Moment
    threads: int = 11
    budget: Budget | None = None
    claims: Claims | None = None
    claims_all: bool = False
    force: bool = False
    resume: bool = True
    claim_wait: float = 60.0
    cancel: Cancel = field(default_factory=Cancel)
    progress: Progress = field(default_factory=Progress)
    manifests: set[Digest] = field(default_factory=set)
    referrals: Referrals = field(default_factory=Referrals)
    event: Observation | None = None
    about: TagEvent | None = None
    window: timedelta = WINDOW
    admitted: Callable[[], None] = lambda: None
    listing: "Listed | None" = None
    measured: Callable[[int], None] = lambda _: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def copying_threads(self) -> AbstractContextManager[Budget]:
        """The process's threads; where there are none, some for as long as the context lasts."""
        return Budget(self.threads) if self.budget is None else nullcontext(self.budget)
