"""What is shown of an image, and what it is exported from."""

from dataclasses import dataclass

from acrmirror.history import Observation
from acrmirror.oci import Descriptor, Manifest, Platform
from acrmirror.reference import Digest, Reference
from acrmirror.storage import SignedUrl

CONFIG_LIMIT = 4 * 1024 * 1024
BLOBS_LIMIT = 2000
"""Blobs of one answer, each with a signed URL; more come with the next page."""
MANIFESTS_LIMIT = 500
MANIFESTS_BYTES = 8 * 1024 * 1024
"""Of all manifests that one answer is made from, the root included: thousands of real ones. Each is in memory several
times over, as it came and parsed."""
CONFIGS_BYTES = 32 * 1024 * 1024
"""Of all configs that are read for the platforms of one answer, one after another. Those beyond it have none."""
HISTORY_SHOWN = 100
LOOKED_THROUGH = 200
"""Repositories that one request reads the names of: each costs storage a listing."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One manifest of an image, and the platform it is for, where that is known."""

    manifest: Manifest
    platform: Platform | None


@dataclass(frozen=True, slots=True)
class MirroredImage:
    """One image of the mirror. `variants` are an index's images, or the image itself."""

    reference: Reference
    root: Manifest
    variants: tuple[Variant, ...]
    referrers: tuple[Descriptor, ...]
    history: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class MadeOf:
    """All that an image is made of: `manifests` begins with the root, `absent` are foreign layers that its repository
    does not have."""

    manifests: tuple[Manifest, ...]
    blobs: tuple[Descriptor, ...]
    absent: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What an image is made of: `manifests` begins with the root, `absent` are foreign layers that its repository does
    not have. `last` is the digest to go on behind, where there are more blobs."""

    reference: Reference
    platform: Platform | None
    manifests: tuple[Manifest, ...]
    blobs: tuple[tuple[Descriptor, SignedUrl], ...]
    absent: tuple[Descriptor, ...]
    last: Digest | None = None
