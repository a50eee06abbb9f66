"""The index behind a referrers tag (distribution-spec "referrers tag schema").

The same descriptors give the same bytes on every machine, so that workers that merge at once arrive at one digest.
"""

import json
from collections.abc import Iterable

from acrmirror.errors import Malformed, TooLarge
from acrmirror.moments import nine_digits
from acrmirror.oci.media import OCI_INDEX
from acrmirror.oci.values import MAX_MANIFEST_SIZE, Descriptor, Manifest

CREATED = "org.opencontainers.image.created"


def is_referrers_index(manifest: Manifest) -> bool:
    """Whether it can be what the referrers tag schema keeps: an OCI index without a subject that lists manifests, none
    of them for a platform (that is an image that happens to have such a tag)."""
    return (
        manifest.media_type == OCI_INDEX
        and manifest.subject is None
        and not manifest.blobs
        and all(entry.platform is None for entry in manifest.manifests)
    )


def merge_referrers(*lists: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """The union, each digest once, sorted by digest. Of two entries for one digest the one that says more is kept."""
    merged: dict[str, tuple[tuple[bool, int, str], Descriptor]] = {}
    for descriptor in (entry for entries in lists for entry in entries):
        rank = (descriptor.artifact_type is not None, len(descriptor.annotations), _entry(descriptor))
        key = str(descriptor.digest)
        if key not in merged or merged[key][0] < rank:
            merged[key] = (rank, descriptor)
    return tuple(merged[key][1] for key in sorted(merged))


def referrers_index(descriptors: Iterable[Descriptor]) -> bytes:
    """An OCI index of these: media type, digest, size, artifact type and all annotations of each.

    Over 4 MiB, annotations are dropped, those of the oldest entries first (by `org.opencontainers.image.created`; an
    entry without it counts as oldest). Raises TooLarge if even that does not do.
    """
    entries = {str(entry.digest): entry for entry in merge_referrers(descriptors)}
    written = {key: _entry(entry) for key, entry in entries.items()}
    commas = max(len(written) - 1, 0)
    total = len(_index([])) + commas + sum(len(text.encode()) for text in written.values())
    if total > MAX_MANIFEST_SIZE:
        for key in sorted(entries, key=lambda key: (_created(entries[key]), key)):
            shorter = _entry(entries[key], annotations=False)
            total -= len(written[key].encode()) - len(shorter.encode())
            written[key] = shorter
            if total <= MAX_MANIFEST_SIZE:
                break
        else:
            raise TooLarge(
                f"list {len(entries)} referrers in one index",
                "without any annotation it still has over 4 MiB",
                "Remove referrers that are no longer needed from the registry.",
            )
    return _index(written[key] for key in sorted(written))


def _index(entries: Iterable[str]) -> bytes:
    return f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{",".join(entries)}]}}'.encode()


def _entry(descriptor: Descriptor, annotations: bool = True) -> str:
    fields: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.artifact_type:
        fields["artifactType"] = descriptor.artifact_type
    if annotations and descriptor.annotations:
        fields["annotations"] = dict(sorted(descriptor.annotations.items()))
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _created(descriptor: Descriptor) -> str:
    try:
        return nine_digits(descriptor.annotations.get(CREATED, ""))
    except Malformed:
        return ""
