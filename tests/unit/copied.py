"""Copies from the registry in memory to the mirror in memory."""

from typing import Any

from acrmirror.copying import Context, Copied, copy_image
from acrmirror.reference import Digest, Reference
from tests.in_memory import AT, Mirror, Registry

REPOSITORY = "team/app"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def copy(registry: Registry, mirror: Mirror, digest: Digest | None, tag: str | None = None, **options: Any) -> Copied:
    options.setdefault("threads", 4)
    context = options.pop("context", None) or Context("job", AT, **options)
    return copy_image(registry, mirror.target, Reference(REPOSITORY, tag, digest), context)


def whole(registry: Registry, mirror: Mirror, digest: Digest | None, tag: str | None = None, **options: Any) -> Copied:
    copied = copy(registry, mirror, digest, tag, **options)
    assert copied.failures == []
    assert mirror.lacks(REPOSITORY) == []
    return copied


def foreign(registry: Registry, data: bytes = b"foreign") -> dict[str, Any]:
    return registry.blob_of(data, FOREIGN) | {"urls": ["https://example.com/layer"]}
