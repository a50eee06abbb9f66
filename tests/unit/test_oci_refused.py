"""Manifests from outside that are not what they claim to be: refused, and by name."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrmirror.errors import Malformed, Unsupported
from acrmirror.oci import (
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    MANIFEST_TYPES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    ORAS_ARTIFACT,
    parse_manifest,
)
from tests.unit.oci_bodies import CONFIG, entry, image, index, raw

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
