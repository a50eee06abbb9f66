"""One image of every shape that registries hold, for tests that run over all of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from acrmirror.oci import EMPTY_JSON, MAX_MANIFEST_SIZE, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Descriptor
from testkit.images import artifacts
from testkit.images.build import (
    DOCKER_CONFIG,
    OCI_CONFIG,
    PLATFORMS,
    SMALL,
    Seed,
    add_image,
    add_index,
    docker_image,
    image_config,
    multi_arch,
    oci_image,
)
from testkit.images.layers import DOCKER_TYPES, OCI_TYPES, SMALLEST, Packing, gzip_stored, make_layer
from testkit.images.values import Draft, Image, entries, entry, together

EMPTY_LAYER = bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000")
"""Docker's own layer without files, sha256:a3ed95ca…, which images of many builders share."""
FOREIGN_OCI = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
FOREIGN_DOCKER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def nested_index(seed: Seed = 0) -> Image:
    """An index of an index, an image and an artifact, where three entries name one image."""
    draft = Draft()
    layers = [make_layer(f"{seed}/nested", SMALLEST)]
    first, second = (replace(add_image(draft, seed, layers, platform=p), platform=p) for p in PLATFORMS[:2])
    inner = add_index(draft, [first, second])
    notes = artifacts.add_artifact(draft, seed, "application/vnd.example.notes", f"notes {seed}\n".encode())
    children = [inner, first, replace(first, platform=PLATFORMS[5]), notes]
    return draft.image(add_index(draft, children, tag="latest", annotations={"seed": str(seed)}))


def with_referrers(seed: Seed = 0) -> Image:
    """An image with a signature, an SBOM, an attestation, and a signature of the SBOM."""
    image = oci_image(seed)
    sbom = artifacts.sbom(seed, image.root)
    return together(
        image,
        artifacts.signature(seed, image.root),
        sbom,
        artifacts.attestation(seed, image.root),
        artifacts.signature(f"{seed}/sbom", sbom.root),
    )


def with_cosign_tags(seed: Seed = 0) -> Image:
    image = oci_image(seed)
    return together(image, *(artifacts.cosign(seed, image.root, kind) for kind in ("sig", "att", "sbom")))


def index_with_subject(seed: Seed = 0) -> Image:
    """An index that itself refers to an image."""
    image = oci_image(seed)
    draft = Draft()
    child = add_image(draft, f"{seed}/child", [make_layer(f"{seed}/child", SMALLEST)])
    plain = entry(image.root)
    root = add_index(draft, [child], artifactType="application/vnd.example.bundle", subject=plain)
    return together(image, draft.image(root))


def mixed_packings(seed: Seed = 0) -> Image:
    """Layers as gzip, as zstd and uncompressed in one image."""
    draft = Draft()
    packings: tuple[Packing, ...] = ("gzip", "zstd", "tar")
    layers = [make_layer(f"{seed}/{packing}", SMALLEST * 2, packing) for packing in packings]
    return draft.image(add_image(draft, seed, layers, tag="latest"))


def empty_descriptors(seed: Seed = 0) -> Image:
    """The empty config and the empty layer, the same `{}` twice, with `data`; nothing else."""
    draft = Draft()
    empty = artifacts.empty_descriptor(draft)
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.flag",
        "config": entry(empty),
        "layers": [entry(empty)],
        "annotations": {"seed": str(seed)},
    }
    return draft.image(draft.manifest(body, "latest"))


def embedded_data(seed: Seed = 0) -> Image:
    """Layers whose descriptors carry their content as `data`, which is stored as a blob all the same."""
    draft = Draft()
    texts = [f"text {n} of {seed}".encode() for n in range(2)]
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/vnd.example.texts",
        "config": entry(draft.blob(EMPTY_JSON, OCI_EMPTY)),
        "layers": entries(draft.blob(text, "text/plain", data=text) for text in texts),
    }
    return draft.image(draft.manifest(body, "latest"))


def no_layers(seed: Seed = 0) -> Image:
    draft = Draft()
    return draft.image(add_image(draft, seed, [], tag="latest"))


def _docker_layers(seed: Seed, contents: list[bytes], types: list[str]) -> Image:
    draft = Draft()
    layers = [draft.blob(data, media_type) for data, media_type in zip(contents, types, strict=True)]
    config = image_config(seed, PLATFORMS[0], [str(layer.digest) for layer in layers])
    return _manifest(draft, draft.blob(config, DOCKER_CONFIG), layers, docker=True)


def _manifest(draft: Draft, config: Descriptor, layers: list[Descriptor], docker: bool = False) -> Image:
    body = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json" if docker else OCI_MANIFEST,
        "config": entry(config),
        "layers": entries(layers),
    }
    return draft.image(draft.manifest(body, "latest"))


def empty_layer(seed: Seed = 0) -> Image:
    """Docker's empty layer three times around one that has files."""
    files = make_layer(f"{seed}/files", SMALLEST).content.read()
    gzip = DOCKER_TYPES["gzip"]
    return _docker_layers(seed, [EMPTY_LAYER, files, EMPTY_LAYER, EMPTY_LAYER], [gzip] * 4)


def zero_bytes(seed: Seed = 0) -> Image:
    """A layer of 0 bytes, as artifact tools push for an empty file."""
    draft = Draft()
    config = draft.blob(image_config(seed, PLATFORMS[0], []), OCI_CONFIG)
    layers = [draft.blob(b"", "text/plain"), draft.blob(f"{seed}\n".encode(), "text/plain")]
    return _manifest(draft, config, layers)


def same_layer_twice(seed: Seed = 0) -> Image:
    draft = Draft()
    layer, other = make_layer(f"{seed}/twice", SMALLEST * 3), make_layer(f"{seed}/other", SMALLEST)
    return draft.image(add_image(draft, seed, [layer, other, layer], tag="latest"))


def many_layers(seed: Seed = 0, count: int = 120) -> Image:
    return oci_image(seed, [SMALLEST] * count)


def large_manifest(seed: Seed = 0, size: int = MAX_MANIFEST_SIZE) -> Image:
    """A manifest of exactly `size` bytes, by its annotations; registries take up to 4 MiB."""
    draft = Draft()
    layer = make_layer(f"{seed}/large", SMALLEST)
    config = draft.blob(image_config(seed, PLATFORMS[0], [str(layer.diff_id)]), OCI_CONFIG)
    listed = draft.content(layer.content, layer.digest, OCI_TYPES["gzip"])
    annotations = {f"org.example.note.{n:05}": "x" * 1000 for n in range(size // 1100)}
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": entry(config),
        "layers": [entry(listed)],
        "annotations": {**annotations, "org.example.rest": ""},
    }
    body["annotations"] = {**annotations, "org.example.rest": "x" * (size - len(json.dumps(body, indent=2)))}
    return draft.image(draft.manifest(body, "latest"))


def foreign_layer(seed: Seed = 0, *, docker: bool = False, present: bool = False) -> Image:
    """A base layer that its publisher doesn't allow to be passed on: listed with `urls`, and in the registry only if
    `present`."""
    draft = Draft()
    foreign = make_layer(f"{seed}/foreign", SMALLEST)
    own = make_layer(f"{seed}/own", SMALLEST)
    config = image_config(seed, PLATFORMS[0], [str(foreign.diff_id), str(own.diff_id)])
    types = DOCKER_TYPES if docker else OCI_TYPES
    urls = ("https://downloads.example.com/base.tar.gz",)
    media_type = FOREIGN_DOCKER if docker else FOREIGN_OCI
    listed = Descriptor(media_type, foreign.digest, foreign.content.size, urls=urls)
    if present:
        draft.content(foreign.content, foreign.digest, media_type, urls=urls)
    layers = [listed, draft.content(own.content, own.digest, types["gzip"])]
    return _manifest(draft, draft.blob(config, DOCKER_CONFIG if docker else OCI_CONFIG), layers, docker)


def sha512_layers(seed: Seed = 0) -> Image:
    """A manifest by sha256 whose config and layers are named by sha512."""
    draft = Draft()
    layers = [make_layer(f"{seed}/{n}", size, algorithm="sha512") for n, size in enumerate(SMALL)]
    config = draft.blob(image_config(seed, PLATFORMS[0], [str(x.diff_id) for x in layers]), OCI_CONFIG, "sha512")
    return _manifest(draft, config, [draft.content(x.content, x.digest, OCI_TYPES[x.packing]) for x in layers])


def build_cache(seed: Seed = 0) -> Image:
    """A build tool's cache: an index that lists layers and a config where others list manifests."""
    draft = Draft()
    layers = [make_layer(f"{seed}/cache/{n}", SMALLEST) for n in range(2)]
    listed = [draft.content(layer.content, layer.digest, OCI_TYPES[layer.packing]) for layer in layers]
    records = json.dumps({"layers": [{"blob": str(x.digest)} for x in listed], "seed": str(seed)}).encode()
    listed.append(draft.blob(records, "application/vnd.buildkit.cacheconfig.v0"))
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries(listed)}
    return draft.image(draft.manifest(body, "latest"))


def any_config(seed: Seed = 0) -> Image:
    """A config of a type that nobody registered, and layers of one as well."""
    draft = Draft()
    config = draft.blob(b'{"runtime": "none"}', "application/vnd.example.module.config.v1+json")
    module = draft.blob(b"\0asm\x01\0\0\0" + str(seed).encode(), "application/vnd.example.module.v1+wasm")
    return _manifest(draft, config, [module])


def docker_uncompressed(seed: Seed = 0) -> Image:
    """A docker manifest with one layer uncompressed and one not."""
    tar = make_layer(f"{seed}/tar", SMALLEST, "tar").content.read()
    return _docker_layers(seed, [tar, gzip_stored(tar)], [DOCKER_TYPES["tar"], DOCKER_TYPES["gzip"]])


def late_referrer(seed: Seed = 0) -> Image:
    """A referrer whose subject is nowhere."""
    return artifacts.sbom(seed, artifacts.unknown_subject(seed)).tagged("latest")


def many_manifests(seed: Seed = 0, count: int = 60) -> Image:
    """An index over many images that share their layer."""
    draft = Draft()
    layer = make_layer(f"{seed}/shared", SMALLEST)
    children = [add_image(draft, f"{seed}/{n}", [layer]) for n in range(count)]
    return draft.image(add_index(draft, children, tag="latest"))


def empty_index(seed: Seed = 0) -> Image:
    draft = Draft()
    return draft.image(add_index(draft, [], tag="latest", annotations={"seed": str(seed)}))


SHAPES: dict[str, Callable[[], Image]] = {
    "docker": partial(docker_image, "docker"),
    "docker-uncompressed": partial(docker_uncompressed, "docker-uncompressed"),
    "docker-list": partial(multi_arch, "docker-list", 3, family="docker"),
    "oci": partial(oci_image, "oci"),
    "oci-uncompressed": partial(oci_image, "oci-uncompressed", packing="tar"),
    "oci-zstd": partial(oci_image, "oci-zstd", packing="zstd"),
    "mixed-packings": partial(mixed_packings, "mixed-packings"),
    "oci-index": partial(multi_arch, "oci-index", 5, shared_layers=(30_000,), attestations=True),
    "nested-index": partial(nested_index, "nested-index"),
    "many-manifests": partial(many_manifests, "many-manifests"),
    "empty-index": partial(empty_index, "empty-index"),
    "build-cache": partial(build_cache, "build-cache"),
    "artifact": partial(artifacts.artifact, "artifact", "application/vnd.example.notes", b"notes\n", tag="latest"),
    "artifact-any-config": partial(any_config, "any-config"),
    "artifact-manifest": partial(artifacts.artifact_manifest, "artifact-manifest"),
    "artifact-manifest-oras": partial(artifacts.artifact_manifest, "oras", oras=True),
    "helm-chart": partial(artifacts.helm_chart, "helm-chart"),
    "referrers": partial(with_referrers, "referrers"),
    "referrer-without-subject": partial(late_referrer, "late"),
    "index-with-subject": partial(index_with_subject, "index-with-subject"),
    "cosign-tags": partial(with_cosign_tags, "cosign-tags"),
    "empty-layer": partial(empty_layer, "empty-layer"),
    "empty-descriptors": partial(empty_descriptors, "empty-descriptors"),
    "embedded-data": partial(embedded_data, "embedded-data"),
    "no-layers": partial(no_layers, "no-layers"),
    "zero-bytes": partial(zero_bytes, "zero-bytes"),
    "same-layer-twice": partial(same_layer_twice, "same-layer-twice"),
    "120-layers": partial(many_layers, "120-layers"),
    "4-mib-manifest": partial(large_manifest, "4-mib-manifest"),
    "foreign-layer": partial(foreign_layer, "foreign-layer"),
    "foreign-layer-docker": partial(foreign_layer, "foreign-docker", docker=True),
    "foreign-layer-present": partial(foreign_layer, "foreign-present", present=True),
    "sha512-layers": partial(sha512_layers, "sha512-layers"),
    "sha512": partial(oci_image, "sha512", algorithm="sha512"),
    "sha512-index": partial(multi_arch, "sha512-index", 2, algorithm="sha512"),
}
"""Every shape with the tag `latest` on its root (charts: their version; `sha512`: none, see `oci_image`)."""

UNSERVABLE = frozenset({"artifact-manifest", "artifact-manifest-oras"})
"""Shapes that are mirrored, and that a stock registry can't serve (it knows no such manifests)."""
