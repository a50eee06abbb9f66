"""The main verb: an image with what refers to it, and a tag that follows the registry's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from acrmirror.cancel import beside
from acrmirror.copying.context import Context
from acrmirror.copying.copied import Copied
from acrmirror.copying.graph import GraphCopier
from acrmirror.copying.ports import HistoryTarget, Source, Target
from acrmirror.copying.reading import overfull
from acrmirror.copying.tagging import TagFollower
from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    Denied,
    Malformed,
    MirrorError,
    NotFound,
    Throttled,
    Unavailable,
    UnkeptName,
)
from acrmirror.history import Observation
from acrmirror.reference import Digest, Reference, is_referrers_tag

UNAVAILABLE_ENOUGH = 3
"""Referrers in a row that were unavailable, after which the registry or storage is taken to be away."""


def copy_image(source: Source, target: Target, reference: Reference, context: Context) -> Copied:
    """Mirrors what `reference` names: its digest, whatever its tag does meanwhile; then the tag, to where the
    registry has it now; then what refers to it at this moment. The event, if there is one, is in history before the
    tag.

    Digest and tag are both attempted, whatever becomes of the other (rule L5): their failures are in what is returned.
    Raises what ends the whole run (Cancelled, ClaimedElsewhere).
    """
    return _ImageCopier(source, target, reference, context).copy()


class _ImageCopier:
    def __init__(self, source: Source, target: Target, reference: Reference, context: Context) -> None:
        self._source = source
        self._target = target
        self._reference = reference
        self._context = context
        self._graphs = GraphCopier(source, target, reference.repository, context)
        self._copied = Copied()
        self._failed: dict[Digest, MirrorError] = {}

    def copy(self) -> Copied:
        copied = self._copied
        with self._observing_event() as observed:
            try:
                self._copy_digest()
            except (Cancelled, ClaimedElsewhere):
                raise
            except MirrorError as error:
                copied.digest_failure = error
            copied.tag_failure = observed()
        self._context.admitted()
        try:
            if copied.tag_failure is None:
                self._copy_tag()
        except (Cancelled, ClaimedElsewhere):
            raise
        except MirrorError as error:
            copied.tag_failure = error
        root = copied.digest or copied.tagged
        try:
            if root is not None and (self._context.listing is None or self._context.listing.referrers):
                self._copy_referrers(root)
        except (Cancelled, ClaimedElsewhere):
            raise
        except MirrorError as error:
            copied.referrers_failure = error
        if root is not None and self._context.force:
            self._context.referrals.look_at(root)
        try:
            self._graphs.write_lists()
        except MirrorError as error:
            copied.referrers_failure = copied.referrers_failure or error
        return copied

    @contextmanager
    def _observing_event(self) -> Iterator[Callable[[], UnkeptName | None]]:
        """Writes the event into history beside the block; a run with one thread does so before it. What is yielded
        waits for that, and raises why it could not be."""
        event = self._context.event

        def observe() -> UnkeptName | None:
            return _observe_event(self._target.history, self._reference, event) if event is not None else None

        if event is None or self._context.threads == 1:
            outcome = observe()
            yield lambda: outcome
            return
        with beside(observe, "history") as observed:
            yield observed

    def _copy_digest(self) -> None:
        digest = self._reference.digest
        if digest is not None:
            self._copied.add(self._graphs.copy(digest))
            self._copied.digest = digest
        elif self._context.listing is not None:
            self._copy_listed(self._context.listing.digest)

    def _copy_listed(self, digest: Digest) -> None:
        """What the tag was at in a listing: it is there still, most likely, and then the registry is asked only once
        where the tag is. Why it can't be had counts only where it is there still."""
        try:
            self._copied.add(self._graphs.copy(digest))
        except (Cancelled, ClaimedElsewhere):
            raise
        except MirrorError as error:
            self._failed[digest] = error

    def _copy_tag(self) -> None:
        if self._reference.tag is None:
            return
        for error in self._failed.values():
            if isinstance(error, (Denied, Throttled, Unavailable)):
                raise error  # which the next question would meet, too
        follower = TagFollower(
            self._source, self._target, self._graphs, self._reference, self._context, self._copied, self._failed
        )
        try:
            self._copied.tagged = follower.follow()
        except NotFound:
            self._copied.tagged = self._keep_list()
            if self._copied.tagged is None:
                raise

    def _keep_list(self) -> Digest | None:
        """Where a tag is that the registry does not have, if it is that of a list which the mirror keeps itself: then
        what refers to its subject now is on it, and a damaged one is rebuilt (rule R4).

        Not for an event: its tag was there, and a 404 for it may be that of a replica that lags.
        """
        tag, repository = self._reference.tag or "", self._reference.repository
        if self._reference.digest is not None or not is_referrers_tag(tag):
            return None
        try:
            self._source.resolve(Reference(repository, tag))
            return None  # it was something behind the tag that is missing
        except NotFound:
            pass
        algorithm, _, encoded = tag.partition("-")
        if algorithm == "sha256":  # of other algorithms the tag has only a part
            self._copy_referrers(Digest(algorithm, encoded))
            self._graphs.write_lists()
        kept = self._target.referrers.keep_tag(repository, tag, self._context.at)
        if kept is not None:
            self._copied.notes.append(
                f"the registry has no tag {repository}:{tag}: it is the mirror's own list of referrers"
            )
        return kept

    def _copy_referrers(self, subject: Digest) -> None:
        """What refers to an image at this moment; one that can't be had does not keep the others away, unless the job
        is over its limits with it, or they would meet the same: a list may have thousands."""

        def odd(error: Malformed) -> None:
            self._context.progress.note(
                f"a referrer of {subject} was left out, since the registry's list is odd: {error}"
            )

        failure: MirrorError | None = None
        unavailable = 0
        for descriptor in self._source.referrers(self._reference.repository, subject, odd):
            self._context.cancel.check()
            try:
                self._copied.add(self._graphs.copy(descriptor.digest))
                self._copied.referrers += 1
                unavailable = 0
            except (Cancelled, ClaimedElsewhere):
                raise
            except MirrorError as error:
                unavailable = unavailable + 1 if isinstance(error, Unavailable) else 0
                shared = isinstance(error, (Denied, Throttled)) or unavailable == UNAVAILABLE_ENOUGH
                if shared or overfull(self._context) is not None:
                    raise
                if isinstance(error, NotFound):
                    self._copied.notes.append(
                        f"referrer {descriptor.digest} is listed, but the registry does not have it"
                    )
                else:
                    failure = error
        if failure is not None:
            raise failure


def _observe_event(history: HistoryTarget, reference: Reference, event: Observation) -> UnkeptName | None:
    """Where storage does not keep the tag's name, the push is in the history of its digest, and the image is mirrored
    by that; what is returned is why the tag is not."""
    try:
        history.observe(reference, event)
    except UnkeptName as error:
        history.observe(Reference(reference.repository, None, event.digest), event)
        return error
    return None
