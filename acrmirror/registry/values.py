"""What a registry gives, as values."""

from dataclasses import dataclass

from acrmirror.history import Clock
from acrmirror.moments import Moment
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a tag or a digest names, and when the registry said so by its own clock, or by this machine's (`clock`
    is `mirror`) where its time could not be believed."""

    descriptor: Descriptor
    at: Moment
    clock: Clock = "registry"


@dataclass(frozen=True, slots=True)
class ManifestBytes:
    """A manifest as it came, with the registry's content type."""

    raw: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class ListedManifest:
    """A line of a repository's listing. `size` is of all its blobs, in bytes; None where the registry does not say."""

    digest: Digest
    tags: tuple[str, ...]
    updated: Moment | None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ListedTag:
    tag: str
    digest: Digest
    updated: Moment | None
