"""The one place that makes credentials. There are no keys and no connection strings."""

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from acrmirror.settings import Settings


def make_credential(settings: Settings) -> ManagedIdentityCredential | DefaultAzureCredential:
    """What the app is known by at storage and, unless that is read anonymously, at the registry.

    In Azure that is the managed identity of `AZURE_CLIENT_ID`; elsewhere a service principal or a developer's login.
    Close it when done.
    """
    if settings.managed_identity:
        return ManagedIdentityCredential(client_id=settings.client_id)
    return DefaultAzureCredential(managed_identity_client_id=settings.client_id)


def registry_credential(settings: Settings, credential: TokenCredential) -> TokenCredential | None:
    """The same credential, or None for a registry that anyone may pull from."""
    return None if settings.anonymous else credential
