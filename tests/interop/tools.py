"""Outside tools that the interop tests run, and how they are built."""

import os
import subprocess
from pathlib import Path

import pytest

TOOLS_VARIABLE = "INTEROP_TOOLS"
# The suite of the OCI distribution specification 1.1, at the commit of 31 August 2026.
CONFORMANCE = "github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111"


def go_install(package: str, destination: Path) -> None:
    """Builds the program of a Go module at a version into that folder. CalledProcessError if it doesn't build."""
    destination.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(destination.resolve()), "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    subprocess.run(["go", "install", package], env=environment, check=True)


def build_conformance(destination: Path) -> Path:
    """The suite as a program of its own (its form as a Go test is deprecated); about ten seconds."""
    go_install(CONFORMANCE, destination)
    return destination / "conformance"


def tool(name: str) -> Path:
    """The tool in the folder that INTEROP_TOOLS names. The test fails if it isn't there: it is never skipped."""
    folder = os.environ.get(TOOLS_VARIABLE)
    if not folder:
        pytest.fail(f"{TOOLS_VARIABLE} is not set: it names the folder with the outside tools that .ci/run builds")
    found = Path(folder) / name
    if not os.access(found, os.X_OK):
        pytest.fail(f"{found} is missing: .ci/run builds it")
    return found
