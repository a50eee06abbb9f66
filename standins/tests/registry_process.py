"""The local registry as a process, and a plain client that shows every byte and header of an answer."""

import base64
import hashlib
import http.client
import json
import os
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from standins import guard
from standins.certificates import make_certificates
from standins.control import RegistryControl
from standins.identity import Identity, make_key
from standins.process import Service

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
AUDIENCE = "https://containerregistry.azure.net"


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)

    def code(self) -> str:
        """The error code of the distribution specification that it carries."""
        return str(self.json()["errors"][0]["code"])


class RegistryProcess:
    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.certificates = make_certificates(folder)
        self.key_file = folder / "identity.key"
        self.identity = Identity(
            "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555", make_key(self.key_file)
        )
        self.username, self.password = "pusher", "a password: with a colon"
        environment = {
            **os.environ,
            "STANDINS_REGISTRY_PASSWORD": self.password,
            guard.VARIABLE: "control",
        }
        self.service = Service.module(
            "standins.registry",
            [
                "--cert",
                str(self.certificates.server),
                "--identity-key",
                str(self.key_file),
                "--root",
                str(folder),
                "--username",
                self.username,
                *arguments,
            ],
            folder / "registry.log",
            environment,
        )
        ready = self.service.ready()
        self.host, self.data = str(ready["registry"]), str(ready["data"])
        self.control = RegistryControl(self.host, self.username, self.password, self.certificates.ca, "control")
        self._context = ssl.create_default_context(cafile=self.certificates.ca)

    def reset(self) -> None:
        self.control.clear_faults()
        self.control.set_grants({})
        self.control.set_event_manner()
        self.control.unsubscribe()
        self.control.forget_events()
        self.control.reset_requests()

    def connect(self, host: str | None = None) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(host or self.host, timeout=30, context=self._context)

    def ask(
        self,
        method: str,
        path: str,
        *,
        auth: str | None = "basic",
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`path` may be a whole URL; `auth` is "basic" (the pusher's), None, or an access token."""
        url = urlsplit(path)
        target = url.path + (f"?{url.query}" if url.query else "")
        sent = dict(headers or {})
        if auth == "basic":
            sent["Authorization"] = f"Basic {self.basic(self.username, self.password)}"
        elif auth is not None:
            sent["Authorization"] = f"Bearer {auth}"
        connection = self.connect(url.netloc or None)
        try:
            connection.request(method, target, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    @staticmethod
    def basic(username: str, password: str) -> str:
        return base64.b64encode(f"{username}:{password}".encode()).decode()

    # Tokens

    def entra(self, audience: str = AUDIENCE, lifetime: int = 3600) -> str:
        return self.identity.token(audience, lifetime)[0]

    def post_form(self, path: str, **form: str) -> Answer:
        return self.ask(
            "POST", path, auth=None, body=urlencode(form), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )

    def refresh_token(self) -> str:
        answer = self.post_form(
            "/oauth2/exchange", grant_type="access_token", service=self.host, access_token=self.entra()
        )
        assert answer.status == 200, answer.body
        return str(answer.json()["refresh_token"])

    def access_token(self, scope: str) -> str:
        answer = self.post_form(
            "/oauth2/token",
            grant_type="refresh_token",
            service=self.host,
            scope=scope,
            refresh_token=self.refresh_token(),
        )
        assert answer.status == 200, answer.body
        return str(answer.json()["access_token"])

    # Content

    def push_blob(self, repository: str, data: bytes, algorithm: str = "sha256") -> str:
        digest = digest_of(data, algorithm)
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={quote(digest)}", body=data)
        assert answer.status == 201, answer.body
        return digest

    def put_manifest(self, repository: str, value: Any, tag: str | None = None, algorithm: str = "sha256") -> str:
        """`value` is a manifest with its mediaType, or its bytes. Answers its digest."""
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        digest = digest_of(raw, algorithm)
        media_type = json.loads(raw)["mediaType"]
        answer = self.ask(
            "PUT", f"/v2/{repository}/manifests/{tag or digest}", body=raw, headers={"Content-Type": media_type}
        )
        assert answer.status == 201, answer.body
        # What it says of itself is required (distribution-spec, "pushing manifests").
        assert answer.header("Location") == f"/v2/{repository}/manifests/{digest}"
        assert answer.header("Docker-Content-Digest") == digest
        return digest

    def push_image(
        self,
        repository: str,
        tag: str | None = None,
        *,
        layer: bytes | None = None,
        media_type: str = OCI_MANIFEST,
        **more: Any,
    ) -> str:
        """An image of one layer, unlike any other unless the layer is given."""
        layer = layer if layer is not None else os.urandom(64)
        config = json.dumps({"architecture": "arm64", "os": "linux", "rootfs": {}}).encode()
        self.push_blob(repository, config)
        self.push_blob(repository, layer)
        return self.put_manifest(repository, image_manifest(config, layer, media_type, **more), tag)


def descriptor(media_type: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def image_manifest(config: bytes, layer: bytes, media_type: str = OCI_MANIFEST, **more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(OCI_CONFIG, config),
        "layers": [descriptor(OCI_LAYER, layer)],
        **more,
    }


def eventually(check: Any, seconds: float = 10.0) -> Any:
    """What `check` returns once it is true; AssertionError if it never is."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)
    return found
