"""The values that flow through the mirror. Only checked content is made into them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from acrmirror.oci.media import FOREIGN_LAYER_TYPES, INDEX_TYPES, plain_type
from acrmirror.reference import Digest

MAX_MANIFEST_SIZE = 4 * 1024 * 1024
"""Bytes; the limit of the distribution specification's registries, ACR's among them."""
MAX_MANIFESTS = 10_000
MAX_BLOBS = 100_000
MAX_GRAPH_BYTES = 64 * 1024 * 1024
"""Limits of one graph: how many of each it may have, and what its manifests may weigh, which are kept until written."""
MAX_BLOB_SIZE = 312 * 1024**3
"""Bytes; the registry's own limit is 200 GiB. The size that a manifest says decides about block size, and so memory."""
MAX_DEPTH = 8
"""How many indexes may be nested in one another."""


@dataclass(frozen=True, slots=True)
class Platform:
    """image-spec "platform object"; docker's `features` are kept in the raw bytes only."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As containerd writes it: `linux/arm/v7`, `windows(10.0.20348+feature)/amd64`."""
        more = "+".join((self.os_version or "", *self.os_features))
        system = f"{self.os}({more})" if more else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """image-spec "content descriptor". `urls` are never called; `data` was checked against digest and size."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    platform: Platform | None = None
    urls: tuple[str, ...] = ()
    data: bytes | None = field(default=None, repr=False)

    @property
    def is_foreign(self) -> bool:
        """A layer that its registry may list without having it."""
        return plain_type(self.media_type) in FOREIGN_LAYER_TYPES

    @property
    def is_empty(self) -> bool:
        """Zero bytes, and the digest says so too."""
        return self.size == 0 and self.digest == Digest.of(b"", self.digest.algorithm)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest or index of any kind that the mirror takes, next to the very bytes that it was read from.

    `media_type` has no parameters. `blobs` is the config, then the layers (an artifact manifest's blobs), in order and
    with duplicates kept; for an index it is the entries that are no manifests, as build caches have them. `manifests`
    are an index's children. `unservable` says why a stock registry can't serve the manifest, where that is known.
    """

    media_type: str
    digest: Digest
    raw: bytes = field(repr=False)
    config: Descriptor | None = None
    blobs: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    unservable: str | None = None

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEX_TYPES

    @property
    def size(self) -> int:
        return len(self.raw)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The blobs without the config."""
        return self.blobs if self.config is None else self.blobs[1:]

    def descriptor(self) -> Descriptor:
        """How a list of referrers names this manifest.

        distribution-spec "listing referrers": the artifact type is the manifest's own, else its config's media type.
        """
        artifact_type = self.artifact_type or (self.config.media_type if self.config is not None else None)
        return Descriptor(self.media_type, self.digest, len(self.raw), artifact_type, self.annotations)
