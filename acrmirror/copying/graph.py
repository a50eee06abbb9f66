"""The graph behind a manifest: what it needs, what of that is missing, and the order in which it is written."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from acrmirror.copying.context import Context, Source, Target
from acrmirror.copying.conveyor import move_blobs
from acrmirror.errors import (
    Damaged,
    Denied,
    DigestMismatch,
    Malformed,
    MirrorError,
    NotFound,
    Permanent,
    Throttled,
    TooLarge,
    Unavailable,
)
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


@dataclass(slots=True)
class Graph:
    """What was found under a root that does not stand yet.

    `manifests` has children before what points at them. `failed` says why a digest can't be had.
    """

    manifests: list[Manifest] = field(default_factory=list)
    standing: dict[Digest, Descriptor] = field(default_factory=dict)
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)
    failed: dict[Digest, MirrorError] = field(default_factory=dict)
    left_out: dict[Digest, str] = field(default_factory=dict)


def copy_graph(source: Source, target: Target, repository: str, root: Digest, context: Context) -> Graph:
    """Brings a manifest and its whole closure into the mirror; skips what stands.

    What points comes after what it points at: each blob's link after the blob, manifests after all links, and child
    manifests before what lists them. A child or a layer that can't be had fails what needs it, by name; its siblings
    are copied all the same, and the failure is raised in the end.
    """
    graph = _read(source, target, repository, root, context)
    if graph.blobs:
        graph.failed.update(_move(source, target, repository, graph, context))
    _write(target, repository, graph, context)
    failure = graph.failed.get(root)
    if failure is not None:
        raise failure
    return graph


# reading


def _read(source: Source, target: Target, repository: str, root: Digest, context: Context) -> Graph:
    """Reads manifests level by level, a few of a level beside each other. What is hostile ends at a limit, and no more
    is held by then than the limits allow and those few."""
    graph = Graph()
    found: dict[Digest, Manifest] = {}
    level = [root]
    seen = {root}
    context.manifests.add(root)
    weight = 0
    for depth in range(MAX_DEPTH + 1):
        below: list[Digest] = []
        for start in range(0, len(level), context.threads):
            context.cancel.check()
            few = level[start : start + context.threads]
            manifests = _read_some(source, target, repository, few, graph, context)
            found.update(manifests)
            weight += sum(manifest.size for manifest in manifests.values())
            for manifest in manifests.values():
                _collect(graph, manifest, context)
                for child in manifest.manifests:
                    if child.digest not in seen:
                        seen.add(child.digest)
                        below.append(child.digest)
            context.manifests |= seen
            over = overfull(context)
            if over is not None:
                raise _too_much(repository, root, f"with what refers to it, it has more than {over}")
            if weight > MAX_GRAPH_BYTES:
                raise _too_much(repository, root, f"its manifests have more than {MAX_GRAPH_BYTES} bytes")
        level = below
        if not level:
            break
        if depth == MAX_DEPTH:
            raise _too_much(repository, root, f"its indexes nest more than {MAX_DEPTH} deep")
    graph.manifests = _children_first(root, found)
    return graph


def _read_some(
    source: Source, target: Target, repository: str, digests: list[Digest], graph: Graph, context: Context
) -> dict[Digest, Manifest]:
    def read(digest: Digest) -> Manifest | Descriptor | MirrorError:
        try:
            if not context.force:
                stands = target.stands(repository, digest, whole=True)
                if stands is not None:
                    return stands
            context.cancel.check()
            served = source.manifest(repository, digest)
            return parse_manifest(served.raw, served.media_type, digest)
        except NotFound as error:
            # One that a foreign layer was left out of stands, too.
            stands = target.stands(repository, digest)
            if stands is None or not context.force:
                return stands or error
            return _kept(target, repository, stands, context) or error
        except Permanent as error:
            return error

    if len(digests) == 1:
        results = [read(digests[0])]
    else:
        with ThreadPoolExecutor(len(digests), "read", context.cancel.bind) as pool:
            results = list(pool.map(read, digests))
    manifests: dict[Digest, Manifest] = {}
    for digest, result in zip(digests, results, strict=True):
        if isinstance(result, Manifest):
            manifests[digest] = result
        elif isinstance(result, Descriptor):
            graph.standing[digest] = result
        else:
            graph.failed[digest] = result
    return manifests


def _kept(target: Target, repository: str, descriptor: Descriptor, context: Context) -> Manifest | None:
    """What the mirror has of a manifest that is gone at the registry, to be looked at with `force`: what is complete in
    the mirror stays so (rule L11). None if that is damaged, so that nobody has it any more."""
    try:
        manifest = target.read_manifest(repository, descriptor)
    except (DigestMismatch, Damaged, Malformed):
        return None
    context.progress.note(f"manifest {descriptor.digest} is gone at the registry: the mirror's own was looked at")
    return manifest


def _collect(graph: Graph, manifest: Manifest, context: Context) -> None:
    for blob in manifest.blobs:
        if blob.size > MAX_BLOB_SIZE:
            graph.failed[blob.digest] = TooLarge(
                f"copy blob {blob.digest}",
                f"manifest {manifest.digest} says that it has {blob.size} bytes, and at most {MAX_BLOB_SIZE} are taken",
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
        context.progress.plan(blob)


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


def overfull(context: Context) -> str | None:
    """The limit that a job is over with all that it copies: its image, its tag's, and what refers to them."""
    if len(context.manifests) > MAX_MANIFESTS:
        return f"{MAX_MANIFESTS} manifests"
    if len(context.progress.layers) > MAX_BLOBS:
        return f"{MAX_BLOBS} blobs"
    return None


def _too_much(repository: str, root: Digest, answered: str) -> TooLarge:
    remedy = "Split what was pushed into smaller indexes, and remove referrers that are no longer needed."
    return TooLarge(f"copy {repository}@{root}", answered, remedy)


# moving


def _move(source: Source, target: Target, repository: str, graph: Graph, context: Context) -> dict[Digest, MirrorError]:
    """Moves the blobs; a foreign layer that the registry does not have itself is left out, not failed. Whoever comes to
    its manifest later asks for it again: a replica may have lagged."""
    failed = move_blobs(source, target, repository, graph.blobs.values(), context)
    for digest in [it for it in failed if graph.blobs[it].is_foreign and isinstance(failed[it], NotFound)]:
        del failed[digest]
        graph.left_out[digest] = (
            "a foreign layer that the registry does not have in this repository; its urls are not called"
        )
        context.progress.state(digest, "left out")
    return failed


# writing


def _write(target: Target, repository: str, graph: Graph, context: Context) -> None:
    whole: list[Manifest] = []
    for manifest in graph.manifests:
        failure = _missing(manifest, graph, repository)
        if failure is None:
            whole.append(manifest)
        else:
            graph.failed[manifest.digest] = failure
    lacking = set(graph.left_out)
    for manifest in whole:
        context.cancel.check()
        lacks = any(part.digest in lacking for part in (*manifest.blobs, *manifest.manifests))
        if lacks:
            lacking.add(manifest.digest)
        target.write_manifest(repository, manifest, verify=context.verify, whole=not lacks)
        context.progress.manifest_written()
        context.referrals.add(manifest)
        if context.referrals.heavy:
            write_lists(target, repository, context)


def read_own(source: Source, target: Target, repository: str, descriptor: Descriptor, context: Context) -> Manifest:
    """A manifest from the mirror. One that is damaged there is copied anew, with all behind it."""
    try:
        return target.read_manifest(repository, descriptor)
    except (DigestMismatch, Damaged, Malformed):
        copy_graph(source, target, repository, descriptor.digest, replace(context, force=True))
        context.progress.note(f"manifest {descriptor.digest} was damaged in the mirror: copied anew")
        return target.read_manifest(repository, descriptor)


def write_lists(target: Target, repository: str, context: Context) -> None:
    """Makes the referrers that this run found findable from their subjects."""
    context.referrals.write(target, repository, context.at, context.progress.note)


def _missing(manifest: Manifest, graph: Graph, repository: str) -> MirrorError | None:
    """Why a manifest's closure can't stand, naming what it lacks."""
    for part in (*manifest.blobs, *manifest.manifests):
        cause = graph.failed.get(part.digest)
        if cause is None:
            continue
        what = "child" if part in manifest.manifests else "blob"
        asked = f"copy {repository}@{manifest.digest}"
        answered = f"its {what} {part.digest} failed ({cause.asked}: {cause.answered})"
        if isinstance(cause, (Denied, Throttled, Unavailable)):
            return type(cause)(asked, answered, cause.remedy, cause.retry_after)
        return type(cause)(asked, answered, cause.remedy)
    return None
