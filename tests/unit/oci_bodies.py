"""Bodies of manifests, as registries serve them."""

import json
from typing import Any

from acrmirror.oci import OCI_INDEX, OCI_MANIFEST
from acrmirror.reference import Digest

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def entry(content: bytes = b"x", media_type: str = LAYER, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content, algorithm)), "size": len(content), **more}


def image(media_type: str = OCI_MANIFEST, **changes: Any) -> dict[str, Any]:
    body = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": entry(b"{}", CONFIG),
        "layers": [entry(b"one"), entry(b"two")],
    }
    return {key: value for key, value in (body | changes).items() if value is not ...}


def index(media_type: str = OCI_INDEX, **changes: Any) -> dict[str, Any]:
    child = entry(b"child", OCI_MANIFEST, platform={"os": "linux", "architecture": "arm64", "variant": "v8"})
    body = {"schemaVersion": 2, "mediaType": media_type, "manifests": [child]}
    return {key: value for key, value in (body | changes).items() if value is not ...}


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()
