"""Reading the graph behind a manifest: what it needs, and what of that the mirror lacks."""

from dataclasses import dataclass, field

from acrmirror.copying.context import Context
from acrmirror.copying.ports import ManifestSource, ManifestTarget, Revision
from acrmirror.errors import Damaged, DigestMismatch, Malformed, MirrorError, NotFound, Permanent, TooLarge
from acrmirror.oci import (
    MAX_BLOB_SIZE,
    MAX_BLOBS,
    MAX_DEPTH,
    MAX_GRAPH_BYTES,
    MAX_MANIFESTS,
    Descriptor,
    Manifest,
    parse_manifest,
)
from acrmirror.reference import Digest
from acrmirror.threads import Threads


@dataclass(slots=True)
class Graph:
    """What was found under a root.

    `manifests` are those that the mirror lacks, children before what points at them; `complete` those that it has with
    their closures. `failed` says why a digest can't be had.
    """

    manifests: list[Manifest] = field(default_factory=list)
    complete: list[Revision] = field(default_factory=list)
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)
    failed: dict[Digest, MirrorError] = field(default_factory=dict)
    left_out: dict[Digest, str] = field(default_factory=dict)


class GraphReader:
    """Reads graphs of one repository, level by level, a few manifests of a level beside each other. What is hostile
    ends at a limit, and no more is held by then than the limits allow and those few."""

    def __init__(self, source: ManifestSource, target: ManifestTarget, repository: str, context: Context) -> None:
        self._source = source
        self._target = target
        self._repository = repository
        self._context = context

    def read(self, root: Digest) -> Graph:
        """Raises TooLarge or Malformed where the whole graph can't be taken."""
        graph = Graph()
        found: dict[Digest, Manifest] = {}
        level = [root]
        seen = {root}
        self._context.manifests.add(root)
        weight = 0
        for depth in range(MAX_DEPTH + 1):
            below: list[Digest] = []
            for start in range(0, len(level), self._context.threads):
                self._context.cancel.check()
                manifests = self._read_some(level[start : start + self._context.threads], graph)
                found.update(manifests)
                weight += sum(manifest.size for manifest in manifests.values())
                for manifest in manifests.values():
                    self._collect(manifest, graph)
                    for child in manifest.manifests:
                        if child.digest not in seen:
                            seen.add(child.digest)
                            below.append(child.digest)
                self._context.manifests.update(seen)
                over = overfull(self._context)
                if over is not None:
                    raise self._too_much(root, f"with what refers to it, it has more than {over}")
                if weight > MAX_GRAPH_BYTES:
                    raise self._too_much(root, f"its manifests have more than {MAX_GRAPH_BYTES} bytes")
            level = below
            if not level:
                break
            if depth == MAX_DEPTH:
                raise self._too_much(root, f"its indexes nest more than {MAX_DEPTH} deep")
        graph.manifests = _children_first(root, found)
        return graph

    def _read_some(self, digests: list[Digest], graph: Graph) -> dict[Digest, Manifest]:
        if len(digests) == 1:
            results = [self._read_one(digests[0])]
        else:
            with Threads(len(digests), "read", self._context.cancel.bind) as pool:
                results = list(pool.map(self._read_one, digests))
        manifests: dict[Digest, Manifest] = {}
        for digest, result in zip(digests, results, strict=True):
            if isinstance(result, Manifest):
                manifests[digest] = result
            elif isinstance(result, MirrorError):
                graph.failed[digest] = result
            else:
                graph.complete.append(result)
        return manifests

    def _read_one(self, digest: Digest) -> Manifest | Revision | MirrorError:
        """A manifest to be written, or what the mirror has of it already, or why it can't be had."""
        revision: Revision | None = None
        try:
            if not (self._context.force or self._is_absent(digest)):
                revision = self._target.revision(self._repository, digest)
                if revision is not None and revision.whole:
                    return revision
            self._context.admitted()
            self._context.cancel.check()
            served = self._source.manifest(self._repository, digest)
            return parse_manifest(served.raw, served.media_type, digest)
        except NotFound as error:
            # One that a foreign layer was left out of is complete, too.
            if not self._context.force:
                return revision or error
            return self._own(digest) or error
        except Permanent as error:
            return error

    def _is_absent(self, digest: Digest) -> bool:
        """Whether a listing did not have it just now. If that is not so any more, it is copied twice."""
        listing = self._context.listing
        return listing is not None and listing.absent and listing.digest == digest

    def _own(self, digest: Digest) -> Manifest | None:
        """What the mirror has of a manifest that is gone at the registry, to be looked at with `force`: what is
        complete in the mirror stays so (rule L11). None if that is damaged, so that nobody has it any more."""
        revision = self._target.revision(self._repository, digest)
        if revision is None:
            return None
        try:
            manifest = self._target.read(self._repository, revision.descriptor)
        except (DigestMismatch, Damaged, Malformed):
            return None
        self._context.progress.note(f"manifest {digest} is gone at the registry: the mirror's own was looked at")
        return manifest

    def _collect(self, manifest: Manifest, graph: Graph) -> None:
        for blob in manifest.blobs:
            if blob.size > MAX_BLOB_SIZE:
                graph.failed[blob.digest] = TooLarge(
                    f"copy blob {blob.digest}",
                    f"manifest {manifest.digest} says that it has {blob.size} bytes, and at most {MAX_BLOB_SIZE} are "
                    "taken",
                    "Build and push the image again.",
                )
                continue
            known = graph.blobs.setdefault(blob.digest, blob)
            if known.size != blob.size:
                raise Malformed(
                    f"read manifest {manifest.digest}",
                    f"it gives blob {blob.digest} {blob.size} bytes, and elsewhere it has {known.size}",
                    "Build and push the image again.",
                )
            # Whoever embeds its content spares a request; and one manifest that needs a layer is enough to need it.
            if (known.data is None and blob.data is not None) or (known.is_foreign and not blob.is_foreign):
                graph.blobs[blob.digest] = blob
            self._context.progress.plan(blob)

    def _too_much(self, root: Digest, answered: str) -> TooLarge:
        remedy = "Split what was pushed into smaller indexes, and remove referrers that are no longer needed."
        return TooLarge(f"copy {self._repository}@{root}", answered, remedy)


def overfull(context: Context) -> str | None:
    """The limit that a job is over with all that it copies: its image, its tag's, and what refers to them."""
    if len(context.manifests) > MAX_MANIFESTS:
        return f"{MAX_MANIFESTS} manifests"
    if len(context.progress.layers) > MAX_BLOBS:
        return f"{MAX_BLOBS} blobs"
    return None


def _children_first(root: Digest, found: dict[Digest, Manifest]) -> list[Manifest]:
    order: list[Manifest] = []
    done: set[Digest] = set()

    def visit(digest: Digest) -> None:
        if digest in done or digest not in found:
            return
        done.add(digest)
        for child in found[digest].manifests:
            visit(child.digest)
        order.append(found[digest])

    visit(root)
    return order
