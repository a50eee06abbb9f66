"""Manifests of the local registry: byte for byte, refused where they point nowhere, hidden, deleted."""

import gzip
import json
from urllib.parse import quote

import pytest

from standins.tests.registry_process import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Answer,
    RegistryProcess,
    descriptor,
    digest_of,
    image_manifest,
)


def test_a_manifest_comes_back_byte_for_byte(local_registry: RegistryProcess, repository: str) -> None:
    config, layer = b"{}", gzip.compress(b"layer")
    for data in (config, layer):
        local_registry.push_blob(repository, data)
    raw = json.dumps(image_manifest(config, layer), indent=7).encode() + b"\n\n"
    for algorithm in ("sha256", "sha512"):
        digest = local_registry.put_manifest(repository, raw, algorithm=algorithm)
        answer = local_registry.ask("GET", f"/v2/{repository}/manifests/{digest}")
        assert answer.body == raw
        assert answer.header("Docker-Content-Digest") == digest
        assert answer.header("Content-Type") == OCI_MANIFEST
    assert local_registry.put_manifest(repository, raw, "v1") == digest_of(raw)
    head = local_registry.ask("HEAD", f"/v2/{repository}/manifests/v1")
    assert (head.status, head.header("Content-Length"), head.body) == (200, str(len(raw)), b"")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"layers": [descriptor(OCI_LAYER, b"never pushed")]}, "MANIFEST_BLOB_UNKNOWN"),
        ({"config": descriptor(OCI_CONFIG, b"never pushed")}, "MANIFEST_BLOB_UNKNOWN"),
        ({"mediaType": "application/vnd.docker.distribution.manifest.v1+json"}, "MANIFEST_INVALID"),
        ({"mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, b"nothing")]}, "MANIFEST_BLOB_UNKNOWN"),
        ({"layers": ["nothing"]}, "MANIFEST_INVALID"),
        ({"config": None}, "MANIFEST_INVALID"),
    ],
)
def test_manifests_that_point_nowhere_or_are_none_are_refused(
    local_registry: RegistryProcess, repository: str, change: dict[str, object], code: str
) -> None:
    config, layer = b"{}", b"layer"
    for data in (config, layer):
        local_registry.push_blob(repository, data)
    value = {**image_manifest(config, layer), **change}
    headers = {"Content-Type": str(value["mediaType"])}
    answer = local_registry.ask("PUT", f"/v2/{repository}/manifests/v1", body=json.dumps(value), headers=headers)
    assert answer.code() == code


def test_a_manifest_has_to_be_what_its_request_says(local_registry: RegistryProcess, repository: str) -> None:
    config, layer = b"{}", b"layer"
    for data in (config, layer):
        local_registry.push_blob(repository, data)
    raw = json.dumps(image_manifest(config, layer)).encode()

    def put(reference: str, body: bytes, media_type: str) -> Answer:
        path = f"/v2/{repository}/manifests/{reference}"
        return local_registry.ask("PUT", path, body=body, headers={"Content-Type": media_type})

    assert put("v1", raw, OCI_INDEX).code() == "MANIFEST_INVALID"
    assert put("v1", b"not json", OCI_MANIFEST).code() == "MANIFEST_INVALID"
    assert put("v1", b"[" * 100_000, OCI_MANIFEST).code() == "MANIFEST_INVALID"
    assert put(digest_of(b"other"), raw, OCI_MANIFEST).code() == "DIGEST_INVALID"
    assert put("-v1", raw, OCI_MANIFEST).code() == "TAG_INVALID"
    assert put("v" * 129, raw, OCI_MANIFEST).code() == "TAG_INVALID"
    assert put("v1", raw + b" " * (4 << 20), OCI_MANIFEST).status == 413
    padded = raw + b" " * ((4 << 20) - len(raw))
    assert put("v1", padded, f"{OCI_MANIFEST}; charset=utf-8").status == 201


@pytest.mark.parametrize("name", ["../x", "Upper", "a//b", "a/", "é", "a" * 256, "a..b", "a\nb"])
def test_repositories_that_are_no_names_are_refused(local_registry: RegistryProcess, name: str) -> None:
    answer = local_registry.ask("GET", f"/v2/{quote(name, safe='')}/manifests/v1")
    assert answer.status in (400, 404)
    assert answer.code() in ("NAME_INVALID", "NOT_FOUND")


def test_what_a_client_does_not_accept_is_hidden_from_it(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.push_image(repository, "v1")

    def accepting(*types: str) -> int:
        headers = {"Accept": ", ".join(types)}
        return local_registry.ask("GET", f"/v2/{repository}/manifests/v1", headers=headers).status

    assert accepting("application/vnd.docker.distribution.manifest.v2+json") == 404
    assert accepting("application/vnd.docker.distribution.manifest.v2+json", f"{OCI_MANIFEST};q=0.5") == 200
    assert accepting("*/*") == 200


def test_deleting_a_manifest_takes_its_tags_and_deleting_a_tag_takes_no_manifest(
    local_registry: RegistryProcess, repository: str
) -> None:
    digest = local_registry.push_image(repository, "v1")
    raw = local_registry.ask("GET", f"/v2/{repository}/manifests/v1").body
    local_registry.put_manifest(repository, raw, "v2")
    assert local_registry.ask("DELETE", f"/v2/{repository}/manifests/v1").status == 202
    assert local_registry.ask("GET", f"/v2/{repository}/manifests/v1").code() == "MANIFEST_UNKNOWN"
    assert local_registry.ask("GET", f"/v2/{repository}/manifests/{digest}").status == 200
    assert local_registry.ask("DELETE", f"/v2/{repository}/manifests/{digest}").status == 202
    for reference in ("v2", digest):
        assert local_registry.ask("GET", f"/v2/{repository}/manifests/{reference}").status == 404
    assert local_registry.ask("DELETE", f"/v2/{repository}/manifests/{digest}").status == 404
    assert local_registry.ask("GET", f"/v2/{repository}/tags/list").code() == "NAME_UNKNOWN"


def test_foreign_layers_need_not_be_there(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.push_blob(repository, b"{}")
    value = image_manifest(b"{}", b"never pushed")
    value["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    local_registry.put_manifest(repository, value, "v1")


# Connections
