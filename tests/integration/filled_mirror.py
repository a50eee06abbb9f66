"""Images put into a mirror by its own parts, without a registry."""

from collections.abc import Iterable

from acrmirror.history import Observation
from acrmirror.mirror import MirrorStore
from acrmirror.moments import Moment
from acrmirror.oci import Descriptor, Manifest, parse_manifest
from acrmirror.reference import Reference
from testkit.images import Image

AT = Moment("2026-04-25T12:00:00.000000000Z")


def parsed(image: Image) -> Iterable[Manifest]:
    for stored in image.manifests:
        yield parse_manifest(stored.raw, stored.descriptor.media_type, stored.descriptor.digest)


def fill(store: MirrorStore, repository: str, image: Image, at: Moment = AT) -> Image:
    """As if it had been pushed at that moment: content, links, history, tags, lists of referrers."""
    for blob in image.blobs:
        store.blobs.put(blob.content.read(), blob.descriptor.digest)
        store.blobs.link(repository, blob.descriptor)
    tags = {it.descriptor.digest: it.tag for it in image.manifests}
    for manifest in parsed(image):
        store.manifests.write(repository, manifest)
        tag = tags[manifest.digest]
        seen = Observation(at, manifest.digest, f"push-{manifest.digest.encoded[:8]}", "event")
        store.history.observe(Reference(repository, tag, manifest.digest), seen)
        if tag is not None:
            set_tag(store, repository, tag, manifest.descriptor(), at)
        if manifest.subject is not None:
            store.referrers.add(repository, manifest.subject.digest, [manifest.descriptor()], at)
    return image


def set_tag(store: MirrorStore, repository: str, tag: str, descriptor: Descriptor, at: Moment) -> None:
    store.tags.set(repository, tag, descriptor, at, store.tags.read(repository, tag))
