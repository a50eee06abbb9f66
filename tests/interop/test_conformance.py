"""The OCI distribution specification's own suite finds nothing wrong with the local registry."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from standins.certificates import make_certificates
from standins.process import Service
from tests.interop.tools import tool

pytestmark = pytest.mark.interop

USERNAME, PASSWORD = "conformance", "a password for one run"
# What the suite leaves out by default in version 1.1; all else has to pass.
OFF_BY_DEFAULT = {
    "Blob upload cancel",
    "Manifest put with tag params",
    "Sparse Manifests",
    "Tag Param",
    "Tag Param sha512",
}
# Some of what has to be among what passed, so that a suite that shrank is noticed.
EXPECTED = {
    "Blob anonymous mount",
    "Blob chunked",
    "Blob get range",
    "Blob mount",
    "Blob streaming",
    "Blobs sha256",
    "Blobs sha512",
    "Digest Algorithm sha512",
    "Image with Large Manifest",
    "Index with Subject",
    "Manifest delete atomic",
    "Manifest put with subject",
    "Missing Subject",
    "Nested Index",
    "Non-distributable Layers",
    "Referrers",
    "Tag delete",
    "Tag listing",
}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Its host, and the CA to trust."""
    certificates = make_certificates(tmp_path)
    service = Service.module(
        "standins.registry",
        ["--cert", str(certificates.server), "--root", str(tmp_path), "--username", USERNAME],
        tmp_path / "registry.log",
        {**os.environ, "STANDINS_REGISTRY_PASSWORD": PASSWORD},
    )
    yield str(service.ready()["registry"]), certificates.ca
    service.stop()


def test_the_conformance_suite_passes_with_all_that_is_on_by_default(
    registry: tuple[str, Path], tmp_path: Path
) -> None:
    host, ca = registry
    results = tmp_path / "results"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    settings = {
        "OCI_REGISTRY": host,
        "OCI_USERNAME": USERNAME,
        "OCI_PASSWORD": PASSWORD,
        "OCI_VERSION": "1.1",
        "OCI_RESULTS_DIR": str(results),
        "SSL_CERT_FILE": str(ca),
    }
    run = subprocess.run(
        [tool("conformance")], env={**kept, **settings}, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    report = run.stdout + run.stderr
    assert run.returncode == 0, report[-20_000:]
    # Lines such as "  Blob chunked..................:       Pass".
    verdicts = dict(re.findall(r"^  ([^.\n]+?)\.+: +([A-Za-z]+)$", run.stdout, re.MULTILINE))
    passed = {name for name, verdict in verdicts.items() if verdict == "Pass"}
    assert set(verdicts) - passed == OFF_BY_DEFAULT, report[-20_000:]
    assert passed >= EXPECTED
    suites = ElementTree.parse(results / "junit.xml").getroot()
    cases = list(suites.iter("testcase"))
    assert len(cases) > 600
    assert not [case.get("name") for case in cases if case.find("failure") is not None]
    skipped = [case.get("name") or "" for case in cases if case.find("skipped") is not None]
    assert all("cancel" in name for name in skipped), skipped
