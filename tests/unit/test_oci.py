"""Manifests from outside: every shape that registries serve is read, and everything else is refused by name."""

import base64
import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrmirror.errors import DigestMismatch, Malformed, TooLarge, Unsupported
from acrmirror.oci import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    MANIFEST_TYPES,
    MAX_MANIFEST_SIZE,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    ORAS_ARTIFACT,
    Descriptor,
    parse_manifest,
)
from acrmirror.reference import Digest

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def entry(content: bytes = b"x", media_type: str = LAYER, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content, algorithm)), "size": len(content), **more}


def image(media_type: str = OCI_MANIFEST, **changes: Any) -> dict[str, Any]:
    body = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": entry(b"{}", CONFIG),
        "layers": [entry(b"one"), entry(b"two")],
    }
    return {key: value for key, value in (body | changes).items() if value is not ...}


def index(media_type: str = OCI_INDEX, **changes: Any) -> dict[str, Any]:
    child = entry(b"child", OCI_MANIFEST, platform={"os": "linux", "architecture": "arm64", "variant": "v8"})
    body = {"schemaVersion": 2, "mediaType": media_type, "manifests": [child]}
    return {key: value for key, value in (body | changes).items() if value is not ...}


def raw(body: Any) -> bytes:
    return json.dumps(body).encode()


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


# --- types


@pytest.mark.parametrize("media_type", [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, "application/json", ""])
def test_docker_schema_1_is_refused_by_name(media_type: str) -> None:
    body = {"schemaVersion": 1, "name": "team/app", "tag": "1", "fsLayers": [], "history": [], "signatures": []}
    with pytest.raises(Unsupported, match="schema 1"):
        parse_manifest(raw(body), media_type)


@pytest.mark.parametrize("media_type", ["application/vnd.acme.manifest", "text/html; charset=utf-8", "image/png"])
def test_an_unknown_type_is_refused_by_name(media_type: str) -> None:
    with pytest.raises(Unsupported):
        parse_manifest(raw(image(mediaType=...)), media_type)


@pytest.mark.parametrize("served", MANIFEST_TYPES)
@pytest.mark.parametrize("stated", MANIFEST_TYPES)
def test_a_body_that_says_another_type_is_refused(served: str, stated: str) -> None:
    body = image(stated) if stated in (OCI_MANIFEST, DOCKER_MANIFEST) else index(stated)
    if stated in (OCI_ARTIFACT, ORAS_ARTIFACT):
        body = {"mediaType": stated, "blobs": []}
    if served == stated:
        assert parse_manifest(raw(body), served).media_type == served
    else:
        with pytest.raises(Malformed, match="mediaType"):
            parse_manifest(raw(body), served)


@pytest.mark.parametrize(
    ("served", "body"),
    [
        (OCI_MANIFEST, image(manifests=[])),
        (OCI_MANIFEST, image(mediaType=..., manifests=[entry(b"c", OCI_MANIFEST)])),
        (DOCKER_MANIFEST, image(DOCKER_MANIFEST, manifests=[entry(b"c", DOCKER_MANIFEST)])),
        (OCI_INDEX, index(layers=[entry()])),
        (OCI_INDEX, index(mediaType=..., layers=[])),
        (OCI_INDEX, index(config=entry(b"{}", CONFIG))),
        (DOCKER_MANIFEST_LIST, index(DOCKER_MANIFEST_LIST, layers=[])),
        (OCI_ARTIFACT, {"mediaType": OCI_ARTIFACT, "blobs": [], "manifests": []}),
        (ORAS_ARTIFACT, {"mediaType": ORAS_ARTIFACT, "blobs": [], "layers": [entry()]}),
        (OCI_MANIFEST, index(mediaType=...)),
        (OCI_INDEX, image(mediaType=...)),
    ],
)
def test_a_body_that_could_be_two_things_is_refused(served: str, body: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_manifest(raw(body), served)


@pytest.mark.parametrize("version", [1, 3, 0, True, 2.0, "2", None, ..., [2]])
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_MANIFEST_LIST])
def test_a_wrong_schema_version_is_refused(version: Any, media_type: str) -> None:
    make = index if media_type in (OCI_INDEX, DOCKER_MANIFEST_LIST) else image
    with pytest.raises(Malformed, match="schemaVersion"):
        parse_manifest(raw(make(media_type, schemaVersion=version)), media_type)


# --- keys as Go reads them


def written(pairs: list[tuple[str, Any]]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}"


@pytest.mark.parametrize("key", ["layers", "Layers", "LAYERS", "layer\u017f"])
def test_a_second_layers_in_any_case_is_refused(key: str) -> None:
    pairs = [*image().items(), (key, [])]
    with pytest.raises(Malformed, match="ignoring case"):
        parse_manifest(written(pairs).encode(), OCI_MANIFEST)


@pytest.mark.parametrize("key", ["Layers", "layer\u017f", "Config", "MediaType", "mediatype", "Manifests", "subJect"])
def test_one_key_in_another_spelling_than_the_specification_is_refused(key: str) -> None:
    with pytest.raises(Malformed, match="spells the key"):
        parse_manifest(raw(image(layers=...) | {key: None}), OCI_MANIFEST) if key[0] in "Ll" else parse_manifest(
            raw({k: v for k, v in image().items() if k.casefold() != key.casefold()} | {key: OCI_MANIFEST}),
            OCI_MANIFEST,
        )


@pytest.mark.parametrize("place", ["config", "layers", "manifests", "subject", "platform", "blobs"])
@pytest.mark.parametrize("clash", ['"digest":"x","Digest":"y"', '"size":1,"size":1', '"x":1,"X":1', '"Os":"linux"'])
def test_clashes_inside_descriptors_and_platforms_are_refused(place: str, clash: str) -> None:
    if place != "platform" and clash == '"Os":"linux"':
        clash = '"Size":1'
    hostile = "{" + clash + "}"
    good, kind = raw(entry(b"{}", CONFIG)).decode(), OCI_MANIFEST
    body = f'{{"schemaVersion":2,"config":{good},"layers":[{good}]}}'
    if place == "config":
        body = f'{{"schemaVersion":2,"config":{hostile}}}'
    elif place == "layers":
        body = f'{{"schemaVersion":2,"config":{good},"layers":[{good},{hostile}]}}'
    elif place == "subject":
        body = f'{{"schemaVersion":2,"config":{good},"subject":{hostile}}}'
    elif place == "manifests":
        body, kind = f'{{"schemaVersion":2,"manifests":[{hostile}]}}', OCI_INDEX
    elif place == "blobs":
        body, kind = f'{{"mediaType":"{OCI_ARTIFACT}","blobs":[{hostile}]}}', OCI_ARTIFACT
    else:
        body, kind = f'{{"schemaVersion":2,"manifests":[{good[:-1]},"platform":{hostile}}}]}}', OCI_INDEX
    with pytest.raises(Malformed, match=r"ignoring case|spells the key"):
        parse_manifest(body.encode(), kind)


def test_annotations_may_have_keys_that_differ_in_case_only() -> None:
    body = image(annotations={"Key": "1", "key": "2"}, layers=[entry(annotations={"A": "1", "a": "2"})])
    manifest = parse_manifest(raw(body), OCI_MANIFEST)
    assert manifest.annotations == {"Key": "1", "key": "2"}
    assert manifest.layers[0].annotations == {"A": "1", "a": "2"}
    assert manifest.unservable is None


# --- fields


@pytest.mark.parametrize("size", [True, False, 1.0, "1", None, -1, 2**63, 10**30, [1], ...])
def test_a_size_is_an_integer_in_range(size: Any) -> None:
    layer = {key: value for key, value in (entry() | {"size": size}).items() if value is not ...}
    with pytest.raises(Malformed, match="size"):
        parse_manifest(raw(image(layers=[layer])), OCI_MANIFEST)
    assert parse_manifest(raw(image(layers=[entry() | {"size": 2**63 - 1}])), OCI_MANIFEST)


def test_a_size_in_exponent_form_is_refused() -> None:
    body = raw(image()).replace(b'"size": 3', b'"size": 3e0')
    with pytest.raises(Malformed, match="size"):
        parse_manifest(body, OCI_MANIFEST)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": ...},
        {"digest": 1},
        {"digest": "sha256:x"},
        {"digest": "sha256:" + "A" * 64},
        {"digest": "blake3:" + "a" * 64},
        {"digest": "sha256:" + "a" * 64 + "\n"},
        {"digest": "../../etc/passwd"},
        {"mediaType": ...},
        {"mediaType": ""},
        {"mediaType": 1},
        {"mediaType": "a\r\nb: c"},
        {"mediaType": "é"},
        {"mediaType": "x" * 300},
        {"urls": "https://example.com"},
        {"urls": [1]},
        {"annotations": []},
        {"annotations": "x"},
        {"data": "!"},
        {"data": 1},
        {"data": "e30"},
        {"data": base64.b64encode(b"y").decode()},
        {"data": base64.b64encode(b"xx").decode()},
        {"platform": []},
        {"platform": {"os": 1, "architecture": "arm64"}},
        {"platform": {"os": "linux", "architecture": "arm64", "os.features": "x"}},
        {"artifactType": 1},
    ],
    ids=str,
)
def test_a_descriptor_with_a_wrong_field_is_refused(change: dict[str, Any]) -> None:
    broken = {key: value for key, value in (entry() | change).items() if value is not ...}
    for body, kind in (
        (image(layers=[broken]), OCI_MANIFEST),
        (image(subject=broken), OCI_MANIFEST),
        (index(manifests=[broken]), OCI_INDEX),
    ):
        with pytest.raises(Malformed) as caught:
            parse_manifest(raw(body), kind)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [{"config": ...}, {"config": None}, {"config": []}, {"layers": {}}, {"layers": [1]}])
def test_an_image_without_its_parts_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_manifest(raw(image(**change)), OCI_MANIFEST)


def test_what_a_stock_registry_can_not_serve_is_stored_and_says_why() -> None:
    with_parameters = parse_manifest(raw(image(mediaType=f"{OCI_MANIFEST}; charset=utf-8")), OCI_MANIFEST)
    assert "parameters" in (with_parameters.unservable or "")
    odd = parse_manifest(raw(image(annotations={"n": 1, "s": "x"})), OCI_MANIFEST)
    assert "not a string" in (odd.unservable or "")
    assert odd.annotations == {"s": "x"}
    deep = parse_manifest(raw(image(layers=[entry(annotations={"n": [1]})])), OCI_MANIFEST)
    assert deep.unservable == odd.unservable


def test_lone_surrogates_are_read_as_go_reads_them() -> None:
    body = raw(image(annotations={"k": "a\ud800b", "pair": "😀"}))
    assert parse_manifest(body, OCI_MANIFEST).annotations == {"k": "a\ufffdb", "pair": "😀"}


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


# --- anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
keys = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "blobs", "subject", "annotations"]
)


@settings(max_examples=300)
@given(st.dictionaries(keys, json_values), st.sampled_from([*MANIFEST_TYPES, "application/json"]))
def test_any_change_of_a_field_is_read_or_refused_and_never_fails_otherwise(changes: Any, media_type: str) -> None:
    for body in (image(media_type) | changes, index(media_type) | changes, changes):
        with suppress(Malformed, Unsupported):
            assert parse_manifest(raw(body), media_type).raw == raw(body)


@given(st.binary(max_size=200), st.sampled_from([*MANIFEST_TYPES, ""]))
def test_any_bytes_are_refused(data: bytes, media_type: str) -> None:
    with pytest.raises((Malformed, Unsupported)):
        parse_manifest(data, media_type)
