"""One slice of an audit: it goes on where the last one ended, and stops at a bound on time and bytes.

Nothing that a slice has in memory is needed by the next one. It writes how far it is every few seconds, so that one
that is killed loses no more than that, or the one blob that it was reading.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from acrmirror.mirror.layout import BLOBS, Layout
from acrmirror.mirror.places import place_of
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.proof.checking import Checker
from acrmirror.proof.faults import Fault, cut
from acrmirror.proof.mending import Mending
from acrmirror.proof.naming import Broken
from acrmirror.proof.progress import Progress, after_phase
from acrmirror.reference import Reference
from acrmirror.storage import Container, Item

PAGE = 1000
"""Names in one request of a listing."""
BATCH = 128
BATCH_BYTES = 256 * 1024 * 1024
"""Names, and bytes of blobs, that are checked beside each other before the next ones: at least one blob."""
SAVE_SECONDS = 5.0
SAVE_NAMES = 512
"""After which of the two comes first, it is written how far the audit is."""
MENDING_LIMIT = timedelta(hours=1)
"""How long the pulls are waited for that were requested: what is wrong then is told."""
POLL_SECONDS = 10.0

Save = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one slice may take: seconds, and bytes of blobs. A blob is read whole, and may exceed both."""

    seconds: float = 60.0
    size: int = 4 * 1024**3


class Slice:
    """Advances one audit within `bounds`. `save` is called with how far it is, and may raise to end the slice."""

    def __init__(
        self, container: Container, layout: Layout, mending: Mending, pool: Executor, bounds: Bounds, save: Save
    ) -> None:
        self._container = container
        self._layout = layout
        self._mending = mending
        self._pool = pool
        self._save = save
        self._until = time.monotonic() + bounds.seconds
        self._room = bounds.size
        self._saved = time.monotonic()
        self._unsaved = 0
        self._steps: dict[str, Callable[[Progress], Progress]] = {
            "blobs": lambda it: self._walk(it, f"{BLOBS}/"),
            "links": lambda it: self._walk(it, f"{self._layout.repository('')}/"),
            "looking": self._look_again,
            "asking": self._ask,
            "mending": self._await,
            "verifying": self._look_again,
            "naming": self._name,
        }
        self.delay = 0.0
        """Seconds until the next slice has something to do."""

    def advance(self, progress: Progress) -> Progress:
        """How far the audit is at the end of the slice; in phase `reporting` there is nothing left to check. Raises
        what keeps all of it from being read: Unavailable, Throttled, Denied."""
        while progress.phase in self._steps and not self._over and not self.delay:
            progress = self._steps[progress.phase](progress)
        return progress

    @property
    def _over(self) -> bool:
        return time.monotonic() >= self._until or self._room <= 0

    def _keep(self, progress: Progress, names: int = 1) -> None:
        """Writes that, unless it was written a moment ago; `names` have been checked since the last call."""
        self._unsaved += names
        if self._unsaved >= SAVE_NAMES or time.monotonic() - self._saved >= SAVE_SECONDS:
            self._save(progress)
            self._saved, self._unsaved = time.monotonic(), 0

    # what is listed

    def _walk(self, progress: Progress, folder: str) -> Progress:
        """Checks names of a folder, page by page, from where the progress says."""
        checker = Checker(self._container, self._layout, progress.bad_blobs)
        while not self._over:
            page = self._container.page(folder, PAGE, progress.marker or None, "list what is in the mirror")
            for batch in _batches(_behind(page.items, progress.after)):
                faults = [it for it in self._pool.map(checker.check, [it.name for it in batch]) if it is not None]
                self._stop_if_away(faults)
                progress = self._counted(progress.found(faults), batch)
                progress = replace(progress, after=batch[-1].name)
                self._keep(progress, len(batch))
                if self._over:
                    return progress
            if page.marker is None:
                return progress.entering(after_phase(progress.phase))
            progress = replace(progress, marker=page.marker, after="")
        return progress

    def _counted(self, progress: Progress, batch: list[Item]) -> Progress:
        kinds = [place.kind if (place := place_of(it.name, self._layout)) is not None else "" for it in batch]
        size = sum(it.size for it, kind in zip(batch, kinds, strict=True) if kind == "blob")
        self._room -= size
        return replace(progress, size=progress.size + size).counted(
            blobs=kinds.count("blob"),
            links=kinds.count("layer") + kinds.count("tag index"),
            manifests=kinds.count("revision"),
            tags=kinds.count("tag"),
            other=kinds.count(""),
        )

    def _stop_if_away(self, faults: list[Fault]) -> None:
        """Where storage did not let something be read: raises if it lets nothing be read."""
        if any(it.kind == "unread" for it in faults):
            self._container.page(f"{BLOBS}/", 1, None, "list what is in the mirror")

    # what was wrong

    def _look_again(self, progress: Progress) -> Progress:
        """Checks what was wrong once more, blobs before the manifests that need them. At first, what passes is no
        fault; later it is mended."""
        first = progress.phase == "looking"
        order = sorted(progress.faults, key=lambda it: not it.path.endswith("/data"))
        progress = replace(progress, faults=tuple(order))
        while progress.place < len(progress.faults) and not self._over:
            fault = progress.faults[progress.place]
            checker = Checker(self._container, self._layout, progress.bad_blobs)
            found = checker.check(fault.path)
            if found is not None and found.kind == "unread":
                self._stop_if_away([found])
            before, after = progress.faults[: progress.place], progress.faults[progress.place + 1 :]
            if first:
                kept = (found,) if found is not None else ()
                progress = replace(progress, faults=(*before, *kept, *after), place=progress.place + len(kept))
                progress = progress.counted(passed=1 - len(kept))
            else:
                now = self._afterwards(fault, found)
                progress = replace(progress, faults=(*before, now, *after), place=progress.place + 1)
            self._keep(progress)
        done = progress.place >= len(progress.faults)
        return progress.entering(after_phase(progress.phase)) if done else progress

    def _afterwards(self, fault: Fault, found: Fault | None) -> Fault:
        if found is None:
            return replace(fault, mended=True)
        failed = self._mending.outcome(fault.job).failed if fault.job else ""
        why = f"{found.why}; it was not fetched again: {failed}" if failed else found.why
        return replace(found, job=fault.job, why=cut(why))

    def _ask(self, progress: Progress) -> Progress:
        """Has each manifest and tag fetched again that is damaged or lacks something. Where a link's path says all
        that is in it, it is written anew."""
        while progress.place < len(progress.faults) and not self._over:
            fault = progress.faults[progress.place]
            job = self._mend(progress, fault)
            faults = tuple(
                replace(it, job=job) if number == progress.place else it for number, it in enumerate(progress.faults)
            )
            progress = replace(progress, faults=faults, place=progress.place + 1)
            self._keep(progress)
        if progress.place < len(progress.faults):
            return progress
        progress = replace(progress.entering("mending"), waiting_since=from_datetime(datetime.now(UTC)))
        self._keep(progress, SAVE_NAMES)
        return progress

    def _mend(self, progress: Progress, fault: Fault) -> str:
        """The id of the job that was requested, if any."""
        place = place_of(fault.path, self._layout)
        if place is None or place.kind == "blob" or fault.kind == "unread":
            # A blob comes with the manifests that need it.
            return ""
        if place.kind in ("layer", "tag index"):
            if fault.kind == "damaged":
                self._container.put(fault.path, str(place.digest).encode(), "write a damaged link anew")
            return ""
        reference = Reference(place.repository, place.tag, place.digest)
        return self._mending.ask(progress.id, progress.asked, reference)

    def _await(self, progress: Progress) -> Progress:
        jobs = {it.job for it in progress.faults if it.job}
        waited = datetime.now(UTC) - to_datetime(progress.waiting_since)
        if waited < MENDING_LIMIT and not all(self._mending.outcome(it).over for it in jobs):
            self.delay = POLL_SECONDS
            return progress
        return progress.entering("verifying")

    def _name(self, progress: Progress) -> Progress:
        """Finds the tags that are broken, one repository after another."""
        left = [it.path for it in progress.left]
        places = [place_of(it, self._layout) for it in left]
        repositories = sorted({it.repository for it in places if it is not None and it.repository})
        while progress.place < len(repositories) and not self._over:
            checker = Checker(self._container, self._layout, {})
            repository = repositories[progress.place]
            broken = Broken(self._container, self._layout, checker, repository, left).tags()
            count = len(progress.faults)
            faults = tuple(it.breaking(broken.get(it.path, ()), count) for it in progress.faults)
            progress = replace(progress, faults=faults, place=progress.place + 1)
            self._keep(progress)
        done = progress.place >= len(repositories)
        return progress.entering(after_phase(progress.phase)) if done else progress


def _behind(items: tuple[Item, ...], after: str) -> tuple[Item, ...]:
    """What a page has behind the name `after`; all of it where that is no longer there."""
    names = [it.name for it in items]
    return items[names.index(after) + 1 :] if after in names else items


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) == BATCH or size + item.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch
