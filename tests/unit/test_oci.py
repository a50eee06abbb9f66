"""Manifests from outside: every shape that registries serve is read."""

import base64
import hashlib

import pytest

from acrmirror.errors import DigestMismatch, Malformed, TooLarge
from acrmirror.oci import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_SCHEMA1_SIGNED,
    MAX_MANIFEST_SIZE,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    ORAS_ARTIFACT,
    Descriptor,
    parse_manifest,
)
from acrmirror.reference import Digest
from tests.unit.oci_bodies import CONFIG, LAYER, entry, image, index, raw

# --- what is taken


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image_gives_its_config_first_then_its_layers_in_order(media_type: str) -> None:
    manifest = parse_manifest(raw(image(media_type)), media_type)
    assert [blob.digest for blob in manifest.blobs] == [Digest.of(b"{}"), Digest.of(b"one"), Digest.of(b"two")]
    assert manifest.config == manifest.blobs[0]
    assert manifest.layers == manifest.blobs[1:]
    assert not manifest.is_index
    assert manifest.unservable is None


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_MANIFEST_LIST])
def test_an_index_gives_its_children(media_type: str) -> None:
    manifest = parse_manifest(raw(index(media_type)), media_type)
    assert manifest.is_index
    assert [child.digest for child in manifest.manifests] == [Digest.of(b"child")]
    assert str(manifest.manifests[0].platform) == "linux/arm64/v8"
    assert manifest.blobs == ()


@pytest.mark.parametrize("media_type", [OCI_ARTIFACT, ORAS_ARTIFACT])
def test_an_artifact_manifest_is_taken_and_named_as_unservable(media_type: str) -> None:
    body = {
        "mediaType": media_type,
        "artifactType": "application/vnd.example.sbom",
        "blobs": [entry(b"sbom", "application/spdx+json")],
        "subject": entry(b"image", OCI_MANIFEST),
    }
    manifest = parse_manifest(raw(body), media_type)
    assert [blob.digest for blob in manifest.blobs] == [Digest.of(b"sbom")]
    assert manifest.subject is not None
    assert manifest.subject.digest == Digest.of(b"image")
    assert manifest.descriptor().artifact_type == "application/vnd.example.sbom"
    assert "artifact manifests" in (manifest.unservable or "")


def test_a_body_need_not_say_its_type() -> None:
    assert parse_manifest(raw(image(mediaType=...)), OCI_MANIFEST).media_type == OCI_MANIFEST
    assert parse_manifest(raw(index(mediaType=...)), OCI_INDEX).media_type == OCI_INDEX


@pytest.mark.parametrize(
    "served", ["application/json", "", "application/octet-stream", "Application/JSON; charset=utf-8"]
)
def test_a_content_type_that_says_nothing_leaves_it_to_the_body(served: str) -> None:
    assert parse_manifest(raw(image()), served).media_type == OCI_MANIFEST
    assert parse_manifest(raw(index(DOCKER_MANIFEST_LIST)), served).media_type == DOCKER_MANIFEST_LIST


def test_parameters_of_the_content_type_do_not_matter() -> None:
    assert parse_manifest(raw(image()), f"{OCI_MANIFEST}; charset=utf-8").unservable is None


def test_zero_layers_null_layers_the_same_layer_twice_and_120_layers_are_all_images() -> None:
    assert parse_manifest(raw(image(layers=[])), OCI_MANIFEST).layers == ()
    assert parse_manifest(raw(image(layers=None)), OCI_MANIFEST).layers == ()
    twice = parse_manifest(raw(image(layers=[entry(), entry()])), OCI_MANIFEST)
    assert len(twice.layers) == 2
    many = parse_manifest(raw(image(layers=[entry(bytes([i])) for i in range(120)])), OCI_MANIFEST)
    assert len(many.layers) == 120


def test_any_layer_and_config_media_type_is_taken() -> None:
    body = image(
        config=entry(b"{}", "application/vnd.cncf.helm.config.v1+json"), layers=[entry(b"x", "text/x-anything")]
    )
    assert parse_manifest(raw(body), OCI_MANIFEST).layers[0].media_type == "text/x-anything"


def test_foreign_layers_are_known_as_such_and_their_urls_kept() -> None:
    types = [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        LAYER,
    ]
    body = image(layers=[entry(b"x", media_type, urls=["https://example.com/x"]) for media_type in types])
    layers = parse_manifest(raw(body), OCI_MANIFEST).layers
    assert [layer.is_foreign for layer in layers] == [True, True, False]
    assert layers[0].urls == ("https://example.com/x",)


def test_sha512_manifests_and_layers_are_checked_by_sha512() -> None:
    body = raw(image(layers=[entry(b"x", algorithm="sha512")]))
    manifest = parse_manifest(body, OCI_MANIFEST, Digest.of(body, "sha512"))
    assert manifest.digest.algorithm == "sha512"
    assert manifest.layers[0].digest.algorithm == "sha512"
    with pytest.raises(DigestMismatch, match="sha512:"):
        parse_manifest(body + b" ", OCI_MANIFEST, Digest.of(body, "sha512"))


def test_a_zero_byte_layer_is_known_as_empty() -> None:
    layers = [entry(b""), entry(b"", algorithm="sha512"), entry(b"x") | {"size": 0}]
    read = parse_manifest(raw(image(layers=layers)), OCI_MANIFEST).layers
    assert [layer.is_empty for layer in read] == [True, True, False]


def test_nested_indexes_and_schema_1_children_are_children_and_cache_entries_are_blobs() -> None:
    entries = [entry(b"i", OCI_INDEX), entry(b"s", DOCKER_SCHEMA1_SIGNED), entry(b"l", LAYER), entry(b"c", CONFIG)]
    manifest = parse_manifest(raw(index(manifests=entries)), OCI_INDEX)
    assert [child.digest for child in manifest.manifests] == [Digest.of(b"i"), Digest.of(b"s")]
    assert [blob.digest for blob in manifest.blobs] == [Digest.of(b"l"), Digest.of(b"c")]


def test_exactly_4_mib_is_taken_and_a_byte_more_is_not() -> None:
    body = raw(image(annotations={"pad": ""}))
    padded = raw(image(annotations={"pad": "x" * (MAX_MANIFEST_SIZE - len(body))}))
    assert len(padded) == MAX_MANIFEST_SIZE
    assert parse_manifest(padded, OCI_MANIFEST).size == MAX_MANIFEST_SIZE
    with pytest.raises(TooLarge):
        parse_manifest(padded + b" ", OCI_MANIFEST)


def test_data_of_a_descriptor_is_decoded() -> None:
    config = entry(b"{}", CONFIG, data=base64.b64encode(b"{}").decode())
    read = parse_manifest(raw(image(config=config)), OCI_MANIFEST).config
    assert read is not None
    assert read.data == b"{}"
    # Go's decoder passes over line ends.
    config["data"] = "e3\r\n0="
    assert parse_manifest(raw(image(config=config)), OCI_MANIFEST).blobs[0].data == b"{}"


def test_keys_that_the_specification_does_not_know_are_passed_over() -> None:
    body = image(blobs=[1], extra={"Key": 1, "key": 2}, config=entry(b"{}", CONFIG, more=[{"a": 1, "A": 1}]))
    assert len(parse_manifest(raw(body), OCI_MANIFEST).layers) == 2


# --- the bytes


def test_another_digest_is_a_mismatch_that_names_both() -> None:
    body = raw(image())
    with pytest.raises(DigestMismatch) as caught:
        parse_manifest(body, OCI_MANIFEST, Digest.of(b"other"))
    assert str(Digest.of(b"other")) in str(caught.value)
    assert str(Digest.of(body)) in str(caught.value)


def test_the_bytes_are_kept_as_they_came() -> None:
    body = b' {"mediaType": "%s",\n"schemaVersion":2 ,"config":%s,"layers":[]}\n ' % (
        OCI_MANIFEST.encode(),
        raw(entry(b"{}", CONFIG)),
    )
    manifest = parse_manifest(body, OCI_MANIFEST)
    assert manifest.raw == body
    assert manifest.digest.encoded == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"2",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"{} {}",
        b'{"a":"\n"}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"schemaVersion":' + b"9" * 100_000 + b"}",
    ],
    ids=range(16),
)
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX, "application/json"])
def test_what_is_no_json_object_is_malformed(body: bytes, media_type: str) -> None:
    with pytest.raises(Malformed):
        parse_manifest(body, media_type)


# --- what refers to it


def test_the_descriptor_of_a_manifest_has_its_artifact_type_else_its_configs() -> None:
    own = parse_manifest(raw(image(artifactType="application/vnd.a", annotations={"k": "v"})), OCI_MANIFEST)
    assert own.descriptor() == Descriptor(OCI_MANIFEST, own.digest, len(own.raw), "application/vnd.a", {"k": "v"})
    assert parse_manifest(raw(image()), OCI_MANIFEST).descriptor().artifact_type == CONFIG
    assert parse_manifest(raw(image(artifactType="")), OCI_MANIFEST).descriptor().artifact_type == CONFIG
    assert parse_manifest(raw(index()), OCI_INDEX).descriptor().artifact_type is None
    assert parse_manifest(raw(index(artifactType="a/b")), OCI_INDEX).descriptor().artifact_type == "a/b"


def test_values_can_be_kept_in_sets() -> None:
    one, other = parse_manifest(raw(image()), OCI_MANIFEST), parse_manifest(raw(image()), OCI_MANIFEST)
    assert len({one, other}) == 1
    assert len({*one.blobs, *other.blobs}) == 3
    assert "layers" not in repr(one)
