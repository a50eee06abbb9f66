"""The main verbs: an image with what refers to it, and a tag that follows the registry's."""

import random
from dataclasses import dataclass, field, replace

from acrmirror.copying.context import Context, Resolved, Source, TagState, Target
from acrmirror.copying.graph import Graph, copy_graph, overfull, read_own, write_lists
from acrmirror.copying.lagging import Verdict, judge
from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    Conflict,
    Denied,
    Malformed,
    MirrorError,
    NotFound,
    TagMoved,
    Throttled,
    Unavailable,
    UnkeptName,
)
from acrmirror.history import Observation, TagEvent
from acrmirror.oci import Descriptor, is_referrers_index
from acrmirror.reference import Digest, Reference, is_referrers_tag

TAG_ROUNDS = 32
"""How often a tag is resolved and written again because another worker, or the registry, moved it meanwhile."""
UNAVAILABLE_ENOUGH = 3
"""Referrers in a row that were unavailable, after which the registry or storage is taken to be away."""


@dataclass(slots=True)
class Copied:
    """What a run brought, and what it did not. `digest_half` and `tag_half` are their failures, if any.

    `tag_gone`: the registry has no such tag. `event` is the newest event of the tag that is known; `provisional`: the
    registry contradicted it, which may be a replica that is behind (rule L3).
    """

    digest: Digest | None = None
    tagged: Digest | None = None
    event: TagEvent | None = None
    provisional: bool = False
    tag_gone: bool = False
    referrers: int = 0
    left_out: dict[Digest, str] = field(default_factory=dict)
    digest_half: MirrorError | None = None
    tag_half: MirrorError | None = None
    referrers_half: MirrorError | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[MirrorError]:
        return [it for it in (self.digest_half, self.tag_half, self.referrers_half) if it is not None]


def copy_image(source: Source, target: Target, reference: Reference, context: Context) -> Copied:
    """Mirrors what `reference` names: its digest, whatever its tag does meanwhile; then the tag, to where the
    registry has it now; then what refers to it at this moment. The event, if there is one, is in history before.

    Digest and tag are two halves, both attempted (rule L5): their failures are in what is returned. Raises what
    concerns both (Cancelled, ClaimedElsewhere).
    """
    copied = Copied()
    if context.event is not None:
        copied.tag_half = _observe_event(target, reference, context.event)
    if reference.digest is not None:
        try:
            _bring(source, target, reference.repository, reference.digest, context, copied)
            copied.digest = reference.digest
        except MirrorError as error:
            copied.digest_half = _unless_shared(error)
    if reference.tag is not None and copied.tag_half is None:
        try:
            _bring_tag(source, target, reference, context, copied)
        except MirrorError as error:
            copied.tag_half = _unless_shared(error)
    root = copied.digest or copied.tagged
    if root is not None:
        try:
            _bring_referrers(source, target, reference.repository, root, context, copied)
        except MirrorError as error:
            copied.referrers_half = _unless_shared(error)
        if context.force:
            context.referrals.look_at(root)
    try:
        write_lists(target, reference.repository, context)
    except MirrorError as error:
        copied.referrers_half = copied.referrers_half or error
    return copied


def _bring(source: Source, target: Target, repository: str, digest: Digest, context: Context, copied: Copied) -> None:
    graph = copy_graph(source, target, repository, digest, context)
    copied.left_out.update(graph.left_out)
    copied.notes += [
        f"{it.digest}: a stock registry can't serve it ({it.unservable})" for it in graph.manifests if it.unservable
    ]
    _list_standing(source, target, repository, graph, context)


def _list_standing(source: Source, target: Target, repository: str, graph: Graph, context: Context) -> None:
    """A run that was killed between a referrer's link and its listing left it unlisted: see to it (rule R1)."""
    for digest, descriptor in graph.standing.items():
        if target.has_subject(repository, digest):
            context.referrals.add(read_own(source, target, repository, descriptor, context))


def _bring_tag(source: Source, target: Target, reference: Reference, context: Context, copied: Copied) -> None:
    try:
        copied.tagged = follow_tag(source, target, reference, context, copied)
    except NotFound:
        if not _keep_list(source, target, reference, context, copied):
            raise


def _keep_list(source: Source, target: Target, reference: Reference, context: Context, copied: Copied) -> bool:
    """Whether a tag that the registry does not have is that of a list which the mirror keeps itself: then what refers
    to its subject now is on it, and a damaged one is rebuilt (rule R4).

    Not for an event: its tag was there, and a 404 for it may be that of a replica that lags.
    """
    tag, repository = reference.tag or "", reference.repository
    if reference.digest is not None or not is_referrers_tag(tag):
        return False
    try:
        source.resolve(Reference(repository, tag))
        return False  # it was something behind the tag that is missing
    except NotFound:
        pass
    algorithm, _, encoded = tag.partition("-")
    if algorithm == "sha256":  # of other algorithms the tag has only a part
        _bring_referrers(source, target, repository, Digest(algorithm, encoded), context, copied)
        write_lists(target, repository, context)
    copied.tagged = target.keep_referrers_tag(repository, tag, context.at)
    if copied.tagged is not None:
        copied.notes.append(f"the registry has no tag {repository}:{tag}: it is the mirror's own list of referrers")
    return copied.tagged is not None


def _observe_event(target: Target, reference: Reference, event: Observation) -> UnkeptName | None:
    """Where storage does not keep the tag's name, the push is in the history of its digest, and the image is mirrored
    by that; what is returned is why the tag is not."""
    try:
        target.observe(reference, event)
    except UnkeptName as error:
        target.observe(Reference(reference.repository, None, event.digest), event)
        return error
    return None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the registry said of a tag, next to its link as it was read just before, and what follows from both."""

    current: TagState | None
    resolved: Resolved | NotFound
    verdict: Verdict

    @property
    def digest(self) -> Digest | None:
        return None if isinstance(self.resolved, NotFound) else self.resolved.descriptor.digest

    @property
    def since(self) -> str:
        """The registry's time of what puts the tag where the verdict says."""
        event = self.verdict.event
        if not isinstance(self.resolved, NotFound) and self.verdict.digest == self.digest:
            return self.resolved.at
        if event is not None and self.verdict.digest == event.digest:
            return event.at
        return self.current.at if self.current is not None else ""


def follow_tag(source: Source, target: Target, reference: Reference, context: Context, copied: Copied) -> Digest:
    """Sets a tag to where the registry has it now, unless that contradicts a young event (rule L3); what the tag
    points at is mirrored first. Returns where the tag is.

    Read the link's ETag, resolve, write, in one breath; the write happens also for an equal digest, so that the ETag
    moves and no worker's older answer can be written over a newer one (rule L2). Every resolve is written into history
    before the link. Raises NotFound where the registry has no such tag, Conflict after `TAG_ROUNDS` lost races.
    """
    asked = Reference(reference.repository, reference.tag)
    # With `force` what stands is looked at again once; it stands afterwards.
    checked = {copied.digest}
    missing = {it for it in (reference.digest,) if it is not None and copied.digest_half is not None}
    for attempt in range(TAG_ROUNDS):
        context.cancel.check()
        answer = _ask(source, target, asked, context, missing)
        digest = answer.verdict.digest
        copied.tag_gone = isinstance(answer.resolved, NotFound)
        if digest is None and isinstance(answer.resolved, NotFound):
            raise answer.resolved
        descriptor = target.stands(asked.repository, digest) if digest is not None else None
        if digest is None or descriptor is None or (context.force and digest not in checked):
            checked.add(digest)
            _bring_or_note(source, target, asked, answer, context, copied, missing)
            continue
        _observe_answer(target, asked, answer, context)
        try:
            _write_tag(source, target, asked, descriptor, answer, context, copied)
        except TagMoved:
            context.cancel.wait(random.uniform(0, 0.05 * min(attempt + 1, 10)))  # noqa: S311
            continue
        _note(asked, answer, copied)
        if isinstance(answer.resolved, NotFound):
            raise answer.resolved
        return digest
    raise Conflict(
        f"set tag {asked} of the mirror",
        f"it moved {TAG_ROUNDS} times while it was being set",
        "It will be tried again.",
    )


def _ask(source: Source, target: Target, asked: Reference, context: Context, missing: set[Digest]) -> _Answer:
    current = target.read_tag(asked.repository, asked.tag or "")
    resolved: Resolved | NotFound
    try:
        resolved = source.resolve(asked)
        digest = resolved.descriptor.digest
    except NotFound as error:
        resolved, digest = error, None
    brought = TagEvent.newest(context.event.event if context.event is not None else None, context.about)
    return _Answer(current, resolved, judge(current, brought, digest, context.now(), context.window, missing))


def _bring_or_note(
    source: Source,
    target: Target,
    asked: Reference,
    answer: _Answer,
    context: Context,
    copied: Copied,
    missing: set[Digest],
) -> None:
    """Mirrors what the tag is to point at. What only an event names may be missing: the job of that event goes on
    trying, and until then the tag is where else it may be."""
    digest = answer.verdict.digest
    if digest is None:
        return
    try:
        _bring(source, target, asked.repository, digest, context, copied)
    except MirrorError as error:
        if digest == answer.digest:
            raise
        _unless_shared(error)
        missing.add(digest)


def _observe_answer(target: Target, asked: Reference, answer: _Answer, context: Context) -> None:
    if isinstance(answer.resolved, NotFound):
        return
    sequence = answer.current.sequence + 1 if answer.current is not None else 1
    found = answer.resolved
    seen = Observation.of_resolve(found.descriptor, found.at, context.identity, sequence, found.clock)
    target.observe(asked, replace(seen, provisional=answer.verdict.provisional))


def _note(asked: Reference, answer: _Answer, copied: Copied) -> None:
    """What the record says of a tag that was set."""
    verdict = answer.verdict
    copied.event, copied.provisional = verdict.event, verdict.provisional
    if answer.current is not None and answer.current.digest is None:
        copied.notes.append(f"the link of tag {asked} was damaged in the mirror: set anew to {verdict.digest}")
    if verdict.provisional and verdict.event is not None:
        copied.notes.append(
            f"the registry has {asked} at {answer.digest}, against an event of {verdict.event.at}: a replica may be "
            f"behind. The tag is at {verdict.digest} until the registry was asked again"
        )


def _write_tag(
    source: Source,
    target: Target,
    asked: Reference,
    descriptor: Descriptor,
    answer: _Answer,
    context: Context,
    copied: Copied,
) -> None:
    """A referrers tag is merged with the registry's index; any other tag, and one that stays as it is, is set."""
    tag, event = asked.tag or "", answer.verdict.event
    stays = answer.verdict.provisional and (event is None or event.digest != descriptor.digest)
    if is_referrers_tag(tag) and not (stays and answer.digest != descriptor.digest):
        manifest = read_own(source, target, asked.repository, descriptor, context)
        if is_referrers_index(manifest):
            target.merge_referrers_tag(asked.repository, tag, manifest, answer.since, answer.current, event)
            return
        copied.notes.append(f"{asked} looks like a referrers tag, but names another kind of manifest: set as any tag")
    target.tag(asked.repository, tag, descriptor, answer.since, answer.current, event)


def _bring_referrers(
    source: Source, target: Target, repository: str, subject: Digest, context: Context, copied: Copied
) -> None:
    """What refers to an image at this moment; one that can't be had does not keep the others away, unless the job is
    over its limits with it, or they would meet the same: a list may have thousands."""

    def odd(error: Malformed) -> None:
        context.progress.note(f"a referrer of {subject} was left out, since the registry's list is odd: {error}")

    failure: MirrorError | None = None
    unavailable = 0
    for descriptor in source.referrers(repository, subject, odd):
        context.cancel.check()
        try:
            _bring(source, target, repository, descriptor.digest, context, copied)
            copied.referrers += 1
            unavailable = 0
        except MirrorError as error:
            unavailable = unavailable + 1 if isinstance(error, Unavailable) else 0
            shared = isinstance(error, (Denied, Throttled)) or unavailable == UNAVAILABLE_ENOUGH
            if shared or overfull(context) is not None:
                raise
            if isinstance(error, NotFound):
                copied.notes.append(f"referrer {descriptor.digest} is listed, but the registry does not have it")
            else:
                failure = _unless_shared(error)
    if failure is not None:
        raise failure


def _unless_shared(error: MirrorError) -> MirrorError:
    """The error itself, unless it ends the whole run."""
    if isinstance(error, (Cancelled, ClaimedElsewhere)):
        raise error
    return error
