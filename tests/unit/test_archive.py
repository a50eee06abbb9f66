"""Archives of images of every shape: what is in them, that they are right, and that they are gone on with."""

import io
import json
import tarfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from acrmirror.archive import (
    Exported,
    Fetch,
    Part,
    image_parts,
    images_of,
    unloadable,
    write_file,
    write_folder,
    write_stream,
)
from acrmirror.archive.fetching import BLOCK
from acrmirror.archive.tarball import header
from acrmirror.errors import DigestMismatch, Unavailable
from acrmirror.oci import Descriptor, Manifest, parse_manifest
from acrmirror.platforms import DEFAULT_PLATFORM, choose
from acrmirror.reference import Digest
from testkit.images import SHAPES, Image, many_layers, multi_arch, oci_image
from testkit.images.content import Content
from testkit.images.values import Draft

NAME = "demo.azurecr.io/team/app:1.2"


class Store:
    """The blobs of one image; counts what is fetched of it."""

    def __init__(self, image: Image) -> None:
        self._data = {blob.descriptor.digest: blob.content for blob in image.blobs}
        self.read: Counter[Digest] = Counter()
        self.stop_after: int | None = None
        self.corrupt: Digest | None = None

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._data

    def bytes_of(self, digest: Digest) -> bytes:
        return self._data[digest].read()

    def fetch(self, blob: Descriptor, offset: int, length: int) -> bytes:
        if self.stop_after is not None and self.read.total() >= self.stop_after:
            raise Unavailable("read a blob", "the link went down", "Run it again.")
        data = self.bytes_of(blob.digest)[offset : offset + length]
        self.read[blob.digest] += len(data)
        if blob.digest == self.corrupt:
            data = b"\xff" + data[1:]
        return data


def _exported(image: Image, store: Store) -> Exported:
    stored = [(it.raw, it.descriptor) for it in image.manifests]
    manifests = {it.digest: parse_manifest(raw, it.media_type, it.digest) for raw, it in stored}
    root = manifests[image.root.digest]
    reached: dict[Digest, Manifest] = {}

    def reach(manifest: Manifest) -> None:
        reached[manifest.digest] = manifest
        for child in manifest.manifests:
            reach(manifests[child.digest])

    reach(root)
    absent = frozenset(
        blob.digest for it in reached.values() for blob in it.blobs if blob.is_foreign and blob.digest not in store
    )
    chosen = root if not root.is_index else choose(images_of(root, reached), DEFAULT_PLATFORM)
    docker = None
    if chosen is not None and chosen.config is not None:
        config = store.bytes_of(chosen.config.digest)
        docker = (chosen, config) if unloadable(chosen, config, absent) is None else None
    return Exported(root, tuple(reached.values()), NAME, "1.2", absent, docker)


def _archive(exported: Exported, fetch: Fetch) -> bytes:
    stream = io.BytesIO()
    write_stream(stream, image_parts(exported), fetch)
    return stream.getvalue()


def _members(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = [(it.name, archive.extractfile(it)) for it in archive.getmembers()]
        return {name: file.read() for name, file in members if file is not None}


@cache
def _shape(name: str) -> Image:
    return SHAPES[name]()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_becomes_a_whole_layout(shape: str) -> None:
    image = _shape(shape)
    store = Store(image)
    exported = _exported(image, store)
    members = _members(_archive(exported, store.fetch))
    assert json.loads(members["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(members["index.json"])["manifests"]
    assert entry["digest"] == str(image.root.digest)
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "1.2"
    for name, data in members.items():
        if name.startswith("blobs/"):
            _, algorithm, encoded = name.split("/")
            assert Digest(algorithm, encoded).matches(data)
    for manifest in exported.manifests:
        assert members[f"blobs/{manifest.digest.algorithm}/{manifest.digest.encoded}"] == manifest.raw
        for blob in manifest.blobs:
            there = f"blobs/{blob.digest.algorithm}/{blob.digest.encoded}" in members
            assert there or (blob.is_foreign and blob.digest in exported.absent)
    assert all(count == exported_size(exported, digest) for digest, count in store.read.items())


def exported_size(exported: Exported, digest: Digest) -> int:
    return next(blob.size for blob in exported.blobs if blob.digest == digest)


@pytest.mark.parametrize("shape", ["docker", "docker-list", "oci", "oci-index", "no-layers", "same-layer-twice"])
def test_images_have_what_docker_load_reads(shape: str) -> None:
    image = _shape(shape)
    store = Store(image)
    members = _members(_archive(_exported(image, store), store.fetch))
    (entry,) = json.loads(members["manifest.json"])
    config = json.loads(members[entry["Config"]])
    assert entry["RepoTags"] == [NAME]
    assert config["os"], config["architecture"] == ("linux", "amd64")
    assert len(entry["Layers"]) == len(config["rootfs"]["diff_ids"])
    assert all(layer in members for layer in entry["Layers"])


@pytest.mark.parametrize("shape", ["artifact", "helm-chart", "empty-descriptors", "artifact-manifest", "foreign-layer"])
def test_what_docker_could_not_load_does_not_pretend(shape: str) -> None:
    image = _shape(shape)
    store = Store(image)
    assert "manifest.json" not in _members(_archive(_exported(image, store), store.fetch))


def test_the_same_image_gives_the_same_bytes() -> None:
    image = many_layers("same", 20)
    store = Store(image)
    exported = _exported(image, store)
    assert _archive(exported, store.fetch) == _archive(exported, store.fetch)


def test_a_file_appears_when_it_is_whole_and_is_what_a_stream_has(tmp_path: Path) -> None:
    image = oci_image("file", (100_000, 50_000))
    store = Store(image)
    exported = _exported(image, store)
    write_file(tmp_path / "image.tar", image_parts(exported), store.fetch)
    assert (tmp_path / "image.tar").read_bytes() == _archive(exported, store.fetch)
    assert [path.name for path in tmp_path.iterdir()] == ["image.tar"]


@pytest.mark.parametrize("keep", ["half", "all but the end", "in a header", "in the padding", "nothing"])
def test_a_file_cut_off_anywhere_is_gone_on_with(tmp_path: Path, keep: str) -> None:
    image = oci_image("cut", (BLOCK + 1000, 300_001))
    store = Store(image)
    exported = _exported(image, store)
    parts = image_parts(exported)
    whole = _archive(exported, store.fetch)
    first_blob = next(n for n, part in enumerate(parts) if part.blob is not None)
    before = sum(len(header(part)) + part.size + -part.size % 512 for part in parts[:first_blob])
    padded = before + 512 + parts[first_blob].size
    cut = {
        "half": len(whole) // 2,
        "all but the end": len(whole) - 700,
        "in a header": before + 100,
        "in the padding": padded + 3,
        "nothing": 0,
    }[keep]
    (tmp_path / "image.tar.part").write_bytes(whole[:cut])
    store.read.clear()
    write_file(tmp_path / "image.tar", parts, store.fetch)
    assert (tmp_path / "image.tar").read_bytes() == whole
    assert store.read.total() <= max(0, len(whole) - cut)


def test_what_a_killed_run_left_is_checked(tmp_path: Path) -> None:
    image = oci_image("damaged", (200_000, 200_000))
    store = Store(image)
    exported = _exported(image, store)
    whole = _archive(exported, store.fetch)
    damaged = bytearray(whole[: len(whole) - 5000])
    damaged[len(whole) // 2] ^= 1
    (tmp_path / "image.tar.part").write_bytes(damaged)
    write_file(tmp_path / "image.tar", image_parts(exported), store.fetch)
    assert (tmp_path / "image.tar").read_bytes() == whole


def test_another_images_remains_are_not_mixed_in(tmp_path: Path) -> None:
    other = oci_image("other", (200_000,))
    (tmp_path / "image.tar.part").write_bytes(_archive(_exported(other, Store(other)), Store(other).fetch))
    image = oci_image("this", (90_000,))
    store = Store(image)
    exported = _exported(image, store)
    write_file(tmp_path / "image.tar", image_parts(exported), store.fetch)
    assert (tmp_path / "image.tar").read_bytes() == _archive(exported, store.fetch)


def test_wrong_bytes_never_make_an_archive(tmp_path: Path) -> None:
    image = oci_image("wrong", (90_000, 90_000))
    store = Store(image)
    exported = _exported(image, store)
    layer = exported.root.layers[1]
    store.corrupt = layer.digest
    target = tmp_path / "image.tar"
    with pytest.raises(DigestMismatch, match=str(layer.digest)):
        write_file(target, image_parts(exported), store.fetch)
    assert not target.exists()
    store.corrupt = None
    store.read.clear()
    write_file(target, image_parts(exported), store.fetch)
    assert set(store.read) == {layer.digest}


def test_a_stream_of_wrong_bytes_has_no_end() -> None:
    image = oci_image("torn", (90_000,))
    store = Store(image)
    exported = _exported(image, store)
    store.corrupt = exported.root.layers[0].digest
    stream = io.BytesIO()
    with pytest.raises(DigestMismatch):
        write_stream(stream, image_parts(exported), store.fetch)
    with pytest.raises(tarfile.ReadError):
        _members(stream.getvalue() or b"\0")


def test_a_folder_goes_on_where_it_stopped(tmp_path: Path) -> None:
    image = oci_image("folder", (2 * BLOCK + 5, 400_000, BLOCK))
    store = Store(image)
    exported = _exported(image, store)
    store.stop_after = 2 * BLOCK
    with pytest.raises(Unavailable):
        write_folder(tmp_path, exported, store.fetch, threads=1)
    assert not (tmp_path / "index.json").exists()
    kept = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    store.stop_after = None
    store.read.clear()
    write_folder(tmp_path, exported, store.fetch)
    total = sum(blob.size for blob in exported.blobs)
    assert kept >= BLOCK
    assert store.read.total() == total - kept
    for blob in exported.blobs:
        path = tmp_path / "blobs" / blob.digest.algorithm / blob.digest.encoded
        assert blob.digest.matches(path.read_bytes())
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_takes_several_images_and_shares_their_layers(tmp_path: Path) -> None:
    first, second = multi_arch("shared", 2, shared_layers=(40_000,)), oci_image("second")
    for image, tag in ((first, "1"), (second, "2"), (first, "1")):
        store = Store(image)
        exported = _exported(image, store)
        write_folder(tmp_path, Exported(exported.root, exported.manifests, f"x/y:{tag}", tag), store.fetch)
    listed = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert {it["digest"] for it in listed} == {str(first.root.digest), str(second.root.digest)}
    assert len(listed) == 2
    assert store.read.total() == 0


def test_progress_counts_what_was_there_before(tmp_path: Path) -> None:
    image = oci_image("progress", (BLOCK * 2, 10_000))
    store = Store(image)
    exported = _exported(image, store)
    seen: dict[Digest, int] = {}
    write_file(
        tmp_path / "image.tar",
        image_parts(exported),
        store.fetch,
        on_bytes=lambda digest, done: seen.update({digest: max(done, seen.get(digest, 0))}),
    )
    assert seen == {blob.digest: blob.size for blob in exported.blobs}


def test_sizes_over_eight_gibibytes_fit_into_a_header() -> None:
    draft = Draft()
    huge = draft.content(Content(9 * 2**30, lambda: io.BytesIO()), Digest("sha512", "a" * 128), "application/x")
    image = draft.image(huge)
    raw = header(Part(f"blobs/sha512/{'a' * 128}", blob=image.root))
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r|") as archive:
        member = archive.next()
    assert member is not None
    assert (member.size, member.name) == (9 * 2**30, f"blobs/sha512/{'a' * 128}")
