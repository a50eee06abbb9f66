"""Identity-based connections: `<NAME>__queueServiceUri`, `__credential`, `__clientId` of the app's environment.

https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.storage.queue import ExponentialRetry, QueueServiceClient

from local.functions.metadata import NotEmulated

TRUST_BUNDLE = "MIRROR_TRUST_BUNDLE"
DEFAULT_CONNECTION = "AzureWebJobsStorage"


def queue_service(name: str, environment: Mapping[str, str]) -> QueueServiceClient:
    """A client for the connection of that name; raises `NotEmulated` for a connection string or a missing one."""
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
    if bundle := environment.get(TRUST_BUNDLE):
        options["connection_verify"] = bundle
    # The defaults of the .NET SDK that the queue extension polls with (Azure.Core RetryOptions): three retries from
    # 0.8 s on. The Python SDK's own would wait 15 s first.
    retry = ExponentialRetry(initial_backoff=0.8, increment_base=2, retry_total=3, random_jitter_range=0)  # type: ignore[arg-type]
    return QueueServiceClient(uri, credential=credential, retry_policy=retry, **options)
