"""A manifest with its whole closure, in the order in which it has to be written."""

from dataclasses import replace

from acrmirror.copying.context import Context
from acrmirror.copying.conveyor import move_blobs
from acrmirror.copying.ports import ContentSource, ContentTarget
from acrmirror.copying.reading import Graph, GraphReader
from acrmirror.errors import Damaged, DigestMismatch, Malformed, MirrorError, NotFound, Transient
from acrmirror.oci import Descriptor, Manifest
from acrmirror.reference import Digest

LEFT_OUT = "a foreign layer that the registry does not have in this repository; its urls are not called"


class GraphCopier:
    """Copies graphs of one repository."""

    def __init__(self, source: ContentSource, target: ContentTarget, repository: str, context: Context) -> None:
        self._source = source
        self._target = target
        self._repository = repository
        self._context = context

    def copy(self, root: Digest) -> Graph:
        """Copies a manifest and its whole closure into the mirror; skips what is complete there.

        What points comes after what it points at: each blob's link after the blob, manifests after all links, and child
        manifests before what lists them. A child or a layer that can't be had fails what needs it, by name; its
        siblings are copied all the same, and the failure is raised in the end.
        """
        graph = GraphReader(self._source, self._target.manifests, self._repository, self._context).read(root)
        if graph.blobs:
            self._move(graph)
        self._write(graph)
        failure = graph.failed.get(root)
        if failure is not None:
            raise failure
        # A run that was killed between a referrer's link and its listing left it unlisted (rule R1).
        for revision in graph.complete:
            if revision.refers:
                self._context.referrals.add(self.read_own(revision.descriptor))
        return graph

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
        failed = move_blobs(self._source, self._target.blobs, self._repository, graph.blobs.values(), self._context)
        for digest, error in failed.items():
            if graph.blobs[digest].is_foreign and isinstance(error, NotFound):
                graph.left_out[digest] = LEFT_OUT
                self._context.progress.state(digest, "left out")
            else:
                graph.failed[digest] = error

    def _write(self, graph: Graph) -> None:
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
            self._target.manifests.write(self._repository, manifest, anew=self._context.force, whole=not lacks)
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
