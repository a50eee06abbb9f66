"""The verb that gives an image back: from the mirror into a registry, with all that refers to it, its tag last."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from acrmirror.copying.context import Context
from acrmirror.copying.graph import GraphCopier
from acrmirror.copying.ports import PushTarget, Source
from acrmirror.copying.reading import Graph
from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    Denied,
    Malformed,
    MirrorError,
    TagKept,
    Throttled,
    Unavailable,
)
from acrmirror.oci import INDEX_TYPES, Descriptor, Manifest, parse_manifest, plain_type
from acrmirror.reference import Digest, Reference

SHARED = (Cancelled, ClaimedElsewhere, Denied, Throttled, Unavailable)
"""What the next referrer would meet, too."""


@dataclass(slots=True)
class Restored:
    """What a run came to. `tagged`: it wrote the tag, which was not there or elsewhere. `failure` is what kept a
    referrer away; the image itself is there."""

    tagged: bool = False
    referrers: int = 0
    left_out: dict[Digest, str] = field(default_factory=dict)
    failure: MirrorError | None = None


def restore_image(
    source: Source, target: PushTarget, reference: Reference, context: Context, *, overwrite: bool = False
) -> Restored:
    """Copies the image of the reference's digest, and all that refers to it or to a part of it, at any depth; then sets
    the reference's tag, if it has one (rule T1). What the target has is not sent again (rule T5).

    Raises TagKept, before anything is copied, where the tag is elsewhere and not to be overwritten; NotFound where the
    mirror does not have the image; else what keeps the image away. A referrer that can't be had keeps neither the
    others nor the tag away.
    """
    return _Restoring(source, target, reference, context, overwrite).run()


class _Restoring:
    def __init__(
        self, source: Source, target: PushTarget, reference: Reference, context: Context, overwrite: bool
    ) -> None:
        self._source = source
        self._target = target
        self._repository = reference.repository
        self._reference = reference
        self._context = context
        self._overwrite = overwrite
        self._graphs = GraphCopier(source, target, reference.repository, context)
        self._restored = Restored()

    def run(self) -> Restored:
        resolved = self._source.resolve(Reference(self._repository, None, self._digest)).descriptor
        due = self._is_due()
        graph = self._copy(resolved.digest)
        self._copy_referrers(resolved)
        self._graphs.write_lists()
        if due:
            self._set_tag(graph)
        return self._restored

    @property
    def _digest(self) -> Digest:
        if self._reference.digest is None:
            raise ValueError(f"{self._reference} names no digest")
        return self._reference.digest

    def _is_due(self) -> bool:
        """Whether the tag is to be set. Raises TagKept."""
        tag = self._reference.tag
        if tag is None:
            return False
        current = self._target.tags.where(self._repository, tag)
        if current is None or current == self._digest:
            return current is None
        if not self._overwrite:
            raise TagKept(
                f"restore {self._repository}:{tag} to {self._digest}",
                f"the target has that tag at {current}, and it was left alone",
                "Restore it with overwrite, or with a prefix, if it is to be what the mirror has.",
            )
        return True

    def _copy(self, digest: Digest) -> Graph:
        graph = self._graphs.copy(digest)
        self._restored.left_out.update(graph.left_out)
        return graph

    def _copy_referrers(self, root: Descriptor) -> None:
        """Of the image, of each of its children, and of what refers to these in turn."""
        waiting = deque([root])
        seen = {root.digest}
        while waiting:
            self._context.cancel.check()
            current = waiting.popleft()
            for child in self._children(current):
                if child.digest not in seen:
                    seen.add(child.digest)
                    waiting.append(child)
            for referrer in self._source.referrers(self._repository, current.digest, self._odd):
                if referrer.digest not in seen:
                    seen.add(referrer.digest)
                    if self._copy_referrer(referrer):
                        waiting.append(referrer)

    def _copy_referrer(self, referrer: Descriptor) -> bool:
        try:
            self._copy(referrer.digest)
        except SHARED:
            raise
        except MirrorError as error:
            self._context.progress.note(f"referrer {referrer.digest} was not restored: {error}")
            self._restored.failure = self._restored.failure or error
            return False
        self._restored.referrers += 1
        return True

    def _children(self, descriptor: Descriptor) -> Iterator[Descriptor]:
        if plain_type(descriptor.media_type) in INDEX_TYPES:
            yield from self._read(descriptor.digest).manifests

    def _set_tag(self, graph: Graph) -> None:
        """Who set it meanwhile is left alone, as long as a registry can be asked without a compare-and-swap."""
        moved = self._context.progress.manifests > 0
        if moved and not self._overwrite and not self._is_due():
            return
        written = next((it for it in graph.manifests if it.digest == self._digest), None)
        self._target.tags.set(self._repository, self._reference.tag or "", written or self._read(self._digest))
        self._restored.tagged = True

    def _read(self, digest: Digest) -> Manifest:
        served = self._source.manifest(self._repository, digest)
        return parse_manifest(served.raw, served.media_type, digest)

    def _odd(self, error: Malformed) -> None:
        self._context.progress.note(f"a referrer was left out, since the mirror's list is odd: {error}")
