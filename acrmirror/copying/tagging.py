"""Setting a tag to where the registry has it now."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from acrmirror.copying.context import Context
from acrmirror.copying.copied import Copied
from acrmirror.copying.graph import GraphCopier
from acrmirror.copying.lagging import Verdict, judge
from acrmirror.copying.ports import (
    HistoryTarget,
    ManifestTarget,
    ReferrerLists,
    Resolved,
    Resolver,
    TagState,
    TagTarget,
)
from acrmirror.errors import Cancelled, ClaimedElsewhere, Conflict, MirrorError, NotFound, TagMoved
from acrmirror.history import Observation, TagEvent
from acrmirror.moments import EARLIEST, Moment
from acrmirror.oci import Descriptor, is_referrers_index
from acrmirror.reference import Digest, Reference, is_referrers_tag

TAG_ROUNDS = 32
"""How often a tag is resolved and written again because another worker, or the registry, moved it meanwhile."""


class Taggable(Protocol):
    """What a tag is set in: where it is, where it was, and what it may point at."""

    @property
    def manifests(self) -> ManifestTarget: ...
    @property
    def tags(self) -> TagTarget: ...
    @property
    def history(self) -> HistoryTarget: ...
    @property
    def referrers(self) -> ReferrerLists: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry said of a tag, next to its link as it was read just before, and what follows from both."""

    current: TagState | None
    resolved: Resolved | NotFound
    verdict: Verdict

    @property
    def digest(self) -> Digest | None:
        return None if isinstance(self.resolved, NotFound) else self.resolved.descriptor.digest

    @property
    def since(self) -> Moment:
        """The registry's time of what puts the tag where the verdict says."""
        event = self.verdict.event
        if not isinstance(self.resolved, NotFound) and self.verdict.digest == self.digest:
            return self.resolved.at
        if event is not None and self.verdict.digest == event.digest:
            return event.at
        return self.current.at if self.current is not None else EARLIEST


class TagFollower:
    """Sets the tag of one reference. `copied` is told what its link came to; `graphs` copies what it points at, but
    for what `failed` says that this run could not copy."""

    def __init__(
        self,
        source: Resolver,
        target: Taggable,
        graphs: GraphCopier,
        reference: Reference,
        context: Context,
        copied: Copied,
        failed: Mapping[Digest, MirrorError] = {},
    ) -> None:
        self._source = source
        self._target = target
        self._graphs = graphs
        self._asked = Reference(reference.repository, reference.tag)
        self._tag = reference.tag or ""
        self._context = context
        self._copied = copied
        self._failed = failed
        # Where a listing did not have the link, the write finds out whether it is still so.
        self._unread = context.listing is not None and context.listing.absent
        # With `force` what the mirror has is looked at again once; it is complete afterwards.
        self._checked = {copied.digest}
        self._missing = {it for it in (reference.digest,) if it is not None and copied.digest_failure is not None}

    def follow(self) -> Digest:
        """Sets the tag to where the registry has it now, unless that contradicts a young event (rule L3); what the tag
        points at is mirrored first. Returns where the tag is.

        Read the link's ETag, resolve, write, in one breath; the write happens also for an equal digest, so that the
        ETag moves and no worker's older answer can be written over a newer one (rule L2). Every resolve is written into
        history before the link. Raises NotFound where the registry has no such tag, Conflict after `TAG_ROUNDS` lost
        races.
        """
        for attempt in range(TAG_ROUNDS):
            self._context.cancel.check()
            answer = self._ask()
            digest = answer.verdict.digest
            self._copied.tag_gone = isinstance(answer.resolved, NotFound)
            if digest is None and isinstance(answer.resolved, NotFound):
                raise answer.resolved
            descriptor = self._graphs.mirrored(digest) if digest is not None else None
            if digest is None or descriptor is None or (self._context.force and digest not in self._checked):
                self._checked.add(digest)
                self._copy(answer)
                continue
            try:
                self._write(descriptor, answer)
            except TagMoved:
                self._context.cancel.wait(random.uniform(0, 0.05 * min(attempt + 1, 10)))  # noqa: S311
                continue
            self._note(answer)
            if isinstance(answer.resolved, NotFound):
                raise answer.resolved
            return digest
        raise Conflict(
            f"set tag {self._asked} of the mirror",
            f"it moved {TAG_ROUNDS} times while it was being set",
            "It will be tried again.",
        )

    def _ask(self) -> Answer:
        current = None if self._unread else self._target.tags.read(self._asked.repository, self._tag)
        self._unread = False
        resolved: Resolved | NotFound
        try:
            resolved = self._source.resolve(self._asked)
            digest = resolved.descriptor.digest
        except NotFound as error:
            resolved, digest = error, None
        context = self._context
        news = TagEvent.newest(context.event.event if context.event is not None else None, context.about)
        return Answer(current, resolved, judge(current, news, digest, context.now(), context.window, self._missing))

    def _copy(self, answer: Answer) -> None:
        """Mirrors what the tag is to point at. What only an event names may be missing: the job of that event goes on
        trying, and until then the tag is where else it may be."""
        digest = answer.verdict.digest
        if digest is None:
            return
        try:
            if digest in self._failed:
                raise self._failed[digest]
            self._copied.add(self._graphs.copy(digest))
        except (Cancelled, ClaimedElsewhere):
            raise
        except MirrorError:
            if digest == answer.digest:
                raise
            self._missing.add(digest)

    def _observe(self, answer: Answer) -> None:
        if isinstance(answer.resolved, NotFound):
            return
        sequence = answer.current.sequence + 1 if answer.current is not None else 1
        found = answer.resolved
        seen = Observation.of_resolve(found.descriptor, found.at, self._context.identity, sequence, found.clock)
        self._target.history.observe(self._asked, replace(seen, provisional=answer.verdict.provisional))

    def _write(self, descriptor: Descriptor, answer: Answer) -> None:
        """What the registry said goes into history, and then the tag moves. A referrers tag is merged with the
        registry's index; any other tag, and one that stays as it is, is set."""
        repository, event = self._asked.repository, answer.verdict.event
        stays = answer.verdict.provisional and (event is None or event.digest != descriptor.digest)
        if is_referrers_tag(self._tag) and not (stays and answer.digest != descriptor.digest):
            manifest = self._graphs.read_own(descriptor)
            if is_referrers_index(manifest):
                self._observe(answer)
                lists = self._target.referrers
                lists.merge_tag(repository, self._tag, manifest, answer.since, answer.current, event)
                return
            self._copied.notes.append(
                f"{self._asked} looks like a referrers tag, but names another kind of manifest: set as any tag"
            )
        meanwhile = partial(self._observe, answer)
        if self._context.threads == 1:
            meanwhile()
        self._target.tags.set(
            repository,
            self._tag,
            descriptor,
            answer.since,
            answer.current,
            event,
            meanwhile=meanwhile if self._context.threads > 1 else None,
        )

    def _note(self, answer: Answer) -> None:
        """What the record says of a tag that was set."""
        verdict, copied = answer.verdict, self._copied
        copied.event, copied.provisional = verdict.event, verdict.provisional
        if answer.current is not None and answer.current.digest is None:
            copied.notes.append(
                f"the link of tag {self._asked} was damaged in the mirror: set anew to {verdict.digest}"
            )
        if verdict.provisional and verdict.event is not None:
            copied.notes.append(
                f"the registry has {self._asked} at {answer.digest}, against an event of {verdict.event.at}: a replica "
                f"may be behind. The tag is at {verdict.digest} until the registry was asked again"
            )
