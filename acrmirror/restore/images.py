"""The restore of one image: one run of it."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from acrmirror.cancel import Cancel
from acrmirror.copying import Budget, Context, Progress, Restored, restore_image
from acrmirror.errors import Incomplete
from acrmirror.jobs import HeldClaims, TableClaims
from acrmirror.jobs.run import LAYERS_SHOWN, RequestCounts, figures_of
from acrmirror.mirror import MirrorSource, MirrorStore
from acrmirror.oci import Descriptor
from acrmirror.reference import Reference, check_repository
from acrmirror.registry import RegistryTarget, Session
from acrmirror.restore.claims import LocalClaims, RestoreClaims
from acrmirror.restore.known import KnownBlobs
from acrmirror.work import ImageRestore, RecordFields

NOTES_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Way:
    """What all restores into one target share: how it is reached, what it is known to have, who sends it what."""

    session: Session
    known: KnownBlobs
    ours: LocalClaims
    claims: TableClaims


@dataclass(frozen=True, slots=True)
class SendingManner:
    """How blobs are sent: by the process's threads, how many these are, and for how many seconds a run stays with
    nothing but others' blobs."""

    threads: int
    budget: Budget
    claim_wait: float


class ImageRestoring:
    """`shared` are the claims as other instances see them."""

    def __init__(
        self, job: ImageRestore, cancel: Cancel, store: MirrorStore, way: Way, shared: HeldClaims, manner: SendingManner
    ) -> None:
        self._job = job
        self._cancel = cancel
        self._store = store
        self._way = way
        self._shared = shared
        self._manner = manner
        self._progress = Progress()
        self._requests = RequestCounts()
        self._restored: Restored | None = None

    def figures(self) -> RecordFields:
        fields = figures_of(self._progress) | self._requests.fields()
        fields["notes"] = self._progress.notes[:NOTES_SHOWN]
        restored = self._restored
        if restored is not None:
            left_out = [(str(digest), why) for digest, why in restored.left_out.items()]
            fields |= {
                "referrers": restored.referrers,
                "left_out": dict(left_out[:LAYERS_SHOWN]),
                "mirrored_digest": str(self._job.reference.digest),
                "tagged_digest": str(self._job.reference.digest) if self._job.reference.tag else "",
                "outcome": "restored" if restored.tagged or self._progress.manifests else "present",
            }
        return fields

    def tell(self) -> str:
        outcome = self.figures().get("outcome") or "not restored"
        return f"{self._job.reference} into {self._job.into.target}: {outcome}"

    def run(self) -> None:
        """Raises what kept the image away; Incomplete where it is there without all of its referrers."""
        job, reference = self._job, self._job.reference
        into = named(job.into.prefix, reference.repository)
        target = RegistryTarget(
            self._way.session,
            reference.repository,
            self._requests.count,
            self._elsewhere(reference),
            lambda blob: self._way.known.note(blob, into),
            prefix=job.into.prefix,
        )
        context = Context(
            identity=job.id,
            at=job.at,
            threads=self._manner.threads,
            budget=self._manner.budget,
            claims=RestoreClaims(self._way.ours, self._shared, self._size_of),
            claim_wait=self._manner.claim_wait,
            claims_all=True,
            cancel=self._cancel,
            progress=self._progress,
        )
        source = MirrorSource(self._store)
        with closing(self._shared):
            restored = self._restored = restore_image(source, target, reference, context, overwrite=job.into.overwrite)
        if restored.failure is not None:
            error = restored.failure
            raise Incomplete(
                f"restore {reference} with what refers to it", f"{error.asked}: {error.answered}", error.remedy
            )

    def _elsewhere(self, reference: Reference) -> Callable[[Descriptor], list[str]]:
        """A blob is mounted only for a repository that has it in the mirror, too (rule L10)."""

        def places(descriptor: Descriptor) -> list[str]:
            known = self._way.known.where(descriptor)
            return known if known and self._store.blobs.linked(reference.repository, descriptor.digest) else []

        return places

    def _size_of(self, digest: object) -> int:
        layer = self._progress.snapshot().get(str(digest))
        return layer.size if layer is not None else 0


def named(prefix: str, repository: str) -> str:
    """The repository's name at the target. Raises InvalidReference."""
    return check_repository(f"{prefix}/{repository}" if prefix else repository)
