"""App Service's managed-identity endpoint, so that the real `ManagedIdentityCredential` is what runs locally.

Protocol: https://learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference"
(api-version 2019-08-01). The real one signs with Entra's private key; here whoever checks a token reads the key file.

`python -m standins.identity --key FILE [--client-id ID] [--port 0] [--lifetime SECONDS]`, with the secret that callers
must send in the environment as STANDINS_IDENTITY_HEADER. Its ready line: {"identity_endpoint": …, "client_id": …}.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import secrets
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from jwt.types import Options

from standins.incoming import WholeRequests
from standins.process import die_with_parent, wait_until_told_to_stop

HEADER_VARIABLE = "STANDINS_IDENTITY_HEADER"
API_VERSION = "2019-08-01"
TENANT = "5eed0000-0000-4000-8000-00000000ac1d"
ISSUER = f"https://sts.windows.net/{TENANT}/"
PATH = "/msi/token"
LIFETIME = 24 * 3600  # a managed identity's token is good for a day


@dataclass(frozen=True, slots=True)
class Identity:
    """One user-assigned identity, and the key that its tokens are signed with."""

    client_id: str
    principal_id: str
    key: bytes

    def token(self, resource: str, lifetime: int = LIFETIME) -> tuple[str, int]:
        """A JWT for that resource, as Entra's v1 endpoint shapes it, and its expiry in seconds since the epoch."""
        now = int(time.time())
        claims: dict[str, object] = {
            "aud": resource,
            "iss": ISSUER,
            "iat": now,
            # Entra backdates by five minutes, for clocks that are a little slow.
            "nbf": now - 300,
            "exp": now + lifetime,
            "appid": self.client_id,
            "appidacr": "2",
            "idp": ISSUER,
            "idtyp": "app",
            "oid": self.principal_id,
            "sub": self.principal_id,
            "tid": TENANT,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
        }
        return sign(claims, self.key), now + lifetime


def make_key(path: Path) -> bytes:
    """Writes a new signing key, readable by the owner only, and returns it."""
    key = secrets.token_hex(32).encode()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
    return key


def read_key(path: Path) -> bytes:
    return path.read_bytes().strip()


def sign(claims: Mapping[str, object], key: bytes) -> str:
    return jwt.encode(dict(claims), key, algorithm="HS256", headers={"kid": "local"})


def check_token(token: str, key: bytes, audience: str) -> dict[str, Any]:
    """The claims of a token that this endpoint made for that audience; raises `jwt.InvalidTokenError` for others."""
    options: Options = {"require": ["iss", "aud", "nbf", "exp"]}
    return jwt.decode(token, key, algorithms=["HS256"], audience=audience, issuer=ISSUER, options=options)


class IdentityServer(ThreadingHTTPServer):
    """Serves one identity on loopback over plain HTTP, as App Service does inside its sandbox."""

    daemon_threads = True

    def __init__(self, identity: Identity, header: str, port: int = 0, lifetime: int = LIFETIME) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.identity = identity
        self.header = header
        self.lifetime = lifetime

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{PATH}"


class _Handler(WholeRequests):
    server: IdentityServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        sent = self.headers.get("X-IDENTITY-HEADER", "")
        if url.path.rstrip("/") != PATH:
            self._refuse(HTTPStatus.NOT_FOUND, f"There is nothing at {url.path}.")
        elif not hmac.compare_digest(sent.encode(), self.server.header.encode()):
            self._refuse(HTTPStatus.UNAUTHORIZED, "The X-IDENTITY-HEADER is missing or is not IDENTITY_HEADER's value.")
        elif query.get("api-version") != API_VERSION:
            self._refuse(HTTPStatus.BAD_REQUEST, f"Unsupported api-version: {query.get('api-version')}.")
        elif not query.get("resource"):
            self._refuse(HTTPStatus.BAD_REQUEST, "The parameter 'resource' is missing.")
        elif not self._names_the_identity(query):
            self._refuse(
                HTTPStatus.BAD_REQUEST,
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            )
        else:
            self._grant(query["resource"])

    def _names_the_identity(self, query: Mapping[str, str]) -> bool:
        """There is no system-assigned identity, so that a caller that names none gets none, as in the deployment."""
        identity = self.server.identity
        if "client_id" in query:
            return query["client_id"].lower() == identity.client_id
        return query.get("object_id", query.get("principal_id", "")).lower() == identity.principal_id

    def _grant(self, resource: str) -> None:
        token, expires = self.server.identity.token(resource, self.server.lifetime)
        self._answer(
            HTTPStatus.OK,
            {
                "access_token": token,
                "client_id": self.server.identity.client_id,
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
            },
        )

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._answer(status, {"statusCode": int(status), "message": message, "correlationId": str(uuid.uuid4())})

    def _answer(self, status: HTTPStatus, body: Mapping[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """One line a request to standard error; nothing secret is in a request's path."""
        super().log_message(format, *args)


def main() -> None:
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m standins.identity", description=__doc__.partition("\n")[0])
    parser.add_argument("--key", type=Path, required=True, help="file with the signing key; made if it is not there")
    parser.add_argument("--client-id", default=str(uuid.uuid4()))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--lifetime", type=int, default=LIFETIME, metavar="SECONDS", help="of a token")
    arguments = parser.parse_args()
    header = os.environ.get(HEADER_VARIABLE)
    if not header:
        parser.error(f"{HEADER_VARIABLE} is not set: it holds the secret that callers must send")
    key = read_key(arguments.key) if arguments.key.exists() else make_key(arguments.key)
    identity = Identity(arguments.client_id.lower(), str(uuid.uuid4()), key)
    with IdentityServer(identity, header, arguments.port, arguments.lifetime) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        wait_until_told_to_stop({"identity_endpoint": server.endpoint, "client_id": identity.client_id})
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    main()
