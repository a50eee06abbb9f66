"""Outside tools that the interop tests run, and how they are built: `python tests/interop/tools.py FOLDER`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS_VARIABLE = "INTEROP_TOOLS"
# The suite of the OCI distribution specification 1.1, at the commit of 31 August 2026.
CONFORMANCE = "github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111"

GO_TOOLS = {
    "registry": "github.com/distribution/distribution/v3/cmd/registry@v3.1.2",
    "crane": "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "oras": "oras.land/oras/cmd/oras@v1.3.6",
    "regctl": "github.com/regclient/regclient/cmd/regctl@v0.11.7",
    "regsync": "github.com/regclient/regclient/cmd/regsync@v0.11.7",
}

DEBIAN_TOOLS = ("skopeo", "podman")


def go_install(package: str, destination: Path) -> None:
    """Builds the program of a Go module at a version into that folder. CalledProcessError if it doesn't build."""
    destination.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(destination.resolve()), "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    subprocess.run(["go", "install", package], env=environment, check=True)


def build_go_tools(destination: Path) -> None:
    """Whatever of GO_TOOLS isn't there yet at its version; from nothing about three minutes on two cores."""
    for name, package in GO_TOOLS.items():
        if not is_built(destination / name, package):
            print(f"go install {package}", flush=True)
            go_install(package, destination)


def is_built(program: Path, package: str) -> bool:
    """Whether this is that package at that version, by what Go wrote into it."""
    if not program.exists():
        return False
    told = subprocess.run(["go", "version", "-m", str(program)], capture_output=True, text=True, check=False).stdout
    path, _, version = package.partition("@")
    lines = [line.split("\t") for line in told.splitlines()]
    return ["", "path", path] in lines and any(line[:2] == ["", "mod"] and line[3] == version for line in lines)


def link_debian_tools(destination: Path) -> None:
    """Debian's, installed where they aren't there (as root): building these needs more than Go modules."""
    if missing := [name for name in DEBIAN_TOOLS if shutil.which(name) is None]:
        subprocess.run(["apt-get", "update", "-q"], check=True)
        subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], check=True)
    destination.mkdir(parents=True, exist_ok=True)
    for name in DEBIAN_TOOLS:
        found = shutil.which(name)
        if found is None:
            raise FileNotFoundError(f"apt-get installed {name}, and it is not on PATH")
        (destination / name).unlink(missing_ok=True)
        (destination / name).symlink_to(Path(found).resolve())


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


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    destination = Path(sys.argv[1])
    link_debian_tools(destination)
    build_go_tools(destination)
    build_conformance(destination)


if __name__ == "__main__":
    main()
