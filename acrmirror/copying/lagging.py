"""Whether an answer of the registry may come from a replica that is behind, and what follows (rule L3).

Nothing here asks or writes: what is decided depends on the arguments alone, so that a test can go through every order
of events, answers and workers.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from acrmirror.history import LAG_WINDOW, TagEvent
from acrmirror.moments import to_datetime
from acrmirror.reference import Digest

WINDOW = LAG_WINDOW


class Link(Protocol):
    """A tag's link as it was read: where the tag is (None if the link is damaged), since when by the registry's time,
    and the newest event of the tag that any job knew."""

    @property
    def digest(self) -> Digest | None: ...
    @property
    def at(self) -> str: ...
    @property
    def event(self) -> TagEvent | None: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the tag's link is to point, with the newest event that is to be kept beside it.

    `digest` is None where the link is to be left as it is. `provisional`: the registry named another digest than that
    event, which is too young to be contradicted, so the registry has to be asked again.
    """

    digest: Digest | None
    event: TagEvent | None
    provisional: bool = False


def judge(
    link: Link | None,
    news: TagEvent | None,
    answer: Digest | None,
    now: datetime,
    window: timedelta,
    missing: Collection[Digest] = (),
) -> Verdict:
    """What becomes of a tag after the registry answered with the digest `answer`, or with 404 (None).

    `news` is the event of the job that asked, if it has one; `missing` are digests that could not be had for the
    mirror. A young event's digest is preferred to the answer; where that is missing, the link stays where it is.
    """
    event = TagEvent.newest(link.event if link is not None else None, news)
    if event is None:
        return Verdict(answer, None)
    young = now - to_datetime(event.at) < window
    if answer is None:
        return _not_found(link, event, young, missing)
    if answer == event.digest or not young:
        return Verdict(answer, event)
    stays = link.digest if link is not None else None
    known = (it for it in (event.digest, stays) if it is not None and it not in missing)
    return Verdict(next(known, answer), event, provisional=True)


def _not_found(link: Link | None, event: TagEvent, young: bool, missing: Collection[Digest]) -> Verdict:
    """A tag that was deleted soon after its push stays in the mirror as it was pushed last, unless more is known since.
    A replica that is behind answers 404, too."""
    unseen = link is None or event != link.event or event.digest != link.digest
    later = link is None or young or event.at > link.at
    if unseen and later and event.digest not in missing:
        return Verdict(event.digest, event)
    return Verdict(None, event)


def ask_again(
    event: TagEvent | None, about: str | None, provisional: bool, now: datetime, ages: Sequence[float]
) -> float | None:
    """In how many seconds the registry is to be asked about the tag again; None if its answer holds.

    `ages` are how many seconds old the event is each time; the last is the window. A series of questions is about one
    event (`about` is its time; None before the first). It goes on until the window of that event is over, whatever the
    registry answers meanwhile; an answer that contradicts a newer event begins a series about that one.
    """
    if event is None or not (provisional or about == event.at):
        return None
    age = (now - to_datetime(event.at)).total_seconds()
    due = next((it for it in ages if it > age), None)
    if due is not None:
        return due - age
    return 0.0 if provisional else None
