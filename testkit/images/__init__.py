"""Test images of every shape as plain values, the same for the same seed on every machine."""

from testkit.images.archives import NoImage, load_image, write_layout
from testkit.images.artifacts import (
    artifact,
    artifact_manifest,
    attestation,
    cosign,
    helm_chart,
    sbom,
    signature,
    unknown_subject,
)
from testkit.images.build import docker_image, multi_arch, oci_image
from testkit.images.content import Content
from testkit.images.layers import SMALLEST, Layer, make_layer
from testkit.images.shapes import SHAPES, UNSERVABLE, foreign_layer, large_manifest, many_layers, nested_index
from testkit.images.values import Blob, Draft, Image, StoredManifest, together

__all__ = [
    "SHAPES",
    "SMALLEST",
    "UNSERVABLE",
    "Blob",
    "Content",
    "Draft",
    "Image",
    "Layer",
    "NoImage",
    "StoredManifest",
    "artifact",
    "artifact_manifest",
    "attestation",
    "cosign",
    "docker_image",
    "foreign_layer",
    "helm_chart",
    "large_manifest",
    "load_image",
    "make_layer",
    "many_layers",
    "multi_arch",
    "nested_index",
    "oci_image",
    "sbom",
    "signature",
    "together",
    "unknown_subject",
    "write_layout",
]
