"""Images without layers, for tests that need a manifest and no more."""

import json

from acrmirror.oci import OCI_MANIFEST
from acrmirror.reference import Digest
from tests.integration.registry.conftest import Bed


def push(bed: Bed, repository: str, tag: str = "v1", **more: object) -> tuple[bytes, Digest]:
    """An image without layers, tagged; its bytes and digest."""
    with bed.pusher() as pusher:
        config = pusher.blob(repository, b"{}")
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.test", "digest": str(config.digest), "size": 2},
            "layers": [],
            **more,
        }
        raw = json.dumps(body, indent=1).encode()
        return raw, pusher.manifest(repository, raw, OCI_MANIFEST, tag).digest
