"""What a pushed manifest says, as far as a registry has to know."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import RegistryError

# Azure Container Registry's limit, and the one that distribution-spec 1.1 asks registries to allow at least.
MANIFEST_LIMIT = 4 << 20

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
ORAS_ARTIFACT = "application/vnd.cncf.oras.artifact.manifest.v1+json"
INDEXES = (DOCKER_LIST, OCI_INDEX)
IMAGES = (DOCKER_MANIFEST, OCI_MANIFEST)
ARTIFACTS = (OCI_ARTIFACT, ORAS_ARTIFACT)


@dataclass(frozen=True, slots=True)
class Parsed:
    """`blobs` must be in the repository before the manifest; `foreign` ones need not be."""

    media_type: str
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    config: str | None = None
    config_type: str | None = None
    subject: str | None = None
    artifact_type: str | None = None
    annotations: dict[str, Any] = field(default_factory=dict)
    image_size: int = 0


def _is_foreign(media_type: str) -> bool:
    return "nondistributable" in media_type or "foreign" in media_type


def parse(raw: bytes, content_type: str) -> Parsed:
    """MANIFEST_INVALID if it is not JSON, of no known type, or contradicts its Content-Type."""

    def invalid(why: str) -> RegistryError:
        return RegistryError("MANIFEST_INVALID", "manifest invalid", {"reason": why})

    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise invalid("not JSON") from None
    if not isinstance(value, dict):
        raise invalid("not an object")
    content_type = content_type.split(";")[0].strip()
    media_type = value.get("mediaType") or content_type
    if content_type not in (media_type, "application/json", ""):
        raise invalid(f"mediaType {media_type} contradicts Content-Type {content_type}")
    if media_type not in (*INDEXES, *IMAGES, *ARTIFACTS):
        raise invalid(f"media type {media_type or 'absent'} is not supported")
    try:
        return _parse(value, media_type)
    except (KeyError, TypeError, AttributeError) as problem:
        raise invalid(f"a descriptor is not one: {problem}") from None


def _parse(value: dict[str, Any], media_type: str) -> Parsed:
    subject = value.get("subject")
    common: dict[str, Any] = {
        "media_type": media_type,
        "subject": str(subject["digest"]) if subject else None,
        "annotations": value.get("annotations") or {},
    }
    if media_type in INDEXES:
        entries = value.get("manifests") or []
        # A build cache's index lists layers and a config where others list manifests.
        listed = [str(one["digest"]) for one in entries if one["mediaType"] in (*INDEXES, *IMAGES, *ARTIFACTS)]
        others = tuple(str(one["digest"]) for one in entries if str(one["digest"]) not in listed)
        return Parsed(blobs=others, children=tuple(listed), artifact_type=value.get("artifactType"), **common)
    if media_type in ARTIFACTS:
        layers, config = value.get("blobs") or [], None
    else:
        layers, config = value.get("layers") or [], value["config"]
    if not isinstance(config, dict) and media_type not in ARTIFACTS:
        raise TypeError("config")
    blobs = [str(one["digest"]) for one in layers if not _is_foreign(str(one.get("mediaType", "")))]
    if config:
        blobs.insert(0, str(config["digest"]))
    config_type = str(config["mediaType"]) if config else None
    return Parsed(
        blobs=tuple(blobs),
        config=str(config["digest"]) if config else None,
        config_type=config_type,
        # distribution-spec 1.1, "Listing Referrers": the config's media type where there is no artifactType.
        artifact_type=value.get("artifactType") or config_type,
        image_size=sum(int(one["size"]) for one in [*layers, *([config] if config else [])]),
        **common,
    )
