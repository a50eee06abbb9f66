"""The serving registry as it is deployed: its configuration serves the mirror to who signs in, and takes nothing."""

import base64
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from acrmirror.oci import MANIFEST_TYPES
from devtools.deployment import INFRA
from testkit.images import SHAPES
from testkit.stack import CONTAINER
from tests.integration.mirroring import Mirroring
from tests.interop.tools import tool

pytestmark = pytest.mark.interop

USER, PASSWORD = "reader", "only-for-tests"
HTPASSWD = "reader:$2b$05$lbWw9YQAWXx/1G.WK9jvHuUA.8YHRvLPdFfvfG7499wwijdvlCdE."


@pytest.fixture
def served(mirror: Mirroring, tmp_path: Path) -> Iterator[str]:
    """Its address. Container Apps ends TLS before the registry, so that it speaks HTTP here as well."""
    account = mirror.stack.account
    users = tmp_path / "htpasswd"
    users.write_text(HTPASSWD + "\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_"))},
        **account.identity.environment(),
        "SSL_CERT_FILE": str(account.ca),
        "OTEL_TRACES_EXPORTER": "none",
        "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": account.name,
        "REGISTRY_STORAGE_AZURE_CONTAINER": CONTAINER,
        "REGISTRY_STORAGE_REDIRECT_DISABLE": "true",
        # Only these two differ from a deployment: where storage is, and where the users' file lies.
        "REGISTRY_STORAGE_AZURE_SERVICEURL": account.blob_endpoint,
        "REGISTRY_AUTH_HTPASSWD_PATH": str(users),
        "REGISTRY_HTTP_ADDR": address,
    }
    command = [str(tool("registry")), "serve", str(INFRA / "registry" / "config.yml")]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 30
        while ask(address, "/") != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def ask(address: str, path: str, method: str = "GET", *, signed_in: bool = False) -> int:
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    request.add_header("Accept", ", ".join(MANIFEST_TYPES))
    if signed_in:
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_it_serves_the_mirror_to_whoever_signs_in_and_takes_nothing(mirror: Mirroring, served: str) -> None:
    image = mirror.push("served/app", SHAPES["oci"]())
    mirror.wait_for(len(image.manifests), "served/app")
    path = f"/v2/served/app/manifests/{image.tag}"
    assert ask(served, path) == 401
    assert ask(served, path, signed_in=True) == 200
    assert ask(served, f"/v2/served/app/blobs/{image.blobs[0].descriptor.digest}", signed_in=True) == 200
    assert ask(served, path, "PUT", signed_in=True) in (405, 415)
    assert ask(served, path, "DELETE", signed_in=True) == 405
