"""Identity-based connections: `<NAME>__queueServiceUri`, `__credential`, `__clientId` of the app's environment.

https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.storage.queue import QueueServiceClient

from standins.functions.metadata import NotEmulated
from standins.functions.storage import DELAY, NETWORK_TIMEOUT, HostRetry

DEFAULT_CONNECTION = "AzureWebJobsStorage"


def queue_service(
    name: str, environment: Mapping[str, str], ca: Path | None = None, delay: float = DELAY
) -> QueueServiceClient:
    """A client for the connection of that name, which trusts that CA if one is given, and tries again after so many
    seconds. Raises `NotEmulated` for a connection string, and where there is none."""
    name = name or DEFAULT_CONNECTION
    uri = environment.get(f"{name}__queueServiceUri")
    if not uri:
        raise NotEmulated(f"connection {name}: there is no app setting {name}__queueServiceUri, and keys are not taken")
    client_id = environment.get(f"{name}__clientId")
    credential: Any
    if environment.get(f"{name}__credential", "").lower() == "managedidentity":
        credential = ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
    else:
        credential = DefaultAzureCredential()
    options: dict[str, Any] = {"connection_timeout": NETWORK_TIMEOUT, "read_timeout": NETWORK_TIMEOUT}
    if ca is not None:
        options["connection_verify"] = str(ca)
    return QueueServiceClient(uri, credential=credential, retry_policy=HostRetry(delay), **options)
