"""Where tags were at a moment, by history alone."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import takewhile

from acrmirror.history import LAG_WINDOW, Observation, TagEvent
from acrmirror.mirror.history import History
from acrmirror.moments import Moment, to_datetime
from acrmirror.reference import Digest


def tag_at(
    history: History, repository: str, tag: str, at: Moment, window: timedelta = LAG_WINDOW
) -> Observation | None:
    """The observation that says where the tag was at that moment; None before the first one.

    Its digest need not be in the mirror: a push that could not be copied is in history, too. Whoever serves it says
    so, rather than serving an older image for it. `window` is how long a replica of the registry may be behind.
    """
    return last_by(history.of_tag(repository, tag), at, window)


def tags_at(
    history: History, repository: str, at: Moment, window: timedelta = LAG_WINDOW
) -> Iterator[tuple[str, Observation]]:
    """Every tag that had been observed by that moment, as `tag_at` has it, in no order of names."""
    for tag, observations in history.of_tags(repository):
        last = last_by(observations, at, window)
        if last is not None:
            yield tag, last


def since_when(history: History, repository: str, digest: Digest) -> Moment | None:
    """When the digest was first pushed without a tag, as referrers are; None where no event told of it."""
    return next((it.at for it in history.of_digest(repository, digest) if it.kind != "deleted"), None)


def believed(history: list[Observation], window: timedelta) -> list[Observation]:
    """Those that contradict no event before them that was too young then for every replica to know it (rule L3). Such
    ones are marked, or were given before anybody here knew of that event. They come oldest first, an answer of the
    registry behind the pushes of its second."""
    found: list[Observation] = []
    event: TagEvent | None = None
    for seen in sorted(history, key=lambda it: (it.latest, it.sequence)):
        if seen.kind == "event":
            event = TagEvent.newest(event, seen.event)
        elif seen.provisional or (event is not None and event.digest != seen.digest and _age(event, seen) < window):
            continue
        found.append(seen)
    return found


def last_by(observations: Iterable[Observation], at: Moment, window: timedelta) -> Observation | None:
    """Of one tag's observations, oldest first, the one that says where it was at that moment. What is newer is not
    read."""
    known = [it for it in takewhile(lambda seen: seen.at <= at, observations) if it.was_by(at)]
    trusted = believed(known, window) or known
    return trusted[-1] if trusted else None


def _age(event: TagEvent, seen: Observation) -> timedelta:
    return to_datetime(seen.at) - to_datetime(event.at)
