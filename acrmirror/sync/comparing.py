"""What the mirror lacks of one repository, from the listings of both sides (rules L4 and Y1).

Equal means: every tag of the registry has the same digest in the mirror, and every manifest of the registry, tagged or
not, is there. What the mirror has beyond that says nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from acrmirror.errors import MirrorError
from acrmirror.oci import Manifest, parse_manifest
from acrmirror.reference import Digest, Reference
from acrmirror.registry import Registry
from acrmirror.registry.values import ListedManifest


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing to copy: a tag with the digest that the registry has for it, or a digest alone. `size` as a listing
    gives it; `absent`: the mirror has neither the tag nor the manifest."""

    reference: Reference
    digest: Digest
    size: int | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Mirrored:
    """A repository as the mirror has it: where the registry had its tags (a list of referrers may be longer here, rule
    R1), and what each manifest refers to (None for most)."""

    tags: Mapping[str, Digest]
    manifests: Mapping[Digest, Digest | None]

    def has_tag(self, tag: str, digest: Digest) -> bool:
        return self.tags.get(tag) == digest and digest in self.manifests

    def has(self, digest: Digest) -> bool:
        """Whether a manifest is there and, if it refers to another, can be found from that one."""
        if digest not in self.manifests:
            return False
        subject = self.manifests[digest]
        return subject is None or subject.referrers_tag in self.tags


@dataclass(frozen=True, slots=True)
class Edges:
    """What a manifest points at: the children of an index, and its subject."""

    children: frozenset[Digest] = frozenset()
    subject: Digest | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> "Edges":
        subject = manifest.subject.digest if manifest.subject is not None else None
        return cls(frozenset(it.digest for it in manifest.manifests), subject)


class Comparison:
    """One repository, compared. `chosen` says which of its tags are wanted; without `untagged`, only tags are."""

    def __init__(
        self,
        repository: str,
        listed: Iterable[ListedManifest],
        mirrored: Mirrored,
        chosen: Callable[[str], bool],
        *,
        untagged: bool,
    ) -> None:
        self._repository = repository
        self._listed = list(listed)
        self._mirrored = mirrored
        self._untagged = untagged
        tags = {tag: it.digest for it in self._listed for tag in it.tags if chosen(tag)}
        sizes = {it.digest: it.size for it in self._listed}
        self._chosen = set(tags.values())
        self.tags = len(tags)
        """How many are wanted."""
        self.lacking_tags = [
            Lack(Reference(repository, tag), digest, sizes[digest], self._is_absent(digest, tag))
            for tag, digest in tags.items()
            if not mirrored.has_tag(tag, digest)
        ]

    def lacking_manifests(
        self, read: Callable[[Iterable[Digest]], Mapping[Digest, Edges]], asked: Collection[Digest]
    ) -> list[Lack]:
        """Manifests without a tag that have to be requested by themselves. `asked` are the digests of tags that this
        sweep asks for: their jobs copy what refers to them.

        Left out: the children of an index that the mirror lacks, which come with it (or belong to a tag that is not
        chosen), and what refers to an image whose own job copies it.
        """
        if not self._untagged:
            return []
        # What has a tag is compared by that tag, and is not chosen if the tag is not.
        candidates = [it.digest for it in self._listed if not it.tags and not self._mirrored.has(it.digest)]
        if not candidates:
            return []
        absent = {it.digest for it in self._listed if it.digest not in self._mirrored.manifests}
        unchosen = {it.digest for it in self._listed if it.tags and it.digest in absent} - self._chosen
        edges = read(absent.union(candidates))
        covered = {child for it in edges.values() for child in it.children}
        wanted = {it for it in candidates if it not in covered}
        found = [it for it in candidates if it in wanted and _alone(it, edges, wanted, set(asked), unchosen)]
        sizes = {it.digest: it.size for it in self._listed}
        return [
            Lack(Reference(self._repository, None, it), it, sizes[it], it not in self._mirrored.manifests)
            for it in found
        ]

    @property
    def covered(self) -> bool:
        """Whether each manifest of the listing is in the mirror, or chosen by its tag: then whatever refers to an image
        is there, or is requested by itself."""
        return all(self._mirrored.has(it.digest) or it.digest in self._chosen for it in self._listed)

    def _is_absent(self, digest: Digest, tag: str) -> bool:
        return digest not in self._mirrored.manifests and tag not in self._mirrored.tags


def _alone(
    digest: Digest,
    edges: Mapping[Digest, Edges],
    wanted: Collection[Digest],
    asked: Collection[Digest],
    unchosen: Collection[Digest],
) -> bool:
    """Whether it needs a job of its own. A job copies what refers to its image, and not what refers to that in turn."""
    chain = [digest]
    while (subject := edges.get(chain[-1], Edges()).subject) is not None and subject not in chain:
        if subject in unchosen:
            return False
        if subject in asked:
            # The first in the chain comes along, the second has a job of its own, which copies the third.
            return len(chain) % 2 == 0
        if subject not in wanted:
            break
        chain.append(subject)
    return len(chain) % 2 == 1


def edges_from(source: Registry, repository: str, pool: Executor) -> Callable[[Iterable[Digest]], dict[Digest, Edges]]:
    """Reads manifests of the registry, some beside each other, and keeps only what they point at. What can't be read
    has no edges: its job tells why."""

    def read(digest: Digest) -> Edges:
        try:
            served = source.manifest(repository, digest)
            return Edges.of(parse_manifest(served.raw, served.media_type, digest))
        except MirrorError:
            return Edges()

    def read_all(digests: Iterable[Digest]) -> dict[Digest, Edges]:
        wanted = list(digests)
        return dict(zip(wanted, pool.map(read, wanted), strict=True))

    return read_all
