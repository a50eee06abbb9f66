"""Short-lived URLs of single blobs, signed with a key that storage gives this identity for a while.

https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

import ipaddress
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from azure.storage.blob import BlobSasPermissions, BlobServiceClient, UserDelegationKey, generate_blob_sas

from acrmirror.cancel import holding
from acrmirror.storage.failures import Place, explained

KEY_LIFETIME = timedelta(hours=2)
LONGEST = timedelta(days=7)
"""For which storage gives a key at most."""
SKEW = timedelta(minutes=5)
"""How far clocks may be apart: URLs begin to be good a bit before now."""
_ACCOUNT = Place("storage account", "", "Storage Blob Delegator", throttles=True)


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """Whoever has the URL may read that one blob until `expires`: it belongs into no log and no record."""

    url: str
    expires: datetime


class Signer:
    """Signs URLs of blobs in one container. Thread-safe."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._service = service
        self._container = container
        self._account = account_name(service.url)
        self._lock = threading.Lock()
        self._key: tuple[UserDelegationKey, datetime] | None = None

    def url(self, name: str, lifetime: timedelta) -> SignedUrl:
        """Of one blob, over HTTPS and for reading only. Raises Denied without Storage Blob Delegator."""
        now = datetime.now(UTC)
        expires = now + lifetime
        signature = generate_blob_sas(
            self._account,
            self._container,
            name,
            user_delegation_key=self._delegation_key(now, lifetime),
            permission=BlobSasPermissions(read=True),
            start=now - SKEW,
            expiry=expires,
            protocol="https",
        )
        return SignedUrl(f"{self._service.url.rstrip('/')}/{self._container}/{name}?{signature}", expires)

    def _delegation_key(self, now: datetime, lifetime: timedelta) -> UserDelegationKey:
        """One key serves all URLs for about two hours, or for as long as a URL may be good that needs more; a URL never
        outlives it."""
        with holding(self._lock):
            if self._key is None or self._key[1] - now < lifetime + SKEW:
                expires = now + max(KEY_LIFETIME, lifetime + 2 * SKEW)
                with explained("get a key for signed URLs", _ACCOUNT):
                    key = self._service.get_user_delegation_key(now - SKEW, expires)
                self._key = (key, expires)
            return self._key[0]


def account_name(url: str) -> str:
    """The host's first label; where the host is an address or this machine, the path's first part."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
        by_path = True
    except ValueError:
        by_path = host == "localhost"
    return parts.path.strip("/").partition("/")[0] if by_path else host.partition(".")[0]
