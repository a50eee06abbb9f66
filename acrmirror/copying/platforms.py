"""A pull of some platforms of an image: these are copied, and what lists them all is not (rule L1)."""

from collections.abc import Sequence

from acrmirror.copying.context import Context
from acrmirror.copying.copied import Copied
from acrmirror.copying.image import copy_image
from acrmirror.copying.ports import ContentSource, Source, Target
from acrmirror.errors import NoSuchPlatform, NotFound
from acrmirror.oci import INDEX_TYPES, MAX_DEPTH, MAX_MANIFESTS, Manifest, Platform, parse_manifest
from acrmirror.platforms import choose, is_known, offered, parse_platform, platform_of
from acrmirror.reference import Digest, Reference

CONFIG_LIMIT = 4 * 1024 * 1024
"""Bytes of a config that is read for its platform."""


def copy_platforms(
    source: Source, target: Target, reference: Reference, platforms: Sequence[str], context: Context
) -> Copied:
    """Mirrors the images of an index that docker would take on each of `platforms`.

    The index and the tag are written only if all that the index lists is in the mirror by then. What is no index is
    mirrored as ever, if it is for each of `platforms`, or for none at all, as artifacts are. Raises NoSuchPlatform.
    """
    context.admitted()
    repository, digest = reference.repository, reference.digest
    if digest is None:
        digest = source.resolve(Reference(repository, reference.tag)).descriptor.digest
    served = source.manifest(repository, digest)
    root = parse_manifest(served.raw, served.media_type, digest)
    images = _images(source, repository, root)
    if not root.is_index:
        if is_known(images[0][1]):
            for text in platforms:
                _chosen(images, text, reference)
        return copy_image(source, target, reference, context)
    whole = Copied()
    for text in platforms:
        child = _chosen(images, text, reference)
        _add(whole, copy_image(source, target, Reference(repository, None, child), context), text)
    if not whole.failures and all(target.manifests.revision(repository, it.digest) for it in root.manifests):
        return copy_image(source, target, reference, context)
    whole.notes.append(f"{digest} lists more than was requested: neither it nor the tag is set")
    return whole


def _images(
    source: ContentSource, repository: str, manifest: Manifest, depth: int = 0
) -> list[tuple[Digest, Platform | None]]:
    """The images behind a manifest, those of nested indexes among them, each with the platform that its entry states,
    or else its config."""
    if not manifest.is_index:
        return [(manifest.digest, _stated(source, repository, manifest))]
    found: list[tuple[Digest, Platform | None]] = []
    for entry in manifest.manifests[:MAX_MANIFESTS]:
        nested = entry.media_type in INDEX_TYPES
        if not nested and is_known(entry.platform):
            found.append((entry.digest, entry.platform))
        elif depth < MAX_DEPTH and (child := _read(source, repository, entry.digest)) is not None:
            found += _images(source, repository, child, depth + 1)
    return found


def _read(source: ContentSource, repository: str, digest: Digest) -> Manifest | None:
    """None for what the registry lacks: others may be chosen all the same."""
    try:
        served = source.manifest(repository, digest)
    except NotFound:
        return None
    return parse_manifest(served.raw, served.media_type, digest)


def _stated(source: ContentSource, repository: str, manifest: Manifest) -> Platform | None:
    config = manifest.config
    if config is None or not 0 < config.size <= CONFIG_LIMIT:
        return None
    raw = bytearray(config.size)
    try:
        with source.blob(repository, config) as reader:
            reader.read_into(0, memoryview(raw), lambda _: None)
    except NotFound:
        return None
    return platform_of(bytes(raw))


def _chosen(images: Sequence[tuple[Digest, Platform | None]], text: str, reference: Reference) -> Digest:
    chosen = choose(images, parse_platform(text))
    if chosen is None:
        raise NoSuchPlatform(
            f"choose {text} of {reference}", offered(it for _, it in images), "Choose one of these, or all of it."
        )
    return chosen


def _add(whole: Copied, copied: Copied, platform: str) -> None:
    whole.digest = copied.digest or whole.digest
    whole.referrers += copied.referrers
    whole.left_out.update(copied.left_out)
    whole.notes += [f"{platform}: {copied.digest}", *copied.notes]
    whole.digest_failure = whole.digest_failure or copied.digest_failure
    whole.referrers_failure = whole.referrers_failure or copied.referrers_failure
