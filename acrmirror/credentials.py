"""The one place that makes credentials. There are no keys and no connection strings."""

from typing import Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenCredential, TokenRequestOptions
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

from acrmirror.cancel import awaited
from acrmirror.settings import Settings


class Credential:
    """A credential whose tokens are not waited for on behalf of a job that is cancelled."""

    def __init__(self, inner: ManagedIdentityCredential | DefaultAzureCredential) -> None:
        self.inner = inner

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return awaited(lambda: self.inner.get_token(*scopes, **options))

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        return awaited(lambda: self.inner.get_token_info(*scopes, options=options))

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def make_credential(settings: Settings) -> Credential:
    """What the app is known by at storage and, unless that is read anonymously, at the registry.

    In Azure that is the managed identity of `AZURE_CLIENT_ID`; elsewhere a service principal or a developer's login.
    Close it when done.
    """
    if settings.managed_identity:
        return Credential(ManagedIdentityCredential(client_id=settings.client_id))
    return Credential(DefaultAzureCredential(managed_identity_client_id=settings.client_id))


def registry_credential(settings: Settings, credential: TokenCredential) -> TokenCredential | None:
    """The same credential, or None for a registry that anyone may pull from."""
    return None if settings.anonymous else credential
