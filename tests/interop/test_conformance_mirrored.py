"""All that the conformance suite pushes is mirrored by its events, and comes back equal."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from acrmirror.reference import is_referrers_tag
from acrmirror.settings import Settings
from devtools.pulling import MirrorRegistry
from standins.stack import Stack
from testkit.reader import MirrorReader, verify_all
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
        stack.stop_registry()
        pulled_by_the_suite(stack, mirror.reader, tmp_path)


def pulled_by_the_suite(stack: Stack, reader: MirrorReader, folder: Path) -> None:
    """The suite in its read-only mode against the app itself, with all that it pushed into its first repository."""
    known = MirrorRegistry.of(stack)
    repository = "conformance/repo1"
    links = f"docker/registry/v2/repositories/{repository}"
    tags = {name.split("/")[-3] for name in reader.names(f"{links}/_manifests/tags/") if name.endswith("/current/link")}
    # Lists of referrers that only the mirror keeps are hidden.
    tags = {tag for tag in tags if not is_referrers_tag(tag)}
    linked = {
        kind: {":".join(name.split("/")[-3:-1]) for name in reader.names(f"{links}/{kind}/")}
        for kind in ("_manifests/revisions", "_layers")
    }
    manifests = linked["_manifests/revisions"]
    bodies = [json.loads(reader.manifest(repository, digest).raw) for digest in manifests]
    subjects = {body["subject"]["digest"] for body in bodies if "subject" in body}
    assert len(tags) > 10
    assert len(subjects) >= 3
    assert any(digest.startswith("sha512:") for digest in manifests | linked["_layers"])
    settings = {
        "OCI_REGISTRY": known.host,
        "OCI_TLS": "disabled",
        "OCI_USERNAME": known.username,
        "OCI_PASSWORD": known.password,
        "OCI_VERSION": "1.1",
        "OCI_API_PUSH": "false",
        "OCI_REPO1": repository,
        "OCI_RO_DATA_TAGS": " ".join(sorted(tags)),
        "OCI_RO_DATA_MANIFESTS": " ".join(sorted(manifests)),
        "OCI_RO_DATA_BLOBS": " ".join(sorted(linked["_layers"])),
        "OCI_RO_DATA_REFERRERS": " ".join(sorted(subjects)),
        "OCI_RESULTS_DIR": str(folder / "pulled"),
        "SSL_CERT_FILE": str(stack.ca),
        **DELETES_OFF,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    run = subprocess.run(
        [tool("conformance")], env={**kept, **settings}, cwd=folder, capture_output=True, text=True, timeout=300
    )
    # In this mode it crashes when it writes junit.xml; what it printed before counts.
    verdicts = dict(re.findall(r"^  ([^.\n]+?)\.+: +([A-Za-z]+)$", run.stdout, re.MULTILINE))
    passed = {name for name, verdict in verdicts.items() if verdict == "Pass"}
    assert set(verdicts.values()) <= {"Pass", "Disabled", "Unknown"}, (run.stdout + run.stderr)[-20_000:]
    assert passed >= {
        "Manifest get by tag",
        "Manifest head by digest",
        "Blob get",
        "Tag listing",
        "Referrers",
        "Read Only Inputs",
    }
