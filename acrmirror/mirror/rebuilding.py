"""Where tags are by history alone, and their links made anew from it (rule H3)."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from acrmirror.errors import TagMoved
from acrmirror.events import AHEAD_LIMIT
from acrmirror.history import LAG_WINDOW, Observation, TagEvent
from acrmirror.mirror.past import believed
from acrmirror.mirror.store import MirrorStore
from acrmirror.moments import from_datetime
from acrmirror.oci import Descriptor, is_referrers_index
from acrmirror.reference import Digest, is_referrers_tag


@dataclass(frozen=True, slots=True)
class Last:
    """The last observation of a tag whose digest is in the mirror, that manifest, and the newest event of the tag."""

    seen: Observation
    descriptor: Descriptor
    event: TagEvent | None


def last_in_mirror(
    store: MirrorStore, repository: str, tag: str, window: timedelta = LAG_WINDOW, now: datetime | None = None
) -> Last | None:
    """Where the tag was seen last, of what the mirror can serve: a push that could not be copied is in history, too.

    What is not to be believed counts only where nothing else is in the mirror: answers of replicas that may have been
    behind (`window` is how long they may be), and times that lie ahead, which older versions wrote.
    """
    ours = now or datetime.now(UTC)
    limit = from_datetime(ours + AHEAD_LIMIT)
    known = list(store.history.of_tag(repository, tag))
    history = [it for it in known if it.at <= limit]
    ahead = [replace(it, at=from_datetime(ours), clock="mirror") for it in known if it.at > limit]
    trusted = believed(history, window)
    event = TagEvent.newest(*(it.event for it in history if it.kind == "event"))
    looked_at: set[Digest] = set()
    for seen in (*reversed(trusted), *reversed(history), *reversed(ahead)):
        if seen.digest in looked_at:
            continue
        looked_at.add(seen.digest)
        descriptor = store.manifests.find(repository, seen.digest)
        if descriptor is not None:
            return Last(seen, descriptor, event)
    return None


Finding = Literal["right", "lost", "damaged", "differs", "moved"]
"""How a tag's link is: as history has it; missing; without a digest that the mirror has; elsewhere than history has it;
or set by a job meanwhile, which knows better."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A tag as it was found, and where history has it (`digest`); `set` if its link was written, or would have been."""

    tag: str
    digest: Digest
    finding: Finding
    set: bool


def rebuild_tag(
    store: MirrorStore,
    repository: str,
    tag: str,
    *,
    overwrite: bool,
    dry_run: bool = False,
    window: timedelta = LAG_WINDOW,
) -> Rebuilt | None:
    """Sets a tag whose link is lost or damaged to where it was seen last; with `overwrite`, also one that is elsewhere.
    None where the mirror has nothing that history has of the tag. What the registry has as a list of referrers is
    merged with what the mirror has (rule R1)."""
    last = last_in_mirror(store, repository, tag, window)
    if last is None:
        return None
    digest = last.descriptor.digest
    current = store.tags.read(repository, tag)
    if current is None:
        finding: Finding = "lost"
    elif current.digest is None or store.manifests.find(repository, current.digest) is None:
        finding = "damaged"
    elif digest in (current.digest, current.registry):
        return Rebuilt(tag, digest, "right", set=False)
    else:
        finding = "differs"
    if dry_run or (finding == "differs" and not overwrite):
        return Rebuilt(tag, digest, finding, set=finding != "differs" or overwrite)
    manifest = store.manifests.read(repository, last.descriptor)
    try:
        if is_referrers_index(manifest) and is_referrers_tag(tag):
            store.referrers.merge_tag(repository, tag, manifest, last.seen.at, current, last.event)
        else:
            store.tags.set(repository, tag, last.descriptor, last.seen.at, current, last.event)
    except TagMoved:
        return Rebuilt(tag, digest, "moved", set=False)
    return Rebuilt(tag, digest, finding, set=True)


def rebuild_tags(store: MirrorStore, repository: str, window: timedelta = LAG_WINDOW) -> dict[str, Digest]:
    """Sets every tag of a repository that history has to where it was seen last, and returns these. A tag's link that
    is right already is left as it is, as is one that a job sets at the same time."""
    tags = list(store.history.tags(repository))
    found = (rebuild_tag(store, repository, tag, overwrite=True, window=window) for tag in tags)
    return {it.tag: it.digest for it in found if it is not None}
