"""One run of an archive: its images are read, its small parts are sent, and storage copies the layers into it."""

import threading
from collections import Counter

from acrmirror.archive import Exported, archive_parts, exported
from acrmirror.cancel import Cancel
from acrmirror.errors import Conflict, Damaged, TooLarge, Unavailable, Unsupported
from acrmirror.mirror import MirrorStore
from acrmirror.oci import Descriptor
from acrmirror.platforms import DEFAULT_PLATFORM, parse_platform
from acrmirror.reference import Digest, Reference
from acrmirror.serve.archives.segments import Segment, segments
from acrmirror.serve.images import CONFIG_LIMIT, Images
from acrmirror.storage import Container, Lost
from acrmirror.threads import Threads
from acrmirror.work import Archive, RecordFields

THREADS = 8
MANIFESTS_BYTES = 64 * 1024 * 1024
"""Of all images of one archive together: they are sent by the app, and are in memory meanwhile."""
MEDIA_TYPE = "application/x-tar"


def blob_name(archive: str) -> str:
    """Where the archive with this id is in its container."""
    return f"{archive}.tar"


class Assembly:
    """What an earlier run staged is used. Nothing is at the archive's name before it is whole."""

    def __init__(
        self, archive: Archive, registry: str, images: Images, store: MirrorStore, archives: Container, cancel: Cancel
    ) -> None:
        self._archive = archive
        self._registry = registry
        self._images = images
        self._store = store
        self._archives = archives
        self._cancel = cancel
        self._name = blob_name(archive.id)
        self._lock = threading.Lock()
        self._total = self._done = self._sent = self._manifests = 0
        self._blobs: Counter[Digest] = Counter()
        """Segments of each that are not staged yet."""
        self._absent: list[str] = []

    def run(self) -> None:
        """Raises NotHere, NoSuchPlatform, Unsupported, TooLarge, Cancelled and what is transient."""
        cut = segments(archive_parts(self._read_images()))
        with self._lock:
            self._total = sum(it.size for it in cut)
            self._blobs.update(it.copied.blob.digest for it in cut if it.copied is not None)
        if self._is_whole():
            return
        blobs = {it.copied.blob.digest: it.copied.blob for it in cut if it.copied is not None}
        with Threads(THREADS, "assemble", self._cancel.bind) as pool:
            list(pool.map(self._check_stored, blobs.values()))
            staged = self._archives.staged(self._name, self._asked("list the staged blocks of"))
            list(pool.map(lambda it: self._stage(it, staged), cut))
        self._commit([it.block for it in cut])

    # what goes into it

    def _read_images(self) -> list[Exported]:
        found: list[Exported] = []
        size = 0
        for reference in self._archive.images:
            self._cancel.check()
            image = self._read(reference)
            size += sum(it.size for it in image.manifests)
            if size > MANIFESTS_BYTES:
                raise TooLarge(
                    self._asked("put together"),
                    f"the manifests of its images have more than {MANIFESTS_BYTES} bytes",
                    "Request fewer images at once.",
                )
            found.append(image)
            with self._lock:
                self._manifests += len(image.manifests)
        return found

    def _read(self, reference: Reference) -> Exported:
        for_docker = self._archive.form == "docker"
        wanted = parse_platform(self._archive.platform) if self._archive.platform else None
        docker = wanted or DEFAULT_PLATFORM
        made_of = self._images.made_of(reference, docker if for_docker else wanted)
        with self._lock:
            self._absent += [f"{reference}: foreign layer {it.digest} is not in the mirror" for it in made_of.absent]
        image = exported(
            made_of.manifests,
            f"{self._registry}/{reference.repository}{f':{reference.tag}' if reference.tag else ''}",
            reference.tag,
            frozenset(it.digest for it in made_of.absent),
            self._config,
            docker,
        )
        if not for_docker:
            return Exported(image.root, image.manifests, image.name, image.tag, image.absent)
        if image.docker is None:
            raise Unsupported(
                f"put {reference} into an archive for docker load",
                "it is no image that docker knows, or has layers that the mirror lacks",
                "Request the form oci.",
            )
        return image

    def _config(self, blob: Descriptor) -> bytes:
        return self._store.blobs.read_small(blob, CONFIG_LIMIT) or b""

    def _check_stored(self, blob: Descriptor) -> None:
        """What storage copies is hashed by nobody: its length, at least, has to be right."""
        if not self._store.blobs.has(blob):
            raise Damaged(
                self._asked("put together"),
                f"the mirror's blob {blob.digest} is missing, or has not {blob.size} bytes",
                "Pull its image again with force.",
            )

    # how it gets there

    def _stage(self, segment: Segment, staged: dict[str, int]) -> None:
        if staged.get(segment.block) == segment.size:
            self._count(segment, sent=0)
            return
        copied = segment.copied
        asked = self._asked("stage a block of")
        if copied is None:
            self._archives.stage(self._name, segment.block, memoryview(segment.data), asked)
            self._count(segment, sent=segment.size)
            return
        source = self._store.signed_urls.blob(copied.blob.digest)
        self._archives.stage_from(self._name, segment.block, source, copied.offset, copied.length, asked)
        self._count(segment, sent=0)

    def _commit(self, blocks: list[str]) -> None:
        outcome = self._archives.commit(self._name, blocks, None, self._asked("commit"), MEDIA_TYPE)
        if self._is_whole():
            return
        if isinstance(outcome, Lost):
            raise Conflict(self._asked("commit"), "another run has dropped its blocks", "It will be tried again.")
        raise Unavailable(self._asked("commit"), "storage has it in another length", "It will be tried again.")

    def _is_whole(self) -> bool:
        """Whether the archive is there, as long as it has to be (rule B3)."""
        head = self._archives.head(self._name, self._asked("look for"))
        if head is None or head.size != self._total:
            return False
        with self._lock:
            self._done = self._total
            self._blobs = Counter(dict.fromkeys(self._blobs, 0))
        return True

    def _count(self, segment: Segment, sent: int) -> None:
        with self._lock:
            self._done += segment.size
            self._sent += sent
            if segment.copied is not None:
                self._blobs[segment.copied.blob.digest] -= 1

    def figures(self) -> RecordFields:
        with self._lock:
            return {
                "bytes_total": self._total,
                "bytes_done": self._done,
                "bytes_written": self._sent,
                "layers_total": len(self._blobs),
                "layers_done": sum(left == 0 for left in self._blobs.values()),
                "manifests": self._manifests,
                "notes": list(self._absent),
            }

    def tell(self) -> str:
        return f"{len(self._archive.images)} images, {self._total} bytes, {self._sent} of them sent"

    def _asked(self, what: str) -> str:
        return f"{what} the archive {self._archive.id}"
