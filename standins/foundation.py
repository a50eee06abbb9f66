"""What the other stand-ins need: certificates, the identity endpoint, storage.

One foundation can carry several stacks, each with a storage account of its own: starting Azurite is the slow part.
"""

from __future__ import annotations

import os
import secrets
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from standins.azurite import account_names
from standins.certificates import Certificates, make_certificates
from standins.credential import LocalCredential
from standins.identity import HEADER_VARIABLE, make_key
from standins.process import Service, stop_all
from standins.profile import Resources

STORAGE_AUDIENCE = "https://storage.azure.com"


@dataclass(frozen=True, slots=True)
class IdentityEndpoint:
    """Where App Service's protocol is served, the secret it asks for, and the one identity it knows."""

    endpoint: str
    header: str
    client_id: str
    key: Path

    def credential(self) -> LocalCredential:
        return LocalCredential(self.endpoint, self.header, self.client_id)

    def environment(self) -> dict[str, str]:
        """What `ManagedIdentityCredential` and Go's `azidentity` read."""
        return {
            "IDENTITY_ENDPOINT": self.endpoint,
            "IDENTITY_HEADER": self.header,
            "AZURE_CLIENT_ID": self.client_id,
        }


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account of its own; its three endpoints have no slash at their end."""

    name: str
    blob_endpoint: str
    queue_endpoint: str
    table_endpoint: str
    ca: Path
    identity: IdentityEndpoint = field(repr=False)

    @property
    def client_options(self) -> dict[str, Any]:
        """Keywords for any client of the Azure SDKs that speaks to it."""
        return {"credential": self.identity.credential(), "connection_verify": str(self.ca)}

    def deploy(self, resources: Resources) -> Self:
        """Makes what a deployment makes, since neither the app nor the host does."""
        from azure.data.tables import TableServiceClient
        from azure.storage.blob import BlobServiceClient
        from azure.storage.queue import QueueServiceClient

        options = self.client_options
        with (
            BlobServiceClient(self.blob_endpoint, **options) as blobs,
            QueueServiceClient(self.queue_endpoint, **options) as queue_service,
            TableServiceClient(endpoint=self.table_endpoint, audience=STORAGE_AUDIENCE, **options) as tables,
        ):
            for container in resources.containers:
                blobs.create_container(container)
            for queue in resources.queues:
                queue_service.create_queue(queue)
            for table in resources.tables:
                tables.create_table(table)
        return self


class Foundation:
    """Certificates, identity endpoint and Azurite; `with` stops what was started, in whatever state it is.

    `folder` gets certificates, logs and the signing key. Azurite keeps its data in memory unless `data` is a folder.
    """

    def __init__(self, folder: Path, accounts: int = 1, data: Path | None = None) -> None:
        self.folder = folder
        self.certificates: Certificates = make_certificates(folder)
        self._header = secrets.token_hex(16)
        self._client_id = str(uuid.uuid4())
        self.key = folder / "identity.key"
        make_key(self.key)
        self._names = iter(account_names(accounts))
        self._identity_service = Service.module(
            "standins.identity",
            ["--key", str(self.key), "--client-id", self._client_id],
            folder / "identity.log",
            {**os.environ, HEADER_VARIABLE: self._header},
        )
        arguments = ["--cert", str(self.certificates.server), "--accounts", str(accounts)]
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
            arguments += ["--folder", str(data)]
        self._azurite = Service.module("standins.azurite", arguments, folder / "azurite.log")
        self.identity: IdentityEndpoint
        self._storage: dict[str, Any]

    def ready(self) -> Self:
        """Waits until both answer; raises `ServiceFailed` if one does not."""
        endpoint = self._identity_service.ready()["identity_endpoint"]
        self.identity = IdentityEndpoint(endpoint, self._header, self._client_id, self.key)
        self._storage = self._azurite.ready()
        return self

    def account(self) -> Account:
        """The next account that nobody has yet; empty. Raises StopIteration when there are no more."""
        name = next(self._names)
        blob, queue, table = (f"{self._storage[service]}/{name}" for service in ("blob", "queue", "table"))
        return Account(name, blob, queue, table, self.certificates.ca, self.identity)

    @property
    def services(self) -> list[Service]:
        return [self._identity_service, self._azurite]

    def stop(self) -> None:
        stop_all(self.services)

    def __enter__(self) -> Self:
        try:
            return self.ready()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()
