"""A manifest with its whole closure, in the order in which it has to be written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from acrmirror.copying.context import Context
from acrmirror.copying.conveyor import move_blobs
from acrmirror.copying.ports import ContentSource, ContentTarget
from acrmirror.copying.reading import Graph, GraphReader
from acrmirror.errors import Damaged, DigestMismatch, Malformed, MirrorError, NotFound, Transient
from acrmirror.oci import Descriptor, Manifest
from acrmirror.reference import Digest
from acrmirror.threads import Threads

LEFT_OUT = "a foreign layer that the registry does not have in this repository; its urls are not called"


class GraphCopier:
    """Copies graphs of one repository."""

    def __init__(self, source: ContentSource, target: ContentTarget, repository: str, context: Context) -> None:
        self._source = source
        self._target = target
        self._repository = repository
        self._context = context
        self._mirrored: dict[Digest, Descriptor] = {}

    def copy(self, root: Digest) -> Graph:
        """Copies a manifest and its whole closure into the mirror; skips what is complete there.

        What points comes after what it points at: each blob's link after the blob, the links of manifests after all
        those, and of child manifests before what lists them. A manifest's bytes, which nobody serves before its link,
        are put beside the blobs. A child or a layer that can't be had fails what needs it, by name; its
        siblings are copied all the same, and the failure is raised in the end.
        """
        graph = GraphReader(self._source, self._target.manifests, self._repository, self._context).read(root)
        with self._putting(graph) as put:
            if graph.blobs:
                self._move(graph)
            self._write(graph, put)
        self._mirrored |= {it.descriptor.digest: it.descriptor for it in graph.complete}
        failure = graph.failed.get(root)
        if failure is not None:
            raise failure
        # A run that was killed between a referrer's link and its listing left it unlisted (rule R1).
        for revision in graph.complete:
            if revision.refers:
                self._context.referrals.add(self.read_own(revision.descriptor))
        return graph

    def mirrored(self, digest: Digest) -> Descriptor | None:
        """The descriptor of a manifest whose closure is in the mirror. The mirror is asked, unless this run found or
        wrote it."""
        if digest not in self._mirrored:
            revision = self._target.manifests.revision(self._repository, digest)
            return revision.descriptor if revision is not None else None
        return self._mirrored[digest]

    def read_own(self, descriptor: Descriptor) -> Manifest:
        """A manifest from the mirror. One that is damaged there is copied anew, with all behind it."""
        manifests = self._target.manifests
        try:
            return manifests.read(self._repository, descriptor)
        except (DigestMismatch, Damaged, Malformed):
            anew = replace(self._context, force=True)
            GraphCopier(self._source, self._target, self._repository, anew).copy(descriptor.digest)
            self._context.progress.note(f"manifest {descriptor.digest} was damaged in the mirror: copied anew")
            return manifests.read(self._repository, descriptor)

    def write_lists(self) -> None:
        """Makes the referrers that this run found findable from their subjects."""
        self._context.referrals.write(
            self._target.referrers, self._repository, self._context.at, self._context.progress.note
        )

    def _move(self, graph: Graph) -> None:
        """Moves the blobs; a foreign layer that the registry does not have itself is left out, not failed. Whoever
        comes to its manifest later requests it again: a replica may have lagged."""
        self._context.measured(sum(it.size for it in graph.blobs.values()))
        failed = move_blobs(self._source, self._target.blobs, self._repository, graph.blobs.values(), self._context)
        for digest, error in failed.items():
            if graph.blobs[digest].is_foreign and isinstance(error, NotFound):
                graph.left_out[digest] = LEFT_OUT
                self._context.progress.state(digest, "left out")
            else:
                graph.failed[digest] = error

    @contextmanager
    def _putting(self, graph: Graph) -> Iterator[Callable[[Manifest], None]]:
        """Puts the bytes of the graph's manifests, one after another, beside the block. What is yielded waits for those
        of one, and raises why they could not be put. A run with one thread puts them then."""

        def put(manifest: Manifest) -> None:
            self._context.cancel.check()
            self._target.manifests.put(manifest, anew=self._context.force)

        if self._context.threads == 1 or not graph.blobs:
            yield put
            return
        pool = Threads(1, "manifests", self._context.cancel.bind)
        try:
            puts = {it.digest: pool.submit(put, it) for it in graph.manifests}
            yield lambda manifest: puts[manifest.digest].result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _write(self, graph: Graph, put: Callable[[Manifest], None]) -> None:
        whole: list[Manifest] = []
        for manifest in graph.manifests:
            failure = self._missing(manifest, graph)
            if failure is None:
                whole.append(manifest)
            else:
                graph.failed[manifest.digest] = failure
        lacking = set(graph.left_out)
        for manifest in whole:
            self._context.cancel.check()
            lacks = any(part.digest in lacking for part in (*manifest.blobs, *manifest.manifests))
            if lacks:
                lacking.add(manifest.digest)
            put(manifest)
            self._target.manifests.link(self._repository, manifest, whole=not lacks)
            self._mirrored[manifest.digest] = manifest.descriptor()
            self._context.progress.manifest_written()
            self._context.referrals.add(manifest)
            if self._context.referrals.heavy:
                self.write_lists()

    def _missing(self, manifest: Manifest, graph: Graph) -> MirrorError | None:
        """Why a manifest's closure can't be complete, naming what it lacks."""
        for part in (*manifest.blobs, *manifest.manifests):
            cause = graph.failed.get(part.digest)
            if cause is None:
                continue
            what = "child" if part in manifest.manifests else "blob"
            asked = f"copy {self._repository}@{manifest.digest}"
            answered = f"its {what} {part.digest} failed ({cause.asked}: {cause.answered})"
            if isinstance(cause, Transient):
                return type(cause)(asked, answered, cause.remedy, cause.retry_after)
            return type(cause)(asked, answered, cause.remedy)
        return None
