"""Media types that decide how content is treated. A layer's or a config's type never does."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
ORAS_ARTIFACT = "application/vnd.cncf.oras.artifact.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

INDEX_TYPES = (OCI_INDEX, DOCKER_MANIFEST_LIST)
IMAGE_TYPES = (OCI_MANIFEST, DOCKER_MANIFEST)
ARTIFACT_TYPES = (OCI_ARTIFACT, ORAS_ARTIFACT)
"""Still served by registries that took them. Stored, though a stock registry fails on them."""
SCHEMA1_TYPES = (DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED)

MANIFEST_TYPES = (*IMAGE_TYPES, *INDEX_TYPES, *ARTIFACT_TYPES)
"""What the mirror takes, in the order in which `Accept` headers name it."""

FOREIGN_LAYER_TYPES = (
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
)
"""Layers that a registry may list without having them."""

GENERIC_TYPES = ("", "application/json", "application/octet-stream", "text/plain", "text/html")
"""Content types that say nothing about a manifest; the body's own `mediaType` decides then."""

EMPTY_JSON = b"{}"
"""The content behind image-spec's empty descriptor."""


def plain_type(media_type: str) -> str:
    """A media type without parameters, in lower case (RFC 6838 names are compared ignoring case)."""
    return media_type.partition(";")[0].strip().lower()


def is_manifest_type(media_type: str) -> bool:
    """Whether this names a manifest or an index of any kind, the refused schema 1 included."""
    return plain_type(media_type) in (*MANIFEST_TYPES, *SCHEMA1_TYPES)
