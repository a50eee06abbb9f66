"""A drill: images are pulled back through the mirror's registry, with the registry gone, and damage is told."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from acrmirror.cli.drill import check_archive
from acrmirror.errors import DigestMismatch
from acrmirror.mirror import Layout
from acrmirror.serve.pull_credentials import PullCredentials
from standins.stack import Stack
from testkit.images import multi_arch, oci_image
from tests.integration.command import Command
from tests.integration.mirroring import mirroring
from tests.integration.restoring import held, registry_at


def test_what_is_pulled_back_is_hashed_and_timed_and_damage_is_told(make_stack: Any, tmp_path: Path) -> None:
    stack: Stack = make_stack(target=True)
    run = Command.of(stack, tmp_path)
    with mirroring(stack) as mirror:
        index = mirror.push("team/app", multi_arch("drill", 2, tag="v1"))
        image = mirror.push("base/os", oci_image("drill", tag="v3"))
        mirror.wait_for(1, "team/app")
        mirror.wait_for(1, "base/os")
        stack.stop_registry()
        file = tmp_path / "evidence.json"
        run.inside("drill", "--to", str(file), code=1)
        denied = [it["error"] for it in json.loads(file.read_text())["images"]]
        assert {it["code"] for it in denied} == {"denied"}
        assert all("Give a pull credential" in it["remedy"] for it in denied)
        _, password = PullCredentials(mirror.records.table, stack.registry.host).create("drill")
        known = {"ACRMIRROR_USERNAME": "drill", "ACRMIRROR_PASSWORD": password}
        run = replace(run, environment={**run.environment, **known})
        told = run.inside("drill", "--sample", "9", "--to", str(file)).stdout
        assert "too little to go by" in told
        evidence = json.loads(file.read_text())
        assert evidence["ok"] is True
        pulled = {it["image"]: (it["digest"], it["bytes"], it["blobs"]) for it in evidence["images"]}
        assert pulled == {
            f"{repository}:{it.tag}": (str(it.root.digest), it.size, len(it.blobs))
            for repository, it in (("team/app", index), ("base/os", image))
        }
        assert evidence["bytes"] == index.size + image.size
        assert evidence["seconds_per_gb"] == pytest.approx(evidence["seconds"] * 1e9 / evidence["bytes"], rel=0.01)
        assert evidence["archive"]["files"] > 4
        assert password not in file.read_text() + told
        assert (evidence["restore"], evidence["restore_seconds_per_gb"]) == (None, None)
        # One of them is restored, too: compared and removed by who may sign in there, else by the app, and told.
        target = stack.target
        signs_in = {"ACRMIRROR_TARGET_USERNAME": target.username, "ACRMIRROR_TARGET_PASSWORD": target.password}
        for more in (signs_in, dict[str, str]()):
            restore = ("drill", "team/app:v1", "--restore-to", target.host, "--to", str(file))
            told = replace(run, environment={**run.environment, **more}).inside(*restore).stdout
            evidence = json.loads(file.read_text())
            kept = evidence["restore"]
            assert (evidence["ok"], kept["same"], kept["error"], kept["removed"]) == (True, True, None, bool(more))
            assert kept["bytes"] == sum(it.descriptor.size for it in index.blobs)
            assert evidence["restore_seconds_per_gb"] > 0
            with registry_at(stack, target) as registry:
                assert (kept["repository"] in held(registry)) == (not more)
            assert ("az acr repository delete" in told) == (not more)
            assert target.password not in file.read_text() + told
        wrong = {**run.environment, **signs_in, "ACRMIRROR_TARGET_PASSWORD": "wrong"}
        replace(run, environment=wrong).inside(*restore, code=1)
        evidence = json.loads(file.read_text())
        assert (evidence["ok"], evidence["restore"]["error"]["code"]) == (False, "denied")
        assert "401" in evidence["restore"]["left"]
        run.inside("drill", "team/app:v1", "--restore-to", "elsewhere.azurecr.io", "--to", str(file), code=1)
        assert "elsewhere.azurecr.io" in json.dumps(json.loads(file.read_text())["restore"]["error"])
        # One byte of a layer is another.
        name = Layout().blob_data(image.blobs[-1].descriptor.digest)
        body = bytearray(mirror.container.download_blob(name).readall())
        body[random.randrange(len(body))] ^= 1
        mirror.container.upload_blob(name, bytes(body), overwrite=True)
        run.inside("drill", "team/app:v1", "base/os:v3", "--to", str(file), code=1)
        whole, damaged = json.loads(file.read_text())["images"]
        assert whole["error"] is None
        assert damaged["error"]["code"] == "digest-mismatch"
        # An archive is read as a loader would.
        archive = tmp_path / "image.tar"
        run.inside("export", "team/app:v1", "-o", str(archive), "--platform", "all")
        assert check_archive(archive) == evidence["archive"]["files"] or evidence["archive"]["image"] == "base/os:v3"
        raw = archive.read_bytes()
        at = raw.index(mirror.container.download_blob(Layout().blob_data(index.blobs[-1].descriptor.digest)).readall())
        archive.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        with pytest.raises(DigestMismatch):
            check_archive(archive)
