"""Pairs of exports into one folder and into one file, as processes of their own."""

import json
import signal
import subprocess
import tarfile
import time
import uuid
from pathlib import Path

import pytest

from acrmirror.reference import Digest
from testkit.images import Image, oci_image
from tests.integration.command import Command
from tests.integration.mirroring import Mirroring

MIB = 1024 * 1024
ROUNDS = 5


@pytest.fixture
def names(mirror: Mirroring, run: Command) -> dict[str, Image]:
    """Two images in the mirror; all layers of one are among those of the other."""
    repository = f"exports/{uuid.uuid4().hex[:8]}"
    found = {}
    for tag, layers in (("one", (5 * MIB,)), ("two", (5 * MIB, 3 * MIB))):
        found[f"{repository}:{tag}"] = mirror.push(repository, oci_image(repository, layers, tag=tag))
        run.inside("pull", f"{repository}:{tag}", "--wait")
    return found


def begin(run: Command, image: str, output: str) -> subprocess.Popen[bytes]:
    line = run.line("export", image, "-o", output)
    return subprocess.Popen(line, env=run.environment, cwd=run.folder, stderr=subprocess.PIPE)


def check_blobs(blobs: dict[str, bytes]) -> None:
    for name, data in blobs.items():
        _, algorithm, encoded = name.split("/")
        assert Digest(algorithm, encoded).matches(data), name


def test_pairs_into_one_folder_and_into_one_file(run: Command, names: dict[str, Image], tmp_path: Path) -> None:
    one, two = names
    for number in range(ROUNDS):
        folder, file = f"layout{number}/", f"image{number}.tar"
        at_once = [begin(run, image, output) for output in (folder, file) for image in (one, two)]
        for process in at_once:
            _, told = process.communicate(timeout=60)
            assert process.returncode == 0, told.decode()
        layout = tmp_path / folder
        check_blobs({str(it.relative_to(layout)): it.read_bytes() for it in layout.glob("blobs/*/*")})
        listed = {it["digest"] for it in json.loads((layout / "index.json").read_bytes())["manifests"]}
        assert listed == {str(image.root.digest) for image in names.values()}
        with tarfile.open(tmp_path / file) as archive:
            members = {it.name: archive.extractfile(it) for it in archive}
            check_blobs({name: it.read() for name, it in members.items() if it and name.startswith("blobs/")})
            (entry,) = json.loads((archive.extractfile("index.json") or pytest.fail("none")).read())["manifests"]
        assert entry["digest"] in listed
        assert not [it for it in tmp_path.rglob("*") if it.suffix in (".part", ".lock")]


@pytest.mark.parametrize("output", ["layout/", "image.tar"])
def test_one_that_is_killed_leaves_what_the_next_goes_on_with(
    run: Command, names: dict[str, Image], tmp_path: Path, output: str
) -> None:
    one = next(iter(names))
    first = begin(run, one, output)
    until = time.monotonic() + 30
    while not any(it.stat().st_size for it in tmp_path.rglob("*.part")):
        assert time.monotonic() < until
        assert first.poll() is None
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)
    second = begin(run, one, output)
    assert second.stderr is not None
    assert b"waiting for its end" in second.stderr.readline()
    first.kill()
    first.wait()
    _, told = second.communicate(timeout=60)
    assert second.returncode == 0, told.decode()
    assert not [it for it in tmp_path.rglob("*") if it.suffix in (".part", ".lock")]
