"""What reads the registry, with the newest release of its SDK that the package index has, beside the pinned one."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from testkit.stack import ROOT

pytestmark = pytest.mark.interop
PACKAGE = "azure-containerregistry"
PARTS = ("manifests", "tokens", "listings", "said")
TESTS = (
    *(f"tests/integration/registry/test_registry_source_{it}.py" for it in PARTS),
    "tests/unit/test_sdk_policies.py",
)


def test_the_registry_is_read_right_with_the_newest_release(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*command, "--no-deps", "--upgrade", "--target", tmp_path, PACKAGE], check=True, timeout=300)
    (found,) = tmp_path.glob("azure_containerregistry-*.dist-info")
    newest = found.name.removesuffix(".dist-info").partition("-")[2]
    # `azure` is a namespace: the folder's part of it is found before the environment's.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    used = subprocess.run(
        [sys.executable, "-c", "import azure.containerregistry as it; print(it.__file__, it.__version__)"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert used.startswith(str(tmp_path))
    assert used.split()[1] == newest
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", *TESTS],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{newest}, where {version(PACKAGE)} is pinned: {done.stdout[-5000:]}"
