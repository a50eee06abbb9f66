"""Exports onto what is there already: links, pipes, files of other programs, lists that other tools made."""

import json
import os
import stat
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from acrmirror.archive import Exported, image_parts, platform_of, write_file, write_folder
from acrmirror.errors import Malformed
from testkit.images import multi_arch, oci_image
from tests.unit.test_archive import Store, _archive, _exported

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


@pytest.fixture
def store() -> Store:
    return Store(oci_image("places", (90_000,)))


@pytest.fixture
def exported(store: Store) -> Exported:
    return _exported(oci_image("places", (90_000,)), store)


def test_a_file_with_the_name_of_the_lock_stays(tmp_path: Path, exported: Exported, store: Store) -> None:
    (tmp_path / "poetry.lock").write_text("not ours")
    write_file(tmp_path / "poetry", image_parts(exported), store.fetch)
    assert (tmp_path / "poetry.lock").read_text() == "not ours"


def test_whoever_may_write_into_the_folder_may_take_the_lock_of_a_dead_export(tmp_path: Path) -> None:
    code = "import os, sys, time; from pathlib import Path; from acrmirror.archive.alone import alone\n"
    code += "os.umask(0o002)\n"
    code += "with alone(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    lock = tmp_path / "x.lock"
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, cwd=ROOT) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        held.kill()
    assert stat.S_IMODE(lock.stat().st_mode) == 0o664


def test_a_link_stays_and_what_it_points_at_is_written(tmp_path: Path, exported: Exported, store: Store) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "latest.tar"
    link.symlink_to(Path("elsewhere") / "image.tar")
    write_file(link, image_parts(exported), store.fetch)
    assert link.is_symlink()
    assert (tmp_path / "elsewhere" / "image.tar").read_bytes() == _archive(exported, store.fetch)
    assert sorted(it.name for it in tmp_path.rglob("*")) == ["elsewhere", "image.tar", "latest.tar"]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    line = [sys.executable, "-m", "acrmirror.cli", "--url", "http://127.0.0.1:9", "--key", "k"]
    ended = subprocess.run(
        [*line, "export", "team/app:1", "-o", str(pipe)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2, ended.stderr
    assert "neither a file nor a folder" in ended.stderr
    assert [it.name for it in tmp_path.iterdir()] == ["pipe"]
    assert pipe.is_fifo()


def named(exported: Exported, tag: str) -> Exported:
    return replace(exported, name=f"demo.azurecr.io/team/app:{tag}", tag=tag)


def test_what_other_tools_put_into_a_layouts_list_stays(tmp_path: Path, exported: Exported, store: Store) -> None:
    listed = tmp_path / "index.json"
    theirs = {"schemaVersion": 2, "annotations": {"k": "v"}, "manifests": [{"digest": "sha256:odd"}, "odd"]}
    listed.write_text(json.dumps(theirs))
    for tag in ("1", "2", "1"):
        write_folder(tmp_path, named(exported, tag), store.fetch)
    found = json.loads(listed.read_text())
    assert found["annotations"] == {"k": "v"}
    assert found["manifests"][:2] == theirs["manifests"]
    assert len(found["manifests"]) == 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"schemaVersion": 2, "manifests": {}}',
        b"[" * 100_000,
        b'{"schemaVersion": 2, "manifests": [{"digest": "sha256:cut',
        b'{"name": "a package", "version": 2}',
        b'{"manifests": []}',
        b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}',
    ],
)
def test_a_layouts_list_that_can_not_be_read_is_told_before_anything_is_fetched(
    tmp_path: Path, exported: Exported, store: Store, content: bytes
) -> None:
    listed = tmp_path / "index.json"
    listed.write_bytes(content)
    with pytest.raises(Malformed, match=r"index\.json"):
        write_folder(tmp_path, exported, store.fetch)
    assert listed.read_bytes() == content
    assert store.read.total() == 0


@pytest.mark.parametrize("content", [b"{}", b"", b"not ours", b'{"imageLayoutVersion": "2.0.0"}'])
def test_a_layouts_version_that_is_none_is_told_and_stays(
    tmp_path: Path, exported: Exported, store: Store, content: bytes
) -> None:
    (tmp_path / "oci-layout").write_bytes(content)
    with pytest.raises(Malformed, match="oci-layout"):
        write_folder(tmp_path, exported, store.fetch)
    assert [it.name for it in tmp_path.iterdir()] == ["oci-layout"]
    assert (tmp_path / "oci-layout").read_bytes() == content


def listed(folder: Path) -> list[tuple[str, str, str | None]]:
    """Of each entry: how it is chosen, its image's name, and its platform."""
    return [
        (
            it["annotations"]["org.opencontainers.image.ref.name"],
            it["annotations"]["io.containerd.image.name"],
            it.get("platform", {}).get("architecture"),
        )
        for it in json.loads((folder / "index.json").read_text())["manifests"]
    ]


def test_a_list_of_none_as_tools_in_go_write_it_is_one(tmp_path: Path, exported: Exported, store: Store) -> None:
    (tmp_path / "index.json").write_text('{"schemaVersion": 2, "manifests": null, "annotations": {"k": "v"}}')
    write_folder(tmp_path, exported, store.fetch)
    assert len(listed(tmp_path)) == 1


def test_images_of_two_repositories_with_one_tag_are_told_apart(
    tmp_path: Path, exported: Exported, store: Store
) -> None:
    for repository in ("a", "b", "a", "b"):
        write_folder(tmp_path, replace(exported, name=f"demo.azurecr.io/{repository}:v1", tag="v1"), store.fetch)
    names = {("v1", "demo.azurecr.io/a:v1", None), ("demo.azurecr.io/b:v1", "demo.azurecr.io/b:v1", None)}
    assert set(listed(tmp_path)) == names


def test_another_platform_replaces_none_and_all_of_them_replace_what_they_list(tmp_path: Path) -> None:
    image = multi_arch("platforms", 2)
    store = Store(image)
    whole = named(_exported(image, store), "1")
    for number, child in enumerate((*whole.root.manifests, *whole.root.manifests)):
        manifest = next(it for it in whole.manifests if it.digest == child.digest)
        one = replace(whole, root=manifest, manifests=(manifest,), platform=child.platform)
        write_folder(tmp_path, one, store.fetch)
        assert len(listed(tmp_path)) == min(number + 1, 2)
    name = "demo.azurecr.io/team/app:1"
    assert {it[::2] for it in listed(tmp_path)} == {("1", "amd64"), ("1-linux-arm64", "arm64")}
    write_folder(tmp_path, whole, store.fetch)
    assert listed(tmp_path) == [("1", name, None)]
    write_folder(tmp_path, one, store.fetch)
    assert {it[::2] for it in listed(tmp_path)} == {("1", None), ("1-linux-arm64", "arm64")}


def test_two_digests_of_one_repository_are_two(tmp_path: Path, exported: Exported, store: Store) -> None:
    other = oci_image("other digest", (50_000,))
    for one, blobs in ((exported, store), (_exported(other, Store(other)), Store(other)), (exported, store)):
        write_folder(tmp_path, replace(one, name="demo.azurecr.io/team/app", tag=None), blobs.fetch)
    assert len(json.loads((tmp_path / "index.json").read_text())["manifests"]) == 2


@pytest.mark.parametrize("unit", ["[]", "{}", '{"a":[1.5]}'])
def test_a_config_that_would_be_large_in_memory_is_not_parsed(unit: str) -> None:
    head = '{"os":"linux","architecture":"amd64","x":['
    raw = f"{head}{','.join([unit] * (4 * MIB // (len(unit) + 1) - 50))}]}}".encode()
    tracemalloc.start()
    try:
        platform = platform_of(raw)
        grew = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert platform is None
    assert grew < 8 * MIB
