"""A stock `registry` of CNCF Distribution straight on a mirror's container, reading with the managed identity."""

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.certificates import Certificates
from local.foundation import Account
from local.process import Service
from tests.interop.tools import tool


def configuration(account: Account, certificates: Certificates, container: str, port: int) -> dict[str, object]:
    """Read-only, no upload purging, and blobs through the registry itself: its redirects to storage need a host name
    that starts with the account's."""
    return {
        "version": 0.1,
        "log": {"level": "warn"},
        "http": {
            "addr": f"127.0.0.1:{port}",
            "tls": {"certificate": str(certificates.server), "key": str(certificates.server)},
        },
        "storage": {
            "azure": {
                "accountname": account.name,
                "container": container,
                "serviceurl": account.blob_endpoint,
                "credentials": {"type": "default_credentials"},
            },
            "redirect": {"disable": True},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": True}},
        },
    }


@contextmanager
def stock_registry(account: Account, certificates: Certificates, container: str, folder: Path) -> Iterator[str]:
    """Its host while it runs. Raises RuntimeError with its log if it doesn't start within 30 s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    path = folder / "stock.yml"
    path.write_text(json.dumps(configuration(account, certificates, container, port)))  # JSON is YAML
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_", "OTEL_"))}
    environment = {
        **kept,
        **account.identity.environment(),
        "SSL_CERT_FILE": str(certificates.ca),
        "OTEL_TRACES_EXPORTER": "none",
    }
    # By way of a process that sees to it that the registry never outlives this one, however this one ends.
    command = [str(tool("registry")), "serve", str(path)]
    service = Service.module("bench.launch", command, folder / "stock.log", environment)
    try:
        host = f"localhost:{port}"
        end = time.monotonic() + 30
        while not answers(host, certificates.ca):
            if service.returncode() is not None or time.monotonic() > end:
                raise RuntimeError(f"the stock registry did not start:\n{service.tail()}")
            time.sleep(0.05)
        yield host
    finally:
        service.stop()


def answers(host: str, ca: Path) -> bool:
    try:
        return get(host, ca, "/v2/")[0] == 200
    except OSError:
        return False


def get(host: str, ca: Path, path: str, accept: str = "*/*") -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, and body of one plain GET, redirects not followed."""
    connection = http.client.HTTPSConnection(host, timeout=60, context=ssl.create_default_context(cafile=str(ca)))
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
    finally:
        connection.close()
