"""`acrmirror export` of many images into one folder, one archive or a pipe, against the shared stack."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from testkit.images import Image, load_image, multi_arch, oci_image
from tests.integration.command import Command
from tests.integration.mirroring import Mirroring


@pytest.fixture
def images(mirror: Mirroring, run: Command, repository: str) -> dict[str, Image]:
    """Three images by their names, in two repositories; the last is for two platforms, the others for amd64."""
    made = {
        f"{repository}/a:v1": oci_image(f"{repository}1", (9_000, 6_000), tag="v1"),
        f"{repository}/a:v2": oci_image(f"{repository}2", (8_000,), tag="v2"),
        f"{repository}/b:v1": multi_arch(f"{repository}3", 2, tag="v1"),
    }
    for name, image in made.items():
        mirror.push(name.rpartition(":")[0], image)
    run.inside("pull", *made, "--wait")
    return made


def listed(folder: Path) -> dict[str, str]:
    """Digests by the names that readers choose."""
    entries = json.loads((folder / "index.json").read_text())["manifests"]
    return {it["annotations"]["org.opencontainers.image.ref.name"]: it["digest"] for it in entries}


def names_in(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = tar.getnames()
        assert len(members) == len(set(members))
        loaded = json.loads((tar.extractfile("manifest.json") or io.BytesIO()).read())
    return [tag.partition("/")[2] for it in loaded for tag in it["RepoTags"]]


def test_patterns_are_exported_into_one_folder_and_what_fails_ends_no_other(
    images: dict[str, Image], mirror: Mirroring, run: Command, repository: str
) -> None:
    folder = run.folder / "out"
    done = run.inside("export", f"{repository}/*", "--to", f"{folder}/", "--platform", "linux/arm64", code=8)
    assert f"1/3  {repository}/a:v1: " in done.stderr
    assert f"3/3  {repository}/b:v1  " in done.stderr
    assert "1 of 3 images with" in done.stderr
    assert "2 failed: run it again" in done.stderr
    host = mirror.stack.registry.host
    assert list(listed(folder)) == [f"{host}/{repository}/b:v1"]
    last = run.inside("export", f"{repository}/*", "--to", str(folder), "--platform", "all", "-o", "json")
    assert [(it["image"].partition("/")[2], it["error"]) for it in json.loads(last.stdout)] == [
        (name, None) for name in images
    ]
    assert listed(folder) == {f"{host}/{name}": str(image.root.digest) for name, image in images.items()}
    for name, image in images.items():
        assert load_image(folder, f"{host}/{name}").root.digest == image.root.digest
    for code, line in (
        (3, (f"{repository}/*:none", "--to", "x/")),
        (2, ("!a", "--to", "x/")),
        (2, ("A*", "--to", "x/")),
    ):
        run.inside("export", *line, code=code)


def test_if_all_fail_the_exit_code_is_the_first_ones(images: dict[str, Image], run: Command, repository: str) -> None:
    told = run.inside("export", f"{repository}/a:*", "--to", "x/", "--platform", "linux/s390x", "-o", "json", code=3)
    assert [it["error"]["code"] for it in json.loads(told.stdout)] == ["no-such-platform"] * 2


def test_one_archive_has_them_all_and_goes_on_where_it_stopped(
    images: dict[str, Image], run: Command, repository: str
) -> None:
    archive = run.folder / "all.tar"
    run.inside("export", f"{repository}/*", f"!{repository}/b", "--to", str(archive))
    whole = archive.read_bytes()
    assert names_in(whole) == [f"{repository}/a:v1", f"{repository}/a:v2"]
    archive.with_name("all.tar.part").write_bytes(whole[: len(whole) // 2])
    archive.unlink()
    run.inside("export", *list(images)[:2], "--to", str(archive))
    assert archive.read_bytes() == whole, "by name, it is the same"
    assert run("export", f"{repository}/a:*", "--to", "-").stdout == whole


@pytest.mark.parametrize("where", ["all.tar", "out/"])
def test_a_place_that_can_not_be_written_ends_all_of_it(
    images: dict[str, Image], run: Command, repository: str, where: str
) -> None:
    blocked = run.folder / "blocked"
    blocked.write_text("a file")
    told = run.inside("export", f"{repository}/*", "--to", f"{blocked}/{where}", code=1).stderr
    assert told.count("write ") == 1
    assert "Check the path" in told
