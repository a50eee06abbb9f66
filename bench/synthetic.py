"""One image of made-up bytes: any part of a layer of any size at once, and a digest that is made once.

A layer is a pseudorandom MiB, again and again, each time with its number stamped into it, so that no two blocks of it
are equal. It begins like a gzip file, for clients that look at the first bytes to decide whether to compress it.
"""

import hashlib
import json
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

UNIT = 1024 * 1024
_GZIP = bytes.fromhex("1f8b08000000000000ff")
_STAMP = slice(16, 24)
_VERSION = 1
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Bytes:
    """A layer's bytes, one unit at a time, in a buffer of its own: one for each thread that reads."""

    def __init__(self) -> None:
        self._unit = bytearray(_GZIP + random.Random(_VERSION).randbytes(UNIT - len(_GZIP)))
        self._view = memoryview(self._unit)

    def piece(self, offset: int, limit: int) -> memoryview:
        """Bytes from `offset` on, to the end of their unit, of which there are `limit` in all; valid until the next."""
        number, start = divmod(offset, UNIT)
        self._unit[_STAMP] = number.to_bytes(8)
        return self._view[start : min(UNIT, start + limit)]


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one layer."""

    repository: str
    tag: str
    manifest: bytes
    manifest_digest: str
    config: bytes
    config_digest: str
    layer_digest: str
    layer_size: int


def make_image(layer_size: int, repository: str = "bench/image", tag: str = "one") -> Image:
    layer_digest = digest_of_layer(layer_size)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            "history": [{"created_by": "bench"}],
        }
    ).encode()
    config_digest = _sha256(config)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": config_digest, "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": layer_digest, "size": layer_size}],
        }
    ).encode()
    return Image(repository, tag, manifest, _sha256(manifest), config, config_digest, layer_digest, layer_size)


def digest_of_layer(size: int) -> str:
    """The digest of a layer of that size, kept in the temporary folder for the next run."""
    kept = Path(tempfile.gettempdir()) / f"acrmirror-bench-layer-{_VERSION}-{size}.sha256"
    if kept.is_file() and len(text := kept.read_text(encoding="ascii")) == len("sha256:") + 64:
        return text
    source, hasher, offset = Bytes(), hashlib.sha256(), 0
    while offset < size:
        piece = source.piece(offset, size - offset)
        hasher.update(piece)
        offset += len(piece)
    digest = "sha256:" + hasher.hexdigest()
    kept.write_text(digest, encoding="ascii")
    return digest


def _sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
