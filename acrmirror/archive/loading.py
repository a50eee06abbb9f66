"""Whether `docker load` can take an image, and why not.

docker reads the config whatever its media type is, and asks of it: that it lists as many layers as there are, each a
tar that hashes to its diff id once it is unpacked, and an operating system that the daemon runs, or none.
"""

import re

from acrmirror.oci import Descriptor, Manifest
from acrmirror.oci.media import GENERIC_TYPES, plain_type
from acrmirror.platforms import json_object
from acrmirror.reference import Digest, shown

LOADED_CONFIG_LIMIT = 64 * 1024 * 1024
"""Bytes of a config that are read for the verdict."""
SYSTEMS = ("", "linux", "windows", "freebsd")
"""Of configs that a docker daemon takes; an empty one counts as its own."""
_TAR = re.compile(r"[.+/-](?:x-)?g?tar(?:[.+]|$)")


def unloadable(manifest: Manifest, config: bytes | None, absent: frozenset[Digest] = frozenset()) -> str | None:
    """Why `docker load` can't take an image; None if it can. `config` is None where it is too large to be read."""
    if manifest.is_index:
        return "it is an index that has no image for this platform"
    if manifest.config is None:
        return "it is an artifact, which has no config"
    if config is None:
        return f"its config has {manifest.config.size} bytes, which is more than is read here"
    document = json_object(config)
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(rootfs, dict) or not isinstance(diff_ids, list | None):
        return f"its config ({shown(manifest.config.media_type)}) is no container image's: it lists no rootfs"
    system = document.get("os", "")
    if system not in SYSTEMS:
        return f"its config says that it is for {shown(system, 40)}, which docker does not run"
    return _layers_problem(manifest, len(diff_ids or []), absent)


def _layers_problem(manifest: Manifest, listed: int, absent: frozenset[Digest]) -> str | None:
    foreign = next((it for it in manifest.layers if it.digest in absent), None)
    if foreign is not None:
        return f"the registry does not have its foreign layer {foreign.digest}"
    other = next((it for it in manifest.layers if not _is_tar(it)), None)
    if other is not None:
        return f"its layer {other.digest} is no tar: it is {shown(other.media_type)}"
    if listed != len(manifest.layers):
        return f"its config lists {listed} layers, and its manifest {len(manifest.layers)}"
    return None


def _is_tar(layer: Descriptor) -> bool:
    """By its type: a type that says nothing is one that docker would look into."""
    media_type = plain_type(layer.media_type)
    return media_type in GENERIC_TYPES or ("encrypted" not in media_type and _TAR.search(media_type) is not None)
