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
from urllib.parse import urlsplit

from standins.certificates import Certificates
from standins.foundation import Account
from standins.process import Service
from tests.interop.tools import tool
from tests.interop.tunnels import Tunnels


def configuration(
    account: Account, certificates: Certificates, container: str, port: int, *, redirects: bool
) -> dict[str, object]:
    """Read-only, no upload purging, and blobs through the registry itself, unless `redirects`: those need a host name
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
                "serviceurl": host_style(account) if redirects else account.blob_endpoint,
                "credentials": {"type": "default_credentials"},
            },
            "redirect": {"disable": not redirects},
            "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": True}},
        },
    }


def host_style(account: Account) -> str:
    """The blob endpoint by a name as in Azure, which a machine need not know: `Tunnels` lead there."""
    return f"https://{account.name}.blob.localhost:{urlsplit(account.blob_endpoint).port}"


@contextmanager
def stock_registry(
    account: Account, certificates: Certificates, container: str, folder: Path, tunnels: Tunnels | None = None
) -> Iterator[str]:
    """Its host while it runs. With `tunnels` to storage, it redirects blob GETs there, as it does in Azure. Raises
    RuntimeError with its log if it doesn't start within 30 s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    path = folder / "stock.yml"
    config = configuration(account, certificates, container, port, redirects=tunnels is not None)
    path.write_text(json.dumps(config))  # JSON is YAML
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "IDENTITY_", "OTEL_"))}
    environment = {
        **kept,
        **account.identity.environment(),
        "SSL_CERT_FILE": str(certificates.ca),
        "OTEL_TRACES_EXPORTER": "none",
        # Go's programs leave only localhost itself and loopback addresses out by themselves.
        **({"HTTPS_PROXY": tunnels.url, "NO_PROXY": "", "no_proxy": ""} if tunnels else {}),
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
