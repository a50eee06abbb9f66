"""The tags of a repository as they were at a moment, page by page, without reading all of its history for each."""

import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from acrmirror.history import LAG_WINDOW, Observation
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.past import last_by, tag_at
from acrmirror.moments import Moment
from acrmirror.serve.kept import Kept
from acrmirror.threads import Threads

WHOLE = 5000
"""Observations, in one request: a history that has no more is read whole."""
LOOKED_AT = 2000
"""Tags, about, whose history one page reads, each in a request, where the history of all is larger."""
TOGETHER = 64
THREADS = 8
KEPT_SECONDS = 30.0
"""How long what was read is kept for whoever asks for the next page."""
KEPT_TAGS = 200_000

Tag = tuple[str, Observation]


@dataclass(frozen=True, slots=True)
class PastPage:
    """Tags in the order of their names, and the one to go on behind; None if there are no more."""

    tags: tuple[Tag, ...]
    last: str | None


class PastTags:
    """Thread-safe. Raises as history does."""

    def __init__(self, store: MirrorStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._known: Kept[tuple[str, Moment], tuple[Tag, ...]] = Kept(KEPT_TAGS, KEPT_SECONDS, clock)
        self._names: Kept[str, list[str]] = Kept(KEPT_TAGS, KEPT_SECONDS, clock)

    def page(self, repository: str, at: Moment, count: int, after: str = "") -> PastPage:
        """Up to `count` tags behind `after`, perhaps fewer though there are more."""
        known = self._known.get((repository, at)) if after else None
        names = self._names.get(repository) if after and known is None else None
        if known is None and names is None:
            known = self._all(repository, at)
            if known is not None:
                self._known.put((repository, at), known, len(known))
        if known is not None:
            behind = [it for it in known if it[0] > after]
            return PastPage(tuple(behind[:count]), behind[count - 1][0] if len(behind) > count else None)
        if names is None:
            names = sorted(self._store.history.tags(repository))
            self._names.put(repository, names, len(names))
        return self._looked_up(repository, names[bisect_right(names, after) :], at, count)

    def _all(self, repository: str, at: Moment) -> tuple[Tag, ...] | None:
        """All tags; None where there is too much history for one request."""
        observed = self._store.history.some_of_tags(repository, WHOLE)
        if observed is None:
            return None
        there = ((tag, last_by(seen, at, LAG_WINDOW)) for tag, seen in observed)
        return tuple(sorted(((tag, last) for tag, last in there if last is not None), key=lambda it: it[0]))

    def _looked_up(self, repository: str, names: list[str], at: Moment, count: int) -> PastPage:
        found: list[Tag] = []
        looked_at = 0
        with Threads(THREADS, thread_name_prefix="past") as pool:
            for start in range(0, min(len(names), LOOKED_AT), TOGETHER):
                some = names[start : start + TOGETHER]
                read = list(pool.map(lambda it: tag_at(self._store.history, repository, it, at), some))
                for tag, last in zip(some, read, strict=True):
                    looked_at += 1
                    if last is not None:
                        found.append((tag, last))
                    if len(found) == count:
                        return PastPage(tuple(found), tag if looked_at < len(names) else None)
        return PastPage(tuple(found), names[looked_at - 1] if looked_at < len(names) else None)
