"""Container images of one or many platforms, in docker's and in OCI's form, of adjustable size."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from acrmirror.oci import DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST, Descriptor, Platform
from testkit.images.layers import DOCKER_TYPES, OCI_TYPES, Layer, Packing, make_layer
from testkit.images.values import Draft, Image, entries, entry

Family = Literal["oci", "docker"]
Seed = str | int

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
CREATED = "2026-01-02T03:04:05Z"
SMALL = (60_000, 20_000)
"""Bytes of the layers of an image that is only about its shape."""

PLATFORMS = (
    Platform("linux", "amd64"),
    Platform("linux", "arm64", "v8"),
    Platform("linux", "arm", "v7"),
    Platform("linux", "ppc64le"),
    Platform("linux", "s390x"),
    Platform("linux", "386"),
    Platform("linux", "riscv64"),
    Platform("linux", "arm", "v6"),
)
UNKNOWN = Platform("unknown", "unknown")
"""What build tools write for an attestation's entry in an index."""


def oci_image(
    seed: Seed,
    layers: Sequence[int] = SMALL,
    *,
    tag: str | None = "latest",
    packing: Packing = "gzip",
    algorithm: str = "sha256",
) -> Image:
    """An OCI image whose layers have exactly these sizes in bytes (each at least 4096).

    With `algorithm` sha512 its blobs and its manifest are named by sha512 digests, and there is no tag:
    distribution-spec 1.1 has no way to push one with such a digest.
    """
    draft = Draft()
    made = [make_layer(f"{seed}/{number}", size, packing, algorithm) for number, size in enumerate(layers)]
    return draft.image(add_image(draft, seed, made, tag=tag if algorithm == "sha256" else None, algorithm=algorithm))


def docker_image(
    seed: Seed, layers: Sequence[int] = SMALL, *, tag: str | None = "latest", packing: Packing = "gzip"
) -> Image:
    """The same as docker's "image manifest version 2, schema 2"."""
    draft = Draft()
    made = [make_layer(f"{seed}/{number}", size, packing) for number, size in enumerate(layers)]
    return draft.image(add_image(draft, seed, made, family="docker", tag=tag))


def multi_arch(
    seed: Seed,
    platforms: int = 5,
    layers: Sequence[int] = SMALL,
    shared_layers: Sequence[int] = (),
    *,
    attestations: bool = False,
    family: Family = "oci",
    tag: str | None = "latest",
    algorithm: str = "sha256",
) -> Image:
    """An index over `platforms` images (at most 8), each with `shared_layers` first and then `layers` of its own.

    `attestations` adds for each the in-toto manifest that build tools list beside it. `algorithm` names the children;
    the index, which has the tag, and the blobs keep sha256.
    """
    draft = Draft()
    shared = [make_layer(f"{seed}/shared/{number}", size) for number, size in enumerate(shared_layers)]
    children = []
    for platform in PLATFORMS[:platforms]:
        own = [make_layer(f"{seed}/{platform}/{number}", size) for number, size in enumerate(layers)]
        image = add_image(draft, seed, shared + own, platform=platform, family=family, algorithm=algorithm)
        children.append(replace(image, platform=platform))
    if attestations:
        children += [add_attestation(draft, child, algorithm=algorithm) for child in list(children)]
    return draft.image(add_index(draft, children, family=family, tag=tag))


def add_image(
    draft: Draft,
    seed: Seed,
    layers: Sequence[Layer],
    *,
    platform: Platform = PLATFORMS[0],
    family: Family = "oci",
    tag: str | None = None,
    algorithm: str = "sha256",
    **fields: Any,
) -> Descriptor:
    """Adds an image's config, layers and manifest; `fields` are further fields of the manifest."""
    docker = family == "docker"
    config = image_config(seed, platform, [str(layer.diff_id) for layer in layers])
    types = DOCKER_TYPES if docker else OCI_TYPES
    return draft.manifest(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
            "config": entry(draft.blob(config, DOCKER_CONFIG if docker else OCI_CONFIG, algorithm)),
            "layers": entries(draft.content(x.content, x.digest, types[x.packing]) for x in layers),
            **fields,
        },
        tag,
        algorithm,
    )


def add_index(
    draft: Draft,
    children: Sequence[Descriptor],
    *,
    family: Family = "oci",
    tag: str | None = None,
    algorithm: str = "sha256",
    **fields: Any,
) -> Descriptor:
    """Adds an index (docker: a manifest list) over manifests that are there already."""
    body = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST_LIST if family == "docker" else OCI_INDEX,
        "manifests": entries(children),
        **fields,
    }
    return draft.manifest(body, tag, algorithm)


def add_attestation(draft: Draft, child: Descriptor, *, algorithm: str = "sha256") -> Descriptor:
    """Adds a provenance manifest for an image, and gives the entry under which an index lists it."""
    statement = json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"name": "_", "digest": {child.digest.algorithm: child.digest.encoded}}],
            "predicate": {"buildType": "local-stack"},
        }
    ).encode()
    layer = draft.blob(
        statement,
        "application/vnd.in-toto+json",
        annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
    )
    config = image_config("attestation", UNKNOWN, [f"sha256:{hashlib.sha256(statement).hexdigest()}"])
    manifest = draft.manifest(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": entry(draft.blob(config, OCI_CONFIG)),
            "layers": [entry(layer)],
        },
        algorithm=algorithm,
    )
    return replace(
        manifest,
        platform=UNKNOWN,
        annotations={
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(child.digest),
        },
    )


def image_config(seed: Seed, platform: Platform, diff_ids: Sequence[str]) -> bytes:
    """An image's configuration, in the form that docker and OCI share."""
    config: dict[str, Any] = {
        "created": CREATED,
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {"Cmd": ["/bin/sh"], "Labels": {"seed": str(seed)}},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created": CREATED, "created_by": f"COPY layer {n}"} for n, _ in enumerate(diff_ids)],
    }
    if platform.variant:
        config["variant"] = platform.variant
    return json.dumps(config).encode()
