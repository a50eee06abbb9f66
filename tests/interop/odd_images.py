"""Images that real registries hold and that are none of the usual: each as a client pushes it."""

import json
from collections.abc import Sequence
from typing import Any

from acrmirror.oci import EMPTY_JSON, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Descriptor
from testkit.images.artifacts import add_artifact
from testkit.images.build import OCI_CONFIG
from testkit.images.layers import OCI_TYPES, make_layer
from testkit.images.values import Draft, Image, entries, entry

HOSTILE_SYSTEM = "li[/bold]\x1b[2J\nnux"


def _layer(draft: Draft, name: str) -> tuple[Descriptor, str]:
    made = make_layer(name, 4096)
    return draft.content(made.content, made.digest, OCI_TYPES["gzip"]), str(made.diff_id)


def _image(draft: Draft, name: str, platform: dict[str, Any], config_type: str = OCI_CONFIG, **more: Any) -> Descriptor:
    layer, diff_id = _layer(draft, name)
    config = platform | {"rootfs": {"type": "layers", "diff_ids": [diff_id]}, "config": {}} | more
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": entry(draft.blob(json.dumps(config).encode(), config_type)),
        "layers": [entry(layer)],
    }
    return draft.manifest(body)


def _tagged(draft: Draft, root: Descriptor) -> Image:
    return draft.image(root).tagged("v1")


def _index(draft: Draft, children: Sequence[dict[str, Any]]) -> Image:
    return _tagged(draft, draft.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children)}))


def one(platform: dict[str, Any], config_type: str = OCI_CONFIG, **more: Any) -> Image:
    draft = Draft()
    return _tagged(draft, _image(draft, f"{platform} {config_type}", platform, config_type, **more))


def windows() -> Image:
    """Two builds of Windows."""
    draft = Draft()
    listed = []
    for build in ("10.0.17763.1", "10.0.20348.2"):
        platform = {"os": "windows", "architecture": "amd64", "os.version": build}
        listed.append(entry(_image(draft, build, platform)) | {"platform": platform})
    return _index(draft, listed)


def hostile() -> Image:
    draft = Draft()
    platform = {"os": HOSTILE_SYSTEM, "architecture": "[link=x]"}
    return _index(draft, [entry(_image(draft, "hostile", platform)) | {"platform": platform}])


def nydus() -> Image:
    """An index whose first entry for linux/amd64 asks for a feature that docker lacks."""
    draft = Draft()
    platform = {"os": "linux", "architecture": "amd64"}
    features = {"os.features": ["nydus.remoteimage.v1"]}
    first = _image(draft, "nydus", platform | features)
    return _index(
        draft,
        [
            entry(first) | {"platform": platform | features},
            entry(_image(draft, "plain", platform)) | {"platform": platform},
        ],
    )


def build_cache() -> Image:
    """As BuildKit exports one: an index that lists layers and a config."""
    draft = Draft()
    layers = [_layer(draft, f"cache {number}")[0] for number in range(2)]
    config = draft.blob(b'{"layers":[],"records":[]}', "application/vnd.buildkit.cacheconfig.v0")
    return _index(draft, entries([*layers, config]))


def artifacts() -> Image:
    draft = Draft()
    kinds = ("application/vnd.example.model", "application/vnd.example.notes")
    return _index(draft, entries([add_artifact(draft, kind, kind, kind.encode()) for kind in kinds]))


def manifest_as_layer() -> Image:
    """An index with an image, and an artifact whose layer is that image's manifest."""
    draft = Draft()
    image = _image(draft, "kept", {"os": "linux", "architecture": "amd64"})
    raw = draft.image(image).manifest(image.digest).raw
    kept = draft.blob(raw, "application/octet-stream")
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.kept",
        "config": entry(draft.blob(EMPTY_JSON, OCI_EMPTY)),
        "layers": [entry(kept)],
    }
    return _index(draft, entries([image, draft.manifest(body)]))
