"""What a manifest needs, read from its bytes by the plainest means.

The mirror's own parser is not used, so that what it overlooked is found here.
"""

import json
from dataclasses import dataclass
from typing import Any

from testkit.reader.digests import check_digest

INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
MANIFESTS = (
    INDEX,
    IMAGE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
    "application/vnd.cncf.oras.artifact.manifest.v1+json",
)
FOREIGN = ("foreign", "nondistributable")


@dataclass(frozen=True, slots=True)
class Needed:
    """A blob or a child that a manifest lists; a foreign layer may be absent."""

    digest: str
    size: int
    foreign: bool


@dataclass(frozen=True, slots=True)
class Body:
    """A manifest's type as a stock registry serves it, and what it points at."""

    media_type: str
    blobs: tuple[Needed, ...]
    children: tuple[Needed, ...]
    subject: str | None


def read_body(raw: bytes) -> Body:
    """Raises ValueError for what can't be read."""
    try:
        body = json.loads(raw)
        listed = body.get("manifests") or []
        blobs = [body[key] for key in ("config",) if body.get(key)]
        blobs += (body.get("layers") or []) + (body.get("blobs") or [])
        # A build cache's index lists blobs.
        blobs += [item for item in listed if item["mediaType"] not in MANIFESTS]
        subject = body.get("subject")
        return Body(
            media_type=body.get("mediaType") or (INDEX if body.get("manifests") is not None else IMAGE),
            blobs=tuple(map(_needed, blobs)),
            children=tuple(_needed(item) for item in listed if item["mediaType"] in MANIFESTS),
            subject=None if subject is None else check_digest(subject["digest"]),
        )
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it can't be read as a manifest ({type(error).__name__}: {error})") from error


def _needed(item: Any) -> Needed:
    foreign = any(f".{word}." in item["mediaType"] for word in FOREIGN)
    return Needed(check_digest(item["digest"]), int(item["size"]), foreign)
