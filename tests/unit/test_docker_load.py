"""What `docker load` takes: the verdict says yes to that, and of anything else why not."""

import json
import re
from typing import Any

import pytest

from acrmirror.archive import unloadable
from acrmirror.oci import EMPTY_JSON, OCI_EMPTY, Manifest, parse_manifest
from testkit.images import SHAPES
from testkit.images.build import OCI_CONFIG
from testkit.images.values import Draft, entries, entry

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI = "application/vnd.oci.image.manifest.v1+json"


def _image(config: Any, layers: list[str], config_type: str = OCI_CONFIG) -> tuple[Manifest, bytes]:
    draft = Draft()
    listed = [draft.blob(f"{n} {kind}".encode(), kind) for n, kind in enumerate(layers)]
    raw = config if isinstance(config, bytes) else json.dumps(config).encode()
    body = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": entry(draft.blob(raw, config_type)),
        "layers": entries(listed),
    }
    root = draft.manifest(body)
    return parse_manifest(draft.image(root).manifest(root.digest).raw, OCI), raw


def _config(count: int, **more: Any) -> dict[str, Any]:
    return {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": ["sha256:x"] * count}} | more


@pytest.mark.parametrize(
    ("config", "layers", "config_type"),
    [
        (_config(1), [LAYER], OCI_CONFIG),
        ({"rootfs": {"diff_ids": ["x"]}}, [LAYER], OCI_CONFIG),
        (_config(1, os=""), [LAYER], OCI_CONFIG),
        (_config(1, os="windows"), [LAYER], OCI_CONFIG),
        (_config(1), [LAYER], "application/octet-stream"),
        (_config(1), [LAYER], "text/html"),
        (_config(1), [LAYER], "application/json"),
        (_config(1, history=[{"comment": "x" * 5_000_000}]), [LAYER], OCI_CONFIG),
        (_config(1), ["application/octet-stream"], OCI_CONFIG),
        (_config(2), ["application/vnd.docker.image.rootfs.diff.tar.gzip", "application/x-tar"], OCI_CONFIG),
        (_config(1), ["application/vnd.docker.container.image.rootfs.diff+x-gtar"], OCI_CONFIG),
        (_config(1), ["application/vnd.oci.image.layer.v1.tar"], OCI_CONFIG),
        (_config(0), [], OCI_CONFIG),
        ({"os": "linux", "rootfs": {"type": "layers"}}, [], OCI_CONFIG),
    ],
)
def test_docker_takes_what_has_an_images_config_and_layers(config: Any, layers: list[str], config_type: str) -> None:
    assert unloadable(*_image(config, layers, config_type)) is None


@pytest.mark.parametrize(
    ("config", "layers", "reason"),
    [
        (_config(1), [f"{LAYER}+encrypted"], "is no tar: it is .*encrypted"),
        (_config(2), ["application/vnd.oci.image.layer.nydus.blob.v1", LAYER], "is no tar: it is .*nydus"),
        (_config(1, os="unknown"), ["application/vnd.in-toto+json"], "for 'unknown', which docker does not run"),
        (_config(1), ["application/vnd.in-toto+json"], "is no tar: it is .*in-toto"),
        (_config(1, os="wasip1"), [LAYER], "for 'wasip1'"),
        (_config(1), ["application/wasm"], "is no tar: it is 'application/wasm'"),
        (_config(1, os="", architecture=""), ["application/vnd.dev.cosign.simplesigning.v1+json"], "is no tar"),
        (_config(1, os=["linux"]), [LAYER], "which docker does not run"),
        (_config(3), [LAYER], "lists 3 layers, and its manifest 1"),
        ({"name": "chart"}, [LAYER], "lists no rootfs"),
        (b"no json", [LAYER], "lists no rootfs"),
        (b"[" * 300_000, [LAYER], "lists no rootfs"),
        ({"rootfs": {"diff_ids": 3}}, [LAYER], "lists no rootfs"),
    ],
)
def test_of_anything_else_it_says_why_not(config: Any, layers: list[str], reason: str) -> None:
    told = unloadable(*_image(config, layers))
    assert told is not None
    assert re.search(reason, told), told


def test_a_config_too_large_an_artifact_and_an_index_are_told_as_such() -> None:
    manifest, _ = _image(_config(1), [LAYER])
    assert "more than is read here" in (unloadable(manifest, None) or "")
    assert "no rootfs" in (unloadable(_image(EMPTY_JSON, [LAYER], OCI_EMPTY)[0], EMPTY_JSON) or "")
    for shape, reason in (("oci-index", "has no image for this platform"), ("artifact-manifest", "has no config")):
        root = SHAPES[shape]().root
        raw = SHAPES[shape]().manifest(root.digest).raw
        assert reason in (unloadable(parse_manifest(raw, root.media_type), b"") or "")


def test_a_foreign_layer_that_is_nowhere_is_named() -> None:
    manifest, config = _image(_config(1), ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"])
    assert str(manifest.layers[0].digest) in (
        unloadable(manifest, config, frozenset({manifest.layers[0].digest})) or ""
    )
    assert unloadable(manifest, config) is None
