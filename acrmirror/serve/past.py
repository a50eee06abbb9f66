"""The mirror as it was at a moment: where history has the tags, and what moved them."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from acrmirror.errors import Malformed, NotHere
from acrmirror.history import LAG_WINDOW, Observation
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.listing import TagEntry, TagPage
from acrmirror.mirror.past import believed, since_when, tag_at
from acrmirror.moments import Moment
from acrmirror.oci import Descriptor, Manifest
from acrmirror.reference import Digest, Reference, shown
from acrmirror.serve.past_tags import PastTags
from acrmirror.threads import Threads

THREADS = 8
_AFTER = "after:"
"""What the cursor of a past listing begins with: one of a listing of today is refused, and the other way round."""


@dataclass(frozen=True, slots=True)
class Move:
    """What was seen at the registry: a tag that came, or moved (`before` is where it was), or a deletion of a digest,
    which names no tag: `tags` are those that history has at it then. `mirrored`: the mirror has the digest."""

    seen: Observation
    tags: tuple[str, ...]
    before: Digest | None
    mirrored: bool = False

    @property
    def key(self) -> str:
        """They sort by it, oldest first; no two of a repository have the same."""
        return " ".join((self.seen.at, f"{self.seen.sequence:010d}", str(self.seen.digest), *self.tags))


@dataclass(frozen=True, slots=True)
class Moves:
    """Some moves, newest first; `last` is the key to go on behind, None if there are no more."""

    moves: tuple[Move, ...]
    last: str | None


class Past:
    """Reads history for those who ask. Raises NotHere for what was not there at that moment."""

    def __init__(self, store: MirrorStore) -> None:
        self._store = store
        self._tags = PastTags(store)

    def root(self, reference: Reference, at: Moment) -> Manifest:
        """The manifest that the tag named then; never another one in its place."""
        asked = f"look for {reference} in the mirror as it was at {at}"
        seen = tag_at(self._store.history, reference.repository, reference.tag or "", at)
        if seen is None:
            raise NotHere(
                asked,
                "there was no such tag at that moment",
                "See when it was pushed: acrmirror history, or GET /api/v1/history.",
            )
        descriptor = self._store.manifests.find(reference.repository, seen.digest)
        if descriptor is None:
            raise NotHere(
                asked,
                f"the tag named {seen.digest}, which the mirror does not have",
                "Pull it by its digest while the registry has it: POST /api/v1/pulls.",
            )
        return self._store.manifests.read(reference.repository, descriptor)

    def tags(self, repository: str, count: int, cursor: str | None, at: Moment) -> TagPage:
        """Up to `count` tags by name, perhaps fewer though there are more. What the mirror does not have of it has no
        media type, and no size."""
        if cursor is not None and not cursor.startswith(_AFTER):
            raise Malformed(
                f"go on with a listing from {shown(cursor)}",
                "it is not what an earlier page of that moment gave",
                "Give the `last` of the page before as it was, or leave it out to begin anew.",
            )
        after = cursor.removeprefix(_AFTER) if cursor is not None else ""
        found = self._tags.page(repository, at, count, after)
        if not found.tags and found.last is None and cursor is None:
            raise NotHere(
                f"look for {repository} in the mirror as it was at {at}",
                "it had no tag at that moment",
                "See what was pushed, and when: acrmirror history, or GET /api/v1/history.",
            )
        with Threads(THREADS, thread_name_prefix="past") as pool:
            entries = tuple(pool.map(lambda it: self._entry(repository, *it), found.tags))
        return TagPage(entries, f"{_AFTER}{found.last}" if found.last is not None else None)

    def by_then(self, repository: str, referrers: tuple[Descriptor, ...], at: Moment) -> tuple[Descriptor, ...]:
        """Those of the referrers that were not pushed later, as far as events told of them."""
        with Threads(THREADS, thread_name_prefix="past") as pool:
            pushed = list(pool.map(lambda it: since_when(self._store.history, repository, it.digest), referrers))
        return tuple(it for it, when in zip(referrers, pushed, strict=True) if when is None or when <= at)

    def moves(
        self,
        repository: str,
        tag: str | None,
        count: int,
        before: str | None = None,
        *,
        deleted: bool = False,
        at: Moment | None = None,
    ) -> Moves:
        """What moved in a repository, or one tag of it, newest first; with `deleted`, what was deleted at the registry
        instead. `before` is an earlier page's `last`; with `at`, only what was seen by then."""
        history = self._store.history
        seen_of = [(tag, list(history.of_tag(repository, tag)))] if tag is not None else history.of_tags(repository)
        moved = [move for name, seen in seen_of for move in _moves(name, seen)]
        if not moved and not deleted:
            named = f"{repository}:{tag}" if tag is not None else repository
            raise NotHere(f"look for {named} in history", "nothing was seen of it", "Pull it: POST /api/v1/pulls.")
        wanted = self._deletions(repository, tag, moved) if deleted else iter(moved)
        chosen = (it for it in wanted if (at is None or it.seen.was_by(at)) and (before is None or it.key < before))
        found = heapq.nlargest(count + 1, chosen, key=lambda it: it.key)
        more = found[count - 1].key if len(found) > count else None
        return Moves(self._looked_at(repository, found[:count]), more)

    def _deletions(self, repository: str, tag: str | None, moved: list[Move]) -> Iterator[Move]:
        for seen in self._store.history.deletions(repository):
            tags = _at_it(moved, seen)
            if tag is None or tag in tags:
                yield Move(seen, tags, None)

    def _looked_at(self, repository: str, moves: list[Move]) -> tuple[Move, ...]:
        """Says of each whether the mirror has its digest."""
        digests = list(dict.fromkeys(it.seen.digest for it in moves))
        with Threads(THREADS, thread_name_prefix="past") as pool:
            there = list(pool.map(lambda it: self._store.manifests.find(repository, it) is not None, digests))
        known = dict(zip(digests, there, strict=True))
        return tuple(Move(it.seen, it.tags, it.before, known[it.seen.digest]) for it in moves)

    def _entry(self, repository: str, tag: str, seen: Observation) -> TagEntry:
        descriptor = self._store.manifests.find(repository, seen.digest)
        media_type, size = (descriptor.media_type, descriptor.size) if descriptor is not None else ("", 0)
        pushed = seen.at if seen.kind == "event" else None
        return TagEntry(tag, seen.digest, media_type, size, seen.at, pushed=pushed)


def _moves(tag: str, observed: list[Observation]) -> Iterator[Move]:
    """Where the tag came to be somewhere else than before, by the observations that are believed, if any is."""
    before: Digest | None = None
    for digest, those in groupby(believed(observed, LAG_WINDOW) or observed, lambda it: it.digest):
        yield Move(next(those), (tag,), before)
        before = digest


def _at_it(moved: list[Move], deleted: Observation) -> tuple[str, ...]:
    """The tags that were last seen at the digest before it was deleted."""
    where: dict[str, Move] = {}
    for move in moved:
        (tag,) = move.tags
        if move.seen.at <= deleted.at and (tag not in where or where[tag].key < move.key):
            where[tag] = move
    return tuple(sorted(tag for tag, move in where.items() if move.seen.digest == deleted.digest))
