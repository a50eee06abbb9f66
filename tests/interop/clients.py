"""skopeo, crane, oras and regctl as their users run them: by command lines, knowing nothing of this project."""

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.tools import tool

CLIENTS = ("skopeo", "crane", "oras", "regctl")


@dataclass(frozen=True, slots=True)
class Clients:
    """Each call is one run of a program, logged in at `registry`; a failed one raises AssertionError with its words.

    `folder` is the home of the programs: nothing of the user's own is read or written. `proxy` is the URL by which they
    reach what is not on localhost. `plain` is a registry (`name:port`) without TLS, from which all is pulled then.
    """

    folder: Path
    ca: Path
    proxy: str | None = None
    plain: str | None = None

    @classmethod
    def logged_in(cls, folder: Path, ca: Path, registry: str, username: str, password: str) -> "Clients":
        auth = base64.b64encode(f"{username}:{password}".encode()).decode()
        (folder / ".docker").mkdir(parents=True)
        (folder / ".docker" / "config.json").write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
        return cls(folder, ca)

    def run(self, program: str, *arguments: str | Path) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "DOCKER_CONFIG": str(self.folder / ".docker"),
            "REGISTRY_AUTH_FILE": str(self.folder / ".docker" / "config.json"),
            "SSL_CERT_FILE": str(self.ca),
            **({"HTTPS_PROXY": self.proxy} if self.proxy else {}),
        }
        plain = ["--host", f"reg={self.plain},tls=disabled"] if self.plain and program == "regctl" else []
        command = [str(tool(program)), *plain, *map(str, arguments)]
        ran = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
        said = ran.stderr.decode(errors="replace")
        assert ran.returncode == 0, f"{program} {' '.join(command[1:])} ended with {ran.returncode}:\n{said[-3000:]}"
        # Content is compared to the byte, so it is kept as it is.
        return ran.stdout.decode("utf-8", "surrogateescape")

    @property
    def _plain_http(self) -> str:
        return f"plain-http={'true' if self.plain else 'false'}"

    def push(self, program: str, layout: Path, tag: str, image: str, *, many: bool) -> None:
        """Pushes what a layout has under `tag`; `many` says that it is an index."""
        match program:
            case "skopeo":
                everything = ["--all"] if many else []
                self.run(program, "copy", *everything, "--preserve-digests", f"oci:{layout}:{tag}", f"docker://{image}")
            case "crane":
                if many:
                    _make_outermost(layout)
                self.run(program, "push", *(["--index"] if many else []), layout, image)
            case "oras":
                self.run(program, "cp", "--to-plain-http=false", "--from-oci-layout", f"{layout}:{tag}", image)
            case _:
                self.run(program, "image", "copy", f"ocidir://{layout}:{tag}", image)

    def pull(self, program: str, image: str, folder: Path) -> None:
        """Pulls a tag or digest with all platforms into a folder: an OCI layout, of skopeo its `dir:` form."""
        match program:
            case "skopeo":
                plain = ["--src-tls-verify=false"] if self.plain else []
                self.run(program, "copy", "--all", *plain, f"docker://{image}", f"dir:{folder}")
            case "crane":
                self.run(program, "pull", "--format=oci", image, folder)
            case "oras":
                self.run(program, "cp", f"--from-{self._plain_http}", "--to-oci-layout", image, f"{folder}:pulled")
            case _:
                self.run(program, "image", "copy", image, f"ocidir://{folder}:pulled")

    def manifest(self, program: str, image: str) -> bytes:
        """A manifest's bytes, by tag or digest."""
        arguments: dict[str, list[str]] = {
            "skopeo": ["inspect", *(["--tls-verify=false"] if self.plain else []), "--raw", f"docker://{image}"],
            "crane": ["manifest", image],
            "oras": ["manifest", "fetch", f"--{self._plain_http}", image],
            "regctl": ["manifest", "get", "--format", "raw-body", image],
        }
        return self.run(program, *arguments[program]).encode("utf-8", "surrogateescape")

    def blob(self, program: str, repository: str, digest: str) -> bytes:
        """A config's or layer's bytes; skopeo has no command for that."""
        arguments: dict[str, list[str]] = {
            "crane": ["blob", f"{repository}@{digest}"],
            "oras": ["blob", "fetch", f"--{self._plain_http}", "--output", "-", f"{repository}@{digest}"],
            "regctl": ["blob", "get", repository, digest],
        }
        return self.run(program, *arguments[program]).encode("utf-8", "surrogateescape")

    def referrers(self, program: str, image: str) -> dict[str, str]:
        """Digest and artifact type of what refers to an image: `oras discover`, `regctl artifact list`."""
        listed: list[dict[str, Any]]
        if program == "oras":
            arguments = ("discover", f"--{self._plain_http}", "--depth", "1", "--format", "json", image)
            listed = json.loads(self.run("oras", *arguments))["referrers"]
        else:
            found = json.loads(self.run("regctl", "artifact", "list", "--format", "{{json .}}", image))
            listed = found["descriptors"]
        return {item["digest"]: item["artifactType"] for item in listed}


def _make_outermost(layout: Path) -> None:
    """crane pushes a layout's index.json itself: let it be the one index that the layout holds."""
    (listed,) = json.loads((layout / "index.json").read_text())["manifests"]
    (layout / "index.json").write_bytes((layout / "blobs" / listed["digest"].replace(":", "/")).read_bytes())
