"""The command line against a whole stack, as a process of its own."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mirroring import Mirroring

from local.images import multi_arch, oci_image
from local.stack import ROOT, Stack

MIB = 1024 * 1024
Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def environment(stack: Stack, tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "config.toml"
    config.write_text(f'url = "{stack.functions.url}"\nkey = "{stack.functions.function_key}"\nca = "{stack.ca}"\n')
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ACRMIRROR_", "COLUMNS"))}
    return {**kept, "ACRMIRROR_CONFIG": str(config), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    def running(*arguments: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "acrmirror.cli", *arguments]
        done = subprocess.run(command, capture_output=True, env=environment | more, cwd=tmp_path, timeout=120)
        assert done.returncode == code, (done.returncode, done.stdout.decode()[-2000:], done.stderr.decode()[-2000:])
        return done

    return running


def loaded(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def test_an_image_is_pulled_looked_at_and_listed(mirror: Mirroring, run: Run, repository: str) -> None:
    image = mirror.push(repository, oci_image(repository, tag="1.2"))
    (pulled,) = loaded(run("pull", f"{repository}:1.2", "--wait", "--output", "json"))
    assert pulled["state"] == "done"
    assert f"{pulled['id']}  done" in run("status", pulled["id"]).stdout.decode()
    assert pulled["id"] in run("status", "--repository", repository).stdout.decode()
    assert repository in run("ls").stdout.decode()
    assert run("ls", repository).stdout.decode().split("\t")[:2] == ["1.2", str(image.root.digest)]
    told = run("inspect", f"{repository}:1.2").stdout.decode()
    assert "linux/amd64" in told
    assert "history" in told
    assert loaded(run("inspect", f"{repository}:1.2", "--output", "json"))["digest"] == str(image.root.digest)
    assert "registry\tok" in run("health").stdout.decode()


def test_patterns_bring_many_after_a_dry_run(mirror: Mirroring, run: Run, repository: str) -> None:
    for tag in ("v1", "v2", "tmp"):
        mirror.push(repository, oci_image(f"{repository}{tag}", tag=tag))
    patterns = [f"{repository}:*", f"!{repository}:tmp"]
    dry = run("pull", *patterns, "--dry-run").stdout.decode()
    assert "2 would be asked for" in dry
    assert f"{repository}:v1" in dry
    assert mirror.jobs(repository) == []
    (found,) = loaded(run("pull", *patterns, "--wait", "--output", "json"))
    assert found["match"]["jobs"] == {"done": 2}
    assert run("ls", repository).stdout.decode().count("\n") == 2
    run("pull", *patterns, "--force", code=2)


def test_exit_codes_tell_what_happened(mirror: Mirroring, run: Run, repository: str, stack: Stack) -> None:
    assert "404" in run("pull", "never/pushed", code=3).stderr.decode()
    assert "example.org" in run("pull", "example.org/team/app", code=2).stderr.decode()
    run("inspect", "never/mirrored:1", code=3)
    run("retry", "8204456366608-76ad9328fefb", code=3)
    refused = run("ls", code=4, ACRMIRROR_KEY="wrong").stderr.decode()
    assert "does not know this key" in refused
    assert "wrong" not in refused
    run("ls", code=5, ACRMIRROR_URL="http://127.0.0.1:1")
    run("ls", code=2, ACRMIRROR_CONFIG="/dev/null/none", ACRMIRROR_URL="")
    mirror.push(repository, oci_image(repository, (16 * MIB,)))
    stack.registry.set_faults([{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 1}}])
    (pulled,) = loaded(run("pull", repository, "--wait", "--timeout", "2", "--output", "json", code=6))
    run("cancel", pulled["id"])
    assert loaded(run("status", pulled["id"], "--wait", "--output", "json", code=1))[0]["state"] == "cancelled"
    stack.registry.clear_faults()
    assert loaded(run("retry", pulled["id"], "--wait", "--output", "json"))[0]["state"] == "done"
    told = json.loads(run("cancel", pulled["id"], "--output", "json", code=2).stderr)
    assert told["error"]["code"] == "wrong-state"


def test_an_archive_is_a_layout_and_for_docker(mirror: Mirroring, run: Run, repository: str, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("target", ["image.tar", "layout/"])
def test_an_export_that_was_killed_fetches_only_the_rest(
    mirror: Mirroring, run: Run, environment: dict[str, str], repository: str, tmp_path: Path, target: str
) -> None:
    mirror.push(repository, oci_image(repository, (48 * MIB, 48 * MIB)))
    run("pull", repository, "--wait")
    command = [sys.executable, "-m", "acrmirror.cli", "export", repository, "-o", target, "--threads", "1"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE)

    def written() -> int:
        return sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())

    until = time.monotonic() + 60
    while written() < 40 * MIB:
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 40 * MIB <= written() < 96 * MIB
    assert not (tmp_path / "image.tar").exists()
    run("export", repository, "-o", target)
    if target == "image.tar":
        with tarfile.open(tmp_path / target) as archive:
            for member in archive.getmembers():
                if member.name.startswith("blobs/sha256/"):
                    file = archive.extractfile(member)
                    assert file is not None
                    assert hashlib.sha256(file.read()).hexdigest() == member.name.rpartition("/")[2]
    else:
        for path in (tmp_path / "layout" / "blobs" / "sha256").iterdir():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
