"""Identity-based connections: `<NAME>__queueServiceUri`, `__credential`, `__clientId` of the app's environment.

https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.storage.queue import ExponentialRetry, QueueServiceClient

from standins.functions.metadata import NotEmulated

DEFAULT_CONNECTION = "AzureWebJobsStorage"


def queue_service(name: str, environment: Mapping[str, str], ca: Path | None = None) -> QueueServiceClient:
    """A client for the connection of that name, which trusts that CA if one is given. Raises `NotEmulated` for a
    connection string, and where there is none."""
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
    options: dict[str, Any] = {}
    if ca is not None:
        options["connection_verify"] = str(ca)
    # The defaults of the .NET SDK that the queue extension polls with (Azure.Core RetryOptions): three retries from
    # 0.8 s on. The Python SDK's own would wait 15 s first.
    retry = ExponentialRetry(initial_backoff=0.8, increment_base=2, retry_total=3, random_jitter_range=0)  # type: ignore[arg-type]
    return QueueServiceClient(uri, credential=credential, retry_policy=retry, **options)
