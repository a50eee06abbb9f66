"""A pull of some platforms of an image: these are copied, and what lists them all is not (rule L1)."""

from collections.abc import Sequence

from acrmirror.copying.context import Context
from acrmirror.copying.copied import Copied
from acrmirror.copying.image import copy_image
from acrmirror.copying.ports import Source, Target
from acrmirror.errors import NoSuchPlatform
from acrmirror.oci import Manifest, parse_manifest
from acrmirror.platforms import choose, normal, parse_platform
from acrmirror.reference import Digest, Reference


def copy_platforms(
    source: Source, target: Target, reference: Reference, platforms: Sequence[str], context: Context
) -> Copied:
    """Mirrors the images of an index that docker would take on each of `platforms`.

    The index and the tag are written only if all that the index lists is in the mirror by then; anything that is no
    index is mirrored as ever. Raises NoSuchPlatform.
    """
    repository, digest = reference.repository, reference.digest
    if digest is None:
        digest = source.resolve(Reference(repository, reference.tag)).descriptor.digest
    served = source.manifest(repository, digest)
    root = parse_manifest(served.raw, served.media_type, digest)
    if not root.is_index:
        return copy_image(source, target, reference, context)
    whole = Copied()
    for text in platforms:
        child = _child(root, text, reference)
        _add(whole, copy_image(source, target, Reference(repository, None, child), context), text)
    if not whole.failures and all(target.manifests.revision(repository, it.digest) for it in root.manifests):
        return copy_image(source, target, reference, context)
    whole.notes.append(f"{digest} lists more than was requested: neither it nor the tag is set")
    return whole


def _child(root: Manifest, text: str, reference: Reference) -> Digest:
    images = [(it.digest, it.platform) for it in root.manifests]
    chosen = choose(images, parse_platform(text))
    if chosen is None:
        known = sorted({str(normal(it)) for _, it in images if it is not None and it.os != "unknown"})
        raise NoSuchPlatform(
            f"choose {text} of {reference}", f"it has {', '.join(known) or 'no platforms'}", "Ask for one of these."
        )
    return chosen


def _add(whole: Copied, copied: Copied, platform: str) -> None:
    whole.digest = copied.digest or whole.digest
    whole.referrers += copied.referrers
    whole.left_out.update(copied.left_out)
    whole.notes += [f"{platform}: {copied.digest}", *copied.notes]
    whole.digest_failure = whole.digest_failure or copied.digest_failure
    whole.referrers_failure = whole.referrers_failure or copied.referrers_failure
