"""The mirror as container tools pull it: from `/v2` of the function app, with a pull credential."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from acrmirror.client import Client
from acrmirror.reference import Digest
from standins.stack import Stack

USERNAME = "local"
TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class NotPulled(RuntimeError):
    """What came is not what was asked for; the message says what."""


@dataclass(frozen=True, slots=True)
class MirrorRegistry:
    """Where the mirror is pulled from (`name:port`), and with what."""

    host: str
    username: str
    password: str

    @classmethod
    def of(cls, stack: Stack) -> MirrorRegistry:
        """Makes a pull credential for all repositories."""
        with Client(stack.functions.url, stack.functions.function_key) as client:
            made = client.create_credential(USERNAME)
        host = urlsplit(stack.functions.url).netloc
        return cls(host, made["name"], made["password"])

    def ready(self) -> dict[str, str]:
        """As the line of `up --json` has it."""
        return {
            "mirror_registry": self.host,
            "mirror_username": self.username,
            "mirror_password": self.password,
        }


class Puller:
    """Pulls whole images and keeps nothing; `advance` is called with all bytes of layers that came so far."""

    def __init__(self, mirror: MirrorRegistry, ca: Path, advance: Callable[[int], object] = lambda _: None) -> None:
        self._mirror = mirror
        self._pool = urllib3.PoolManager(ssl_context=ssl.create_default_context(cafile=str(ca)), retries=False)
        self._advance = advance
        self._seen: set[str] = set()
        self.size = 0

    def pull(self, repository: str, reference: str) -> Digest:
        """Everything behind the reference, hashed; its own digest. Raises NotPulled."""
        answer = self._get(f"{repository}/manifests/{reference}")
        raw, digest = answer.data, Digest.parse(answer.headers.get("Docker-Content-Digest", ""))
        if not digest.matches(raw):
            raise NotPulled(f"{repository}:{reference} does not have the digest that it came with, {digest}")
        manifest: dict[str, Any] = json.loads(raw)
        for child in manifest.get("manifests", ()):
            if str(self.pull(repository, child["digest"])) != child["digest"]:
                raise NotPulled(f"{child['digest']} came as another")
        config = [manifest["config"]] if "config" in manifest else []
        for blob in (*config, *manifest.get("layers", ())):
            self._blob(repository, blob["digest"], blob["size"])
        return digest

    def _blob(self, repository: str, digest: str, size: int) -> None:
        if digest in self._seen:
            return
        self._seen.add(digest)
        redirect = self._get(f"{repository}/blobs/{digest}", expected=307)
        # Without the credential: what lets in there is the link itself.
        answer = self._pool.request("GET", redirect.headers["Location"], preload_content=False)
        hasher, came = Digest.parse(digest).hasher(), 0
        for piece in answer.stream(1 << 20):
            hasher.update(piece)
            came += len(piece)
            self._advance(self.size + came)
        answer.release_conn()
        if (answer.status, f"{digest.partition(':')[0]}:{hasher.hexdigest()}", came) != (200, digest, size):
            raise NotPulled(
                f"storage answered {answer.status} for {digest}, with {came} of {size} bytes, or with others"
            )
        self.size += came

    def _get(self, path: str, *, expected: int = 200) -> urllib3.BaseHTTPResponse:
        sender = base64.b64encode(f"{self._mirror.username}:{self._mirror.password}".encode()).decode()
        headers = {"Accept": ", ".join(TYPES), "Authorization": f"Basic {sender}"}
        answer = self._pool.request("GET", f"http://{self._mirror.host}/v2/{path}", headers=headers, redirect=False)
        if answer.status != expected:
            raise NotPulled(
                f"GET /v2/{path} was answered {answer.status}: {answer.data[:300].decode(errors='replace')}"
            )
        return answer
