"""The reader finds whatever a stock registry would stumble over, in a mirror written here by hand."""

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from acrmirror.oci import parse_manifest
from acrmirror.reference import Digest
from standins.foundation import Account
from testkit.images import SHAPES, UNSERVABLE, Image, load_image, multi_arch, oci_image, sbom, signature, together
from testkit.reader import (
    Damaged,
    MirrorReader,
    NotServed,
    Poller,
    pull_to_layout,
    verify_all,
    verify_manifest,
    verify_repository,
    verify_tag,
)

V2 = "docker/registry/v2"


@pytest.fixture
def container(account: Account) -> Iterator[ContainerClient]:
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as service:
        yield service.get_container_client("mirror")


@pytest.fixture
def reader(container: ContainerClient) -> MirrorReader:
    return MirrorReader(container)


def data(digest: Digest) -> str:
    return f"{V2}/blobs/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}/data"


def link(repository: str, kind: str, digest: Digest) -> str:
    return f"{V2}/repositories/{repository}/{kind}/{digest.algorithm}/{digest.encoded}/link"


def current(repository: str, tag: str) -> str:
    return f"{V2}/repositories/{repository}/_manifests/tags/{tag}/current/link"


def put(container: ContainerClient, name: str, body: bytes) -> None:
    container.upload_blob(name, body, overwrite=True)


def put_blobs(container: ContainerClient, repository: str, image: Image) -> None:
    for blob in image.blobs:
        digest = blob.descriptor.digest
        put(container, data(digest), blob.content.read())
        put(container, link(repository, "_layers", digest), str(digest).encode())


def put_tag(container: ContainerClient, repository: str, tag: str, digest: Digest) -> None:
    put(container, link(repository, f"_manifests/tags/{tag}/index", digest), str(digest).encode())
    put(container, current(repository, tag), str(digest).encode())


def write(container: ContainerClient, repository: str, image: Image) -> None:
    """A mirror as it should be, in the order in which it should be written."""
    put_blobs(container, repository, image)
    for stored in image.manifests:
        digest = stored.descriptor.digest
        put(container, data(digest), stored.raw)
        put(container, link(repository, "_manifests/revisions", digest), str(digest).encode())
        if stored.tag is not None:
            put_tag(container, repository, stored.tag, digest)


def write_referrers(container: ContainerClient, repository: str, image: Image, referrers: list[Image]) -> Digest:
    """The referrers tag of an image: an index of what refers to it."""
    entries = [{"mediaType": r.root.media_type, "digest": str(r.root.digest), "size": r.root.size} for r in referrers]
    body = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
    raw = json.dumps(body).encode()
    digest = Digest.of(raw)
    put(container, data(digest), raw)
    put(container, link(repository, "_manifests/revisions", digest), str(digest).encode())
    put_tag(container, repository, f"sha256-{image.root.digest.encoded}", digest)
    return digest


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


# -- watching ----------------------------------------------------------------------------------------------------


def _watched(reader: MirrorReader, poller: Poller) -> list[str]:
    poller.look()
    return [str(violation) for violation in poller.violations]


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - {"120-layers", "many-manifests"}))
def test_a_mirror_written_in_order_never_shows_half_an_image(
    container: ContainerClient, reader: MirrorReader, shape: str
) -> None:
    with Poller(reader, interval=0.01) as poller:
        write(container, "app", SHAPES[shape]())
    assert poller.snapshots > 1
    assert poller.violations == []


def test_a_tag_before_its_manifest_is_seen(container: ContainerClient, reader: MirrorReader) -> None:
    image, poller = oci_image("early-tag"), Poller(reader)
    put_blobs(container, "app", image)
    put_tag(container, "app", "latest", image.root.digest)
    violations = _watched(reader, poller)
    assert len(violations) == 1
    assert "tags/latest/current/link stood without" in violations[0]
    write(container, "app", image)
    assert _watched(reader, poller) == violations


@pytest.mark.parametrize("missing", ["layer", "layer link", "child", "manifest"])
def test_a_revision_link_before_its_closure_is_seen(
    container: ContainerClient, reader: MirrorReader, missing: str
) -> None:
    image, poller = multi_arch("early-link", 2), Poller(reader)
    child = image.manifests[0]
    layer = parse_manifest(child.raw, child.descriptor.media_type).layers[0].digest
    write(container, "app", image)
    name = {
        "layer": data(layer),
        "layer link": link("app", "_layers", layer),
        "child": link("app", "_manifests/revisions", child.descriptor.digest),
        "manifest": data(image.root.digest),
    }[missing]
    container.delete_blob(name)
    assert any(name in violation for violation in _watched(reader, poller))


def test_a_layer_of_another_length_counts_as_missing(container: ContainerClient, reader: MirrorReader) -> None:
    image = oci_image("short")
    write(container, "app", image)
    put(container, data(image.blobs[-1].descriptor.digest), b"short")
    assert _watched(reader, Poller(reader))


def test_what_vanishes_is_seen(container: ContainerClient, reader: MirrorReader) -> None:
    image, poller = oci_image("vanishing"), Poller(reader)
    write(container, "app", image)
    assert _watched(reader, poller) == []
    container.delete_blob(current("app", "latest"))
    assert "it was there before" in _watched(reader, poller)[0]


def test_an_instant_between_two_looks_is_caught_by_the_thread(container: ContainerClient, reader: MirrorReader) -> None:
    """A tag that stands for a third of a second before its image does."""
    image = oci_image("instant")
    with Poller(reader, interval=0.01) as poller:
        put_tag(container, "app", "latest", image.root.digest)
        threading.Event().wait(0.3)
        write(container, "app", image)
    assert len(poller.violations) == 1


def test_an_error_of_the_watching_is_not_swallowed(account: Account) -> None:
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as service:
        with pytest.raises(ResourceNotFoundError):
            with Poller(MirrorReader(service.get_container_client("nowhere")), interval=0.01):
                threading.Event().wait(0.1)


# -- pulling back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - UNSERVABLE))
def test_an_image_comes_back_as_an_oci_layout(
    container: ContainerClient, reader: MirrorReader, shape: str, tmp_path: Path
) -> None:
    image = SHAPES[shape]().tagged("v1")
    write(container, "app", image)
    seen: dict[str, int] = {}
    root = pull_to_layout(reader, "app", "v1", tmp_path, lambda digest, done: seen.update({digest: done}))
    assert root == str(image.root.digest)
    loaded = load_image(tmp_path)
    assert (loaded.root.digest, loaded.tag) == (image.root.digest, "v1")
    for file in (tmp_path / "blobs").glob("*/*"):
        assert hashlib.new(file.parent.name, file.read_bytes()).hexdigest() == file.name
    fetched = {str(b.descriptor.digest): b.descriptor.size for b in loaded.blobs if b.descriptor.size}
    assert seen == fetched


def test_a_damaged_layer_never_gets_its_digests_name(
    container: ContainerClient, reader: MirrorReader, tmp_path: Path
) -> None:
    image = oci_image("damaged")
    write(container, "app", image)
    put(container, data(image.blobs[-1].descriptor.digest), b"other bytes")
    with pytest.raises(Damaged):
        pull_to_layout(reader, "app", "latest", tmp_path)
    assert not (tmp_path / "blobs" / "sha256" / image.blobs[-1].descriptor.digest.encoded).exists()
