"""The command line against a whole stack, as a process of its own."""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from typer.testing import Result

from testkit.images import multi_arch, oci_image
from tests.integration.command import Command
from tests.integration.mirroring import Mirroring

MIB = 1024 * 1024


def loaded(done: subprocess.CompletedProcess[bytes] | Result) -> Any:
    return json.loads(done.stdout)


def test_an_image_is_pulled_looked_at_and_listed(mirror: Mirroring, run: Command, repository: str) -> None:
    image = mirror.push(repository, oci_image(repository, tag="1.2"))
    (pulled,) = loaded(run("pull", f"{repository}:1.2", "--wait", "--output", "json"))
    assert pulled["state"] == "done"
    assert f"{pulled['id']}  done" in run.inside("status", pulled["id"]).stdout
    assert pulled["id"] in run.inside("status", "--repository", repository).stdout
    assert repository in run.inside("ls").stdout
    assert run.inside("ls", repository).stdout.split("\t")[:2] == ["1.2", str(image.root.digest)]
    told = run.inside("inspect", f"{repository}:1.2").stdout
    assert "linux/amd64" in told
    assert "history" in told
    assert loaded(run.inside("inspect", f"{repository}:1.2", "--output", "json"))["digest"] == str(image.root.digest)
    assert "registry\tok" in run.inside("health").stdout


def test_patterns_bring_many_after_a_dry_run(mirror: Mirroring, run: Command, repository: str) -> None:
    for tag in ("v1", "v2", "tmp"):
        mirror.push(repository, oci_image(f"{repository}{tag}", tag=tag))
    patterns = [f"{repository}:*", f"!{repository}:tmp"]
    dry = run.inside("pull", *patterns, "--dry-run").stdout
    assert "2 would be requested" in dry
    assert f"{repository}:v1" in dry
    assert mirror.jobs(repository) == []
    (found,) = loaded(run.inside("pull", *patterns, "--wait", "--output", "json"))
    assert found["match"]["jobs"] == {"done": 2}
    assert found["match"]["bytes_done"] == found["match"]["bytes_total"] > 2000
    assert "in these jobs" in run.inside("status", found["id"]).stdout
    assert run.inside("ls", repository).stdout.count("\n") == 2
    run.inside("pull", *patterns, "--force", code=2)


def test_an_archive_is_a_layout_and_for_docker(
    mirror: Mirroring, run: Command, repository: str, tmp_path: Path
) -> None:
    mirror.push(repository, multi_arch(repository, 3))
    run("pull", repository, "--wait")
    run("export", repository, "-o", "image.tar", "--platform", "linux/arm64")
    with tarfile.open(tmp_path / "image.tar") as archive:
        names = archive.getnames()
        entry = json.load(archive.extractfile("manifest.json") or b"")[0]  # type: ignore[arg-type]
        config = json.load(archive.extractfile(entry["Config"]) or b"")  # type: ignore[arg-type]
    assert entry["RepoTags"] == [f"{mirror.stack.registry.host}/{repository}:latest"]
    assert config["architecture"] == "arm64"
    assert len([name for name in names if name.startswith("blobs/")]) == 4
    piped = run("export", repository, "-o", "-", "--platform", "linux/arm64").stdout
    assert piped == (tmp_path / "image.tar").read_bytes()
    run("export", repository, "-o", "layout/", "--platform", "all")
    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    assert len(index["manifests"]) == 1
    for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    missing = run("export", repository, "-o", "x.tar", "--platform", "linux/s390x", code=3).stderr.decode()
    assert "linux/amd64" in missing
