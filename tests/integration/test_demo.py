"""The demo, as a user sees it."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.demo import example, parse, show
from devtools.recording import PICTURE, texts_of, words
from devtools.screen import Screen
from standins.plugin import StackMaker
from standins.stack import Stack
from testkit.images import Image, NoImage, load_image, multi_arch


def demonstrate(stack: Stack, image: Image, output: Path, *arguments: str) -> str:
    """What it prints."""
    shown = io.StringIO()
    show(stack, image, parse(list(arguments)), Screen(shown), output)
    return shown.getvalue()


def test_it_shows_push_event_job_and_the_verified_way_back(make_stack: StackMaker, tmp_path: Path) -> None:
    image = example()
    assert image.size > 20_000_000
    said = demonstrate(make_stack(), image, tmp_path / "pulled")
    steps = re.findall(r"^\d\. (.*)$", said, re.MULTILINE)
    assert [step.partition(" ")[0] for step in steps] == ["Push", "4", "Push", "Stop", "Pull", "Pull", "Pull"]
    # Each at least once: on a slow machine an event may come twice.
    assert len(set(re.findall(r" event +(team/app\S*) +ImagePushed", said))) == 4
    assert len(set(re.findall(r" done +(team/app\S*)", said))) == 4
    assert f"{image.root.digest}: the same digest, every byte hashed" in said
    assert "the signature is found from the image" in said
    assert said.count(f"{image.root.digest}: ") == 2, "out of storage, and from the app"
    assert "where the tag was then" in said
    recorded = words(texts_of(PICTURE.read_text(encoding="utf-8")))
    around = {it for it in recorded if it.startswith(("Start a registry", "registry localhost", "Done in"))}
    assert len(around) == 3
    assert words(said.splitlines()) == recorded - around, "make it anew: python -m devtools.recording"


def write_layout(image: Image, folder: Path) -> None:
    """image-spec "image layout"."""
    for descriptor, data in (
        *((blob.descriptor, blob.content.read()) for blob in image.blobs),
        *((stored.descriptor, stored.raw) for stored in image.manifests),
    ):
        path = folder / "blobs" / descriptor.digest.algorithm / descriptor.digest.encoded
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    root = {"mediaType": image.root.media_type, "digest": str(image.root.digest), "size": image.root.size}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def test_an_image_of_the_users_own_goes_the_same_way_and_comes_back_the_same(
    make_stack: StackMaker, tmp_path: Path
) -> None:
    image = multi_arch("own", 2, (200_000,))
    write_layout(image, tmp_path / "layout")
    own = load_image(tmp_path / "layout")
    said = demonstrate(make_stack(), own, tmp_path / "pulled", "--repository", "own/app", "--tag", "3.0")
    assert "Pull own/app:3.0 back" in said
    assert load_image(tmp_path / "pulled").root.digest == image.root.digest


def test_a_flipped_byte_is_told_and_the_command_exits_with_1(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-m", "devtools.demo", "--flip-byte"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert re.search(r"The demo failed: .* give back what was pushed: .*: the bytes have sha256:", ended.stdout)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_image_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(NoImage, match="OCI layout"):
        load_image(tmp_path / "nothing.tar")
