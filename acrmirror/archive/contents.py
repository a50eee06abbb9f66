"""What an archive has in it: an OCI layout (image-spec "image layout") that `docker load` reads as well.

Both name the same files under `blobs/`, as docker's own archives have done since version 25: `index.json` and
`oci-layout` for one reader, `manifest.json` for the other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acrmirror.archive.loading import unloadable
from acrmirror.oci import Descriptor, Manifest, Platform
from acrmirror.platforms import choose, is_known, platform_of
from acrmirror.reference import Digest

CONFIG_LIMIT = 4 * 1024 * 1024
LAYOUT_VERSION = b'{"imageLayoutVersion": "1.0.0"}'
REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True)
class Exported:
    """An image on its way into an archive.

    `manifests` has everything that is reachable from `root`, root included. `name` is what docker shall call it
    (`demo.azurecr.io/team/app:1.2`), `tag` what an OCI layout calls it. `absent` are layers that the mirror does
    not have (foreign ones). `docker` is the image that `docker load` gets, with its config's bytes, if there is one;
    `unloadable` says why there is none. `platform` is what the config of a root that is one image states.
    """

    root: Manifest
    manifests: tuple[Manifest, ...]
    name: str | None = None
    tag: str | None = None
    absent: frozenset[Digest] = frozenset()
    docker: tuple[Manifest, bytes] | None = None
    unloadable: str | None = None
    platform: Platform | None = None

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What has to be fetched, each once, in the order of the manifests."""
        known: dict[Digest, Descriptor] = {}
        for manifest in self.manifests:
            for blob in manifest.blobs:
                if blob.digest not in self.absent:
                    known.setdefault(blob.digest, blob)
        return tuple(known.values())


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the archive: small ones have their bytes here, a blob's are fetched."""

    name: str
    data: bytes = b""
    blob: Descriptor | None = None

    @property
    def size(self) -> int:
        return self.blob.size if self.blob is not None else len(self.data)


def image_parts(image: Exported) -> list[Part]:
    """The files of an archive of one image."""
    return archive_parts([image])


def archive_parts(images: Sequence[Exported]) -> list[Part]:
    """The archive's files, in their order: what describes it first, so that a stream's reader knows what comes. The
    same images give the same archive, byte for byte. What several of them have is in it once."""
    several = len(images) > 1
    entries = [index_entry(image, in_full=several) for image in images]
    loads = [_docker_entry(image, image.docker[0]) for image in images if image.docker is not None]
    parts = [Part("oci-layout", LAYOUT_VERSION), Part("index.json", _json(layout_index(entries)))]
    if loads:
        parts.append(Part("manifest.json", _json(loads)))
    parts += content_parts(*images)
    return parts


def content_parts(*images: Exported) -> list[Part]:
    """The files under `blobs/` alone, manifests first."""
    manifests = {manifest.digest: manifest for image in images for manifest in image.manifests}
    blobs: dict[Digest, Descriptor] = {}
    for image in images:
        for blob in image.blobs:
            blobs.setdefault(blob.digest, blob)
    parts = [Part(blob_path(digest), manifest.raw) for digest, manifest in manifests.items()]
    parts += [Part(blob_path(digest), blob=blob) for digest, blob in blobs.items() if digest not in manifests]
    return parts


def blob_path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"


def layout_index(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": list(entries),
    }


def index_entry(image: Exported, *, in_full: bool = False) -> dict[str, Any]:
    """How `index.json` lists the image. Readers choose by the reference name, which is the tag; or, `in_full`, the
    whole name: images of several repositories may have one tag."""
    annotations = {IMAGE_NAME: image.name, REF_NAME: image.name if in_full and image.tag else image.tag}
    entry: dict[str, Any] = {
        "mediaType": image.root.media_type,
        "digest": str(image.root.digest),
        "size": image.root.size,
    }
    named = {key: value for key, value in annotations.items() if value}
    if named:
        entry["annotations"] = named
    return entry


def _docker_entry(image: Exported, manifest: Manifest) -> dict[str, Any]:
    assert manifest.config is not None  # noqa: S101 - `unloadable` saw it
    return {
        "Config": blob_path(manifest.config.digest),
        "RepoTags": [image.name] if image.name and image.tag else [],
        "Layers": [blob_path(layer.digest) for layer in manifest.layers],
    }


def exported(
    manifests: Sequence[Manifest],
    name: str | None,
    tag: str | None,
    absent: frozenset[Digest],
    read_blob: Callable[[Descriptor], bytes],
    docker: Platform,
    config_limit: int = CONFIG_LIMIT,
) -> Exported:
    """An image of `manifests`, the root first. Of several images docker loads the one for the platform `docker`; its
    config, of up to `config_limit` bytes, is read to see whether it can."""
    root = manifests[0]
    images = images_of(root, {it.digest: it for it in manifests})
    chosen = root if not root.is_index else choose(images, docker) or root
    config: bytes | None = b""
    if chosen.config is not None:
        config = read_blob(chosen.config) if chosen.config.size <= config_limit else None
    problem = unloadable(chosen, config, absent)
    loads = (chosen, config) if problem is None and config is not None else None
    platform = platform_of(config) if config and not root.is_index else None
    return Exported(root, tuple(manifests), name, tag, absent, loads, problem, platform)


def images_of(root: Manifest, manifests: Mapping[Digest, Manifest]) -> list[tuple[Manifest, Platform | None]]:
    """The images behind a root in an index's order, nested ones included, each with the platform that its entry
    states; a root that is no index is itself the only one."""
    found: list[tuple[Manifest, Platform | None]] = []
    seen: set[Digest] = set()

    def visit(manifest: Manifest, platform: Platform | None) -> None:
        if not manifest.is_index:
            found.append((manifest, platform))
            return
        if manifest.digest in seen:
            return
        seen.add(manifest.digest)
        for entry in manifest.manifests:
            if entry.digest in manifests:
                visit(manifests[entry.digest], entry.platform if is_known(entry.platform) else None)

    visit(root, None)
    return found


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
