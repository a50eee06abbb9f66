"""Blobs that are moved from the registry in memory to the mirror in memory."""

import random
import threading
from collections.abc import Callable
from typing import Any

from acrmirror.copying import Context, move_blobs
from acrmirror.errors import MirrorError
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from tests.in_memory import AT, Mirror, Registry

REPOSITORY = "team/app"


def blobs(*sizes: int) -> tuple[list[Descriptor], dict[Digest, bytes]]:
    contents = {}
    descriptors = []
    for number, size in enumerate(sizes):
        data = random.Random(number).randbytes(size)
        digest = Digest.of(data)
        contents[digest] = data
        descriptors.append(Descriptor("application/octet-stream", digest, size))
    return descriptors, contents


def of(contents: dict[Digest, bytes], before: Callable[[int], None] = lambda offset: None) -> Registry:
    """A registry that has these blobs; `before` each read at an offset."""
    registry = Registry()
    registry.blobs, registry.reads.before = dict(contents), before
    return registry


def opened(registry: Registry) -> list[Digest | str]:
    """What was read, in order."""
    return [what for kind, what in registry.asked if kind == "blob"]


def move(
    registry: Registry, mirror: Mirror, descriptors: list[Descriptor], context: Context
) -> dict[Digest, MirrorError]:
    return move_blobs(registry, mirror.target.blobs, REPOSITORY, descriptors, context)


def run(registry: Registry, mirror: Mirror, descriptors: list[Descriptor], **options: Any) -> Context:
    context = Context("job", AT, **options)
    for descriptor in descriptors:
        context.progress.plan(descriptor)
    assert move(registry, mirror, descriptors, context) == {}
    assert mirror.links >= {(REPOSITORY, descriptor.digest) for descriptor in descriptors}
    return context


def within(seconds: float, work: Callable[[], object]) -> None:
    """Fails instead of hanging: a stalled pool would never come back."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it stalled"
