"""All that the conformance suite pushes is mirrored by its events, and comes back equal."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from acrmirror.settings import Settings
from standins.stack import Stack
from testkit.reader import verify_all
from tests.integration.mirroring import mirroring
from tests.interop.tools import tool
from tests.registries import registry_of

pytestmark = pytest.mark.interop

DELETES_OFF = {f"OCI_API_{kind}_DELETE": "false" for kind in ("BLOBS", "MANIFESTS", "TAGS")}


def test_what_the_suite_pushes_comes_back_equal(
    make_stack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack: Stack = make_stack(workers=4, settings={"MIRROR_THREADS": "4"})
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    settings = {
        "OCI_REGISTRY": stack.registry.host,
        "OCI_USERNAME": stack.registry.username,
        "OCI_PASSWORD": stack.registry.password,
        "OCI_VERSION": "1.1",
        "OCI_RESULTS_DIR": str(tmp_path / "results"),
        "SSL_CERT_FILE": str(stack.ca),
        **DELETES_OFF,
    }
    with mirroring(stack) as mirror:
        run = subprocess.run(
            [tool("conformance")], env={**kept, **settings}, cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert run.returncode == 0, (run.stdout + run.stderr)[-20_000:]
        events = stack.registry.events(settle=30)
        jobs = mirror.wait_for(len({it["event"]["id"] for it in events}), seconds=240)
        assert {job.state for job in jobs} == {"done"}, mirror.tell()
        for name, value in stack.identity.environment().items():
            monkeypatch.setenv(name, value)
        app_settings = Settings.from_environment(stack.app_environment())
        compared = 0
        with registry_of(app_settings, stack.identity.credential()) as registry:
            for repository in registry.list_repositories():
                for tag in registry.list_tags(repository):
                    assert mirror.tagged(repository, tag.tag) == tag.digest, f"{repository}:{tag.tag}"
                for listed in registry.list_manifests(repository):
                    served = registry.manifest(repository, listed.digest)
                    assert mirror.reader.manifest(repository, str(listed.digest)).raw == served.raw
                    compared += 1
        assert compared > 30
        report = verify_all(mirror.reader)
        assert report.is_whole, str(report)
