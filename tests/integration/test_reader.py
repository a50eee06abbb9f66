"""The reader finds whatever a stock registry would stumble over, in a mirror written here by hand."""

import json

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.oci import parse_manifest
from acrmirror.reference import Digest
from testkit.images import SHAPES, multi_arch, oci_image, sbom, signature, together
from testkit.reader import (
    Damaged,
    MirrorReader,
    NotServed,
    verify_all,
    verify_manifest,
    verify_repository,
    verify_tag,
)
from tests.integration.written_mirror import V2, current, data, link, put, put_blobs, write, write_referrers


@pytest.fixture
def reader(container: ContainerClient) -> MirrorReader:
    return MirrorReader(container)


# -- reading -----------------------------------------------------------------------------------------------------


def test_what_stands_is_listed_and_read(container: ContainerClient, reader: MirrorReader) -> None:
    image = multi_arch("read", 2)
    write(container, "team/app", image)
    write(container, "base", oci_image("base", tag="v1"))
    assert reader.repositories() == ["base", "team/app"]
    assert reader.tags("team/app") == ["latest"]
    assert reader.resolve("team/app", "latest") == str(image.root.digest)
    assert reader.revisions("team/app") == {str(stored.descriptor.digest) for stored in image.manifests}
    served = reader.manifest("team/app", "latest")
    assert (served.raw, served.media_type) == (image.manifest(image.root.digest).raw, image.root.media_type)
    for blob in image.blobs:
        assert b"".join(reader.blob("team/app", str(blob.descriptor.digest))) == blob.content.read()
        assert reader.size("team/app", str(blob.descriptor.digest)) == blob.descriptor.size


def test_content_without_a_link_in_this_repository_is_not_served(
    container: ContainerClient, reader: MirrorReader
) -> None:
    image = oci_image("links")
    write(container, "app", image)
    put_blobs(container, "other", image)
    digest = str(image.root.digest)
    with pytest.raises(NotServed):
        reader.manifest("other", digest)
    with pytest.raises(NotServed):
        reader.blob("third", str(image.blobs[0].descriptor.digest))
    with pytest.raises(NotServed):
        reader.size("third", str(image.blobs[0].descriptor.digest))
    with pytest.raises(NotServed):
        reader.resolve("app", "missing")
    assert reader.tags("nowhere") == []


def test_a_link_with_a_newline_is_not_one(container: ContainerClient, reader: MirrorReader) -> None:
    image = oci_image("newline")
    write(container, "app", image)
    put(container, current("app", "latest"), f"{image.root.digest}\n".encode())
    with pytest.raises(Damaged, match="holds no digest"):
        reader.resolve("app", "latest")


def test_a_flipped_byte_is_noticed_at_the_end_of_the_blob(container: ContainerClient, reader: MirrorReader) -> None:
    image = oci_image("flipped")
    write(container, "app", image)
    digest = image.blobs[-1].descriptor.digest
    body = bytearray(image.blobs[-1].content.read())
    body[7] ^= 1
    put(container, data(digest), bytes(body))
    with pytest.raises(Damaged, match="the bytes have"):
        list(reader.blob("app", str(digest)))


def test_a_manifest_without_a_media_type_is_judged_as_stock_does(
    container: ContainerClient, reader: MirrorReader
) -> None:
    for listed, expected in (("layers", "image.manifest"), ("manifests", "image.index")):
        raw = json.dumps({"schemaVersion": 2, listed: []}).encode()
        put(container, data(Digest.of(raw)), raw)
        put(container, link("app", "_manifests/revisions", Digest.of(raw)), str(Digest.of(raw)).encode())
        assert reader.manifest("app", str(Digest.of(raw))).media_type == f"application/vnd.oci.{expected}.v1+json"


# -- verifying ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_good_mirror_is_whole(container: ContainerClient, reader: MirrorReader, shape: str) -> None:
    image = SHAPES[shape]()
    write(container, "app", image)
    root = str(image.root.digest)
    report = verify_manifest(reader, "app", root) if image.tag is None else verify_tag(reader, "app", image.tag)
    assert report.is_whole, str(report)
    parsed = [parse_manifest(m.raw, m.descriptor.media_type, m.descriptor.digest) for m in image.manifests]
    if not any(manifest.subject for manifest in parsed):
        everything = verify_all(reader)
        assert everything.is_whole, str(everything)
        assert (everything.manifests, everything.size) == (len(image.manifests), image.size)
        assert everything.blobs == len(image.blobs)
    has = {str(blob.descriptor.digest) for blob in image.blobs}
    absent = {str(blob.digest) for manifest in parsed for blob in manifest.blobs} - has
    assert report.left_out == absent


def test_nothing_is_not_called_whole(reader: MirrorReader) -> None:
    assert not verify_all(reader).is_whole


def _problems(reader: MirrorReader) -> str:
    report = verify_all(reader)
    assert not report.is_whole
    return str(report)


DAMAGES = [
    "layer content missing",
    "layer link missing",
    "config link missing",
    "layer content wrong",
    "layer content short",
    "child content missing",
    "child link missing",
    "manifest content wrong",
    "revision link points elsewhere",
    "layer link points elsewhere",
    "tag points nowhere",
    "tag without its index link",
    "unreferenced blob wrong",
    "a name that is none",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_kind_of_damage_is_reported(container: ContainerClient, reader: MirrorReader, damage: str) -> None:
    image = multi_arch("damage", 2)
    write(container, "app", image)
    child = image.manifests[0]
    manifest = parse_manifest(child.raw, child.descriptor.media_type)
    assert manifest.config is not None
    layer, config = manifest.layers[0].digest, manifest.config.digest
    root, other = image.root.digest, Digest.of(b"other")
    match damage:
        case "layer content missing":
            container.delete_blob(data(layer))
            named = f"{layer}: its content"
        case "layer link missing":
            container.delete_blob(link("app", "_layers", layer))
            named = f"{layer.encoded}/link is not there"
        case "config link missing":
            container.delete_blob(link("app", "_layers", config))
            named = f"{config.encoded}/link is not there"
        case "layer content wrong":
            put(container, data(layer), b"x" * manifest.layers[0].size)
            named = f"{layer}: its bytes have"
        case "layer content short":
            put(container, data(layer), b"")
            named = f"{layer}: its bytes have"
        case "child content missing":
            container.delete_blob(data(child.descriptor.digest))
            named = f"app@{child.descriptor.digest}: its content"
        case "child link missing":
            container.delete_blob(link("app", "_manifests/revisions", child.descriptor.digest))
            named = f"{child.descriptor.digest.encoded}/link is not there"
        case "manifest content wrong":
            put(container, data(root), b"{}")
            named = f"app@{root}: its bytes have"
        case "revision link points elsewhere":
            put(container, link("app", "_manifests/revisions", root), str(other).encode())
            named = f"points at {other}"
        case "layer link points elsewhere":
            put(container, link("app", "_layers", layer), str(other).encode())
            named = f"points at {other}"
        case "tag points nowhere":
            put(container, current("app", "latest"), str(other).encode())
            named = f"app@{other}: its content"
        case "tag without its index link":
            container.delete_blob(link("app", "_manifests/tags/latest/index", root))
            named = "app:latest"
        case "unreferenced blob wrong":
            put(container, data(other), b"not other")
            named = f"{other}: {other}: its bytes have"
        case _:
            put(container, f"{V2}/blobs/sha256/00/{other.encoded}/data", b"other")
            named = "is no name of the storage layout"
    assert named in _problems(reader)


def test_a_size_that_is_not_the_contents_is_reported(container: ContainerClient, reader: MirrorReader) -> None:
    image = oci_image("size")
    write(container, "app", image)
    body = json.loads(image.manifests[0].raw)
    body["layers"][0]["size"] += 1
    raw = json.dumps(body).encode()
    put(container, data(Digest.of(raw)), raw)
    put(container, link("app", "_manifests/revisions", Digest.of(raw)), str(Digest.of(raw)).encode())
    report = verify_manifest(reader, "app", str(Digest.of(raw)))
    assert "lists" in str(report)
    assert verify_tag(reader, "app", "latest").is_whole


def test_a_referrer_that_is_not_listed_is_reported(container: ContainerClient, reader: MirrorReader) -> None:
    image = oci_image("referrers")
    signed, listed = signature("referrers", image.root), sbom("referrers", image.root)
    write(container, "app", together(image, listed))
    write_referrers(container, "app", image, [listed])
    assert verify_repository(reader, "app").is_whole
    write(container, "app", signed)
    report = verify_repository(reader, "app")
    assert [str(signed.root.digest) in str(problem) for problem in report.problems] == [True]
    write_referrers(container, "app", image, [listed, signed])
    assert verify_repository(reader, "app").is_whole


def test_a_missing_foreign_layer_is_left_out_and_no_problem(container: ContainerClient, reader: MirrorReader) -> None:
    absent, present = SHAPES["foreign-layer"](), SHAPES["foreign-layer-present"]()
    write(container, "absent", absent)
    write(container, "present", present)
    report = verify_all(reader)
    assert report.is_whole, str(report)
    assert len(report.left_out) == 1
