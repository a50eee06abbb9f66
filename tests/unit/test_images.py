"""The test images are what they say: real archives, exact sizes, the same for the same seed."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from acrmirror.oci import MAX_MANIFEST_SIZE, Manifest, parse_manifest
from acrmirror.reference import Digest
from testkit.images import (
    SHAPES,
    SMALLEST,
    Content,
    Image,
    NoImage,
    docker_image,
    load_image,
    make_layer,
    multi_arch,
    oci_image,
    together,
    write_layout,
)
from testkit.images.build import CREATED
from testkit.images.layers import Packing


def _parsed(image: Image) -> dict[Digest, Manifest]:
    return {
        m.descriptor.digest: parse_manifest(m.raw, m.descriptor.media_type, m.descriptor.digest)
        for m in image.manifests
    }


def _unpack_zstd(data: bytes) -> bytes:
    """A frame of raw blocks (RFC 8878): what these layers are made of, and all that this reads."""
    assert data[:4] == bytes.fromhex("28b52ffd")
    place, archive, last = 6, b"", False
    while not last:
        header = int.from_bytes(data[place : place + 3], "little")
        last, size = bool(header & 1), header >> 3
        assert header & 6 == 0
        archive += data[place + 3 : place + 3 + size]
        place += 3 + size
    assert place == len(data)
    return archive


@pytest.mark.parametrize("shape", SHAPES)
def test_every_blob_and_manifest_is_what_its_descriptor_says(shape: str) -> None:
    image = SHAPES[shape]()
    for blob in image.blobs:
        data = blob.content.read()
        assert len(data) == blob.descriptor.size == blob.content.size
        assert blob.descriptor.digest.matches(data)
    for stored in image.manifests:
        assert stored.descriptor.digest.matches(stored.raw)
        assert len(stored.raw) == stored.descriptor.size <= MAX_MANIFEST_SIZE


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_manifest_points_at_comes_before_it(shape: str) -> None:
    image = SHAPES[shape]()
    blobs = {blob.descriptor.digest for blob in image.blobs}
    seen: set[Digest] = set()
    for digest, manifest in _parsed(image).items():
        assert {child.digest for child in manifest.manifests} <= seen
        assert {blob.digest for blob in manifest.blobs if not blob.is_foreign} <= blobs
        seen.add(digest)
    assert image.root.digest in seen
    assert (image.tag is None) == (image.root.digest.algorithm == "sha512")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_always_the_same(shape: str) -> None:
    first, second = SHAPES[shape](), SHAPES[shape]()
    assert first.root == second.root
    assert [m.raw for m in first.manifests] == [m.raw for m in second.manifests]


def test_digests_do_not_depend_on_the_machine() -> None:
    """Taken once: a change here changes every recorded figure of tests and benchmarks."""
    assert str(make_layer("fixed", 100_000).digest).startswith("sha256:0dc811282292eb0a")
    assert str(make_layer("fixed", 100_000, "zstd").digest).startswith("sha256:6897b5403192afa7")
    assert str(oci_image("fixed").root.digest).startswith("sha256:83a97e4aedd3317a")


@pytest.mark.parametrize("packing", ["tar", "gzip", "zstd"])
@pytest.mark.parametrize(
    "size", [SMALLEST, SMALLEST + 1, 65_553, 65_554, 65_559, 131_081, 131_082, 1_048_577, 3_000_000]
)
def test_a_layer_has_the_size_asked_for_and_is_a_tar_archive(packing: Packing, size: int) -> None:
    layer = make_layer("layer", size, packing)
    data = layer.content.read()
    assert len(data) == size
    assert layer.digest.matches(data)
    unpack: dict[Packing, Callable[[bytes], bytes]] = {"tar": bytes, "gzip": gzip.decompress, "zstd": _unpack_zstd}
    archive = unpack[packing](data)
    assert layer.diff_id.matches(archive)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = tar.getmembers()
        assert members[0].name == "etc/os-release"
        text = tar.extractfile(members[0])
        assert text is not None
        assert b"layer" in text.read()
        assert members[1].size > size * 0.9 - SMALLEST


def test_a_layer_too_small_to_differ_is_refused() -> None:
    with pytest.raises(ValueError, match="4096"):
        make_layer("layer", SMALLEST - 1)


def test_seeds_make_different_layers() -> None:
    assert make_layer("one", SMALLEST).digest != make_layer("two", SMALLEST).digest


def test_config_lists_the_uncompressed_digests() -> None:
    image = oci_image("diff-ids", [SMALLEST, SMALLEST * 2])
    manifest = _parsed(image)[image.root.digest]
    config = next(b for b in image.blobs if manifest.config and b.descriptor.digest == manifest.config.digest)
    layers = [next(b for b in image.blobs if b.descriptor.digest == layer.digest) for layer in manifest.layers]
    expected = [str(Digest.of(gzip.decompress(layer.content.read()))) for layer in layers]
    document = json.loads(config.content.read())
    assert document["rootfs"]["diff_ids"] == expected
    assert document["created"] == CREATED


def test_a_large_layer_is_never_held_in_memory() -> None:
    """256 MiB made, hashed twice and read, in a process whose peak says what it held."""
    script = (
        "import resource\n"
        "from testkit.images import make_layer\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "layer = make_layer('large', 256 << 20)\n"
        "assert sum(len(c) for c in layer.content.chunks()) == 256 << 20\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    grown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert int(grown) < 32


def test_platforms_share_the_layers_they_are_told_to() -> None:
    image = multi_arch("shared", 5, layers=[SMALLEST], shared_layers=[SMALLEST, SMALLEST])
    uses = Counter(layer.digest for m in _parsed(image).values() for layer in m.layers)
    assert sorted(uses.values()) == [1] * 5 + [5] * 2
    assert len({child.platform for child in _parsed(image)[image.root.digest].manifests}) == 5


def test_together_keeps_each_blob_once_and_the_order() -> None:
    one, two = oci_image("one"), oci_image("two", tag="second")
    both = together(one, two, one)
    assert [m.tag for m in both.manifests] == ["latest", "second"]
    assert len(both.blobs) == len(one.blobs) + len(two.blobs)
    assert both.root == one.root


def test_another_tag_leaves_the_content_as_it_is() -> None:
    image = oci_image("tag")
    moved = image.tagged("v2")
    assert (moved.root, moved.tag, moved.tagged(None).tag) == (image.root, "v2", None)


def test_part_of_a_file_reads_as_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    part = Content.at(path, 3, 4)
    assert (part.read(), part.size, list(part.chunks(3))) == (b"3456", 4, [b"345", b"6"])
    assert Content.at(path).read() == b"0123456789"


# -- from disk ---------------------------------------------------------------------------------------------------


def _tar_of(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as tar:
        for file in sorted(folder.rglob("*")):
            tar.add(file, file.relative_to(folder).as_posix(), recursive=False)
    return path


@pytest.mark.parametrize(
    "shape", ["oci", "oci-index", "nested-index", "foreign-layer", "sha512-index", "zero-bytes", "docker-list"]
)
def test_an_oci_layout_loads_as_the_same_image(shape: str, tmp_path: Path) -> None:
    image = SHAPES[shape]()
    write_layout(tmp_path / "layout", image.tagged("v1"))
    for path in (tmp_path / "layout", _tar_of(tmp_path / "layout", tmp_path / "layout.tar")):
        loaded = load_image(path)
        assert loaded.root.digest == image.root.digest
        assert loaded.tag == "v1"
        assert {m.descriptor.digest: m.raw for m in loaded.manifests} == {
            m.descriptor.digest: m.raw for m in image.manifests
        }
        assert {b.descriptor.digest for b in loaded.blobs} == {b.descriptor.digest for b in image.blobs}
        assert all(b.descriptor.digest.matches(b.content.read()) for b in loaded.blobs)


def test_one_of_several_images_is_chosen_by_name(tmp_path: Path) -> None:
    one, two = oci_image("one"), oci_image("two")
    write_layout(tmp_path / "layout", one.tagged("registry.example:5000/team/app:1"), two.tagged("2"))
    with pytest.raises(NoImage, match="name one of them"):
        load_image(tmp_path / "layout")
    with pytest.raises(NoImage, match="not three"):
        load_image(tmp_path / "layout", "three")
    assert load_image(tmp_path / "layout", "2").root.digest == two.root.digest
    assert load_image(tmp_path / "layout", "registry.example:5000/team/app:1").tag == "1"


def _write_docker_save(folder: Path, linked: bool = False) -> Image:
    """As docker before version 25 wrote it: a folder a layer, equal layers as links."""
    image = docker_image("saved", [SMALLEST, SMALLEST * 2], packing="tar")
    manifest = _parsed(image)[image.root.digest]
    data = {b.descriptor.digest: b.content.read() for b in image.blobs}
    assert manifest.config is not None
    folder.mkdir()
    (folder / f"{manifest.config.digest.encoded}.json").write_bytes(data[manifest.config.digest])
    names = []
    for layer in manifest.layers:
        (folder / layer.digest.encoded).mkdir()
        (folder / layer.digest.encoded / "layer.tar").write_bytes(data[layer.digest])
        names.append(f"{layer.digest.encoded}/layer.tar")
    if linked:
        (folder / "again").mkdir()
        (folder / "again" / "layer.tar").symlink_to(f"../{names[0]}")
        names.append("again/layer.tar")
    saved = [{"Config": f"{manifest.config.digest.encoded}.json", "RepoTags": ["team/app:1.2"], "Layers": names}]
    (folder / "manifest.json").write_text(json.dumps(saved))
    return image


def test_a_docker_save_archive_keeps_config_and_layers(tmp_path: Path) -> None:
    image = _write_docker_save(tmp_path / "saved")
    loaded = load_image(_tar_of(tmp_path / "saved", tmp_path / "saved.tar"))
    assert loaded.tag == "1.2"
    assert {b.descriptor.digest for b in loaded.blobs} == {b.descriptor.digest for b in image.blobs}
    manifest, original = _parsed(loaded)[loaded.root.digest], _parsed(image)[image.root.digest]
    assert manifest.blobs == original.blobs


def test_a_docker_save_archive_may_link_a_layer_to_another(tmp_path: Path) -> None:
    _write_docker_save(tmp_path / "saved", linked=True)
    loaded = load_image(_tar_of(tmp_path / "saved", tmp_path / "saved.tar"))
    layers = _parsed(loaded)[loaded.root.digest].layers
    assert len(layers) == 3
    assert layers[0].digest == layers[2].digest


def test_what_is_no_image_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not an archive")
    with pytest.raises(NoImage, match="not an uncompressed tar"):
        load_image(tmp_path / "text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoImage, match="neither oci-layout"):
        load_image(tmp_path / "empty")
    image = oci_image("broken")
    write_layout(tmp_path / "layout", image)
    missing = image.blobs[0].descriptor.digest
    (tmp_path / "layout" / "blobs" / missing.algorithm / missing.encoded).unlink()
    with pytest.raises(NoImage, match="does not have it"):
        load_image(tmp_path / "layout")
    for entry in ({"digest": "sha256:short", "size": 1}, {"digest": str(missing), "size": "many"}, {"size": 1}):
        listed = {"mediaType": image.root.media_type, **entry}
        (tmp_path / "layout" / "index.json").write_text(json.dumps({"manifests": [listed]}))
        with pytest.raises(NoImage, match="an entry that is no descriptor"):
            load_image(tmp_path / "layout")
