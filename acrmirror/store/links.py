"""Short-lived links to single blobs, signed with a key that storage gives this identity for a while.

https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

import ipaddress
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, UserDelegationKey, generate_blob_sas

from acrmirror.reference import Digest
from acrmirror.store import layout
from acrmirror.store.failures import explained
from acrmirror.transport import make_transport

LIFETIME = timedelta(minutes=20)
"""As long as the registry's own links live."""
KEY_LIFETIME = timedelta(hours=2)
SKEW = timedelta(minutes=5)
"""How far clocks may be apart: links begin to be good a bit before now."""


@dataclass(frozen=True, slots=True)
class Link:
    """Whoever has the URL may read that one blob until `expires`: it belongs into no log and no record."""

    url: str
    expires: datetime


class Links:
    """Makes links to blobs of the mirror. Thread-safe; close it when done."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._service = service
        self._container = container
        self._account = account_name(service.url)
        self._lock = threading.Lock()
        self._key: tuple[UserDelegationKey, datetime] | None = None

    @classmethod
    def open(
        cls, endpoint: str, container: str, credential: TokenCredential, trust_bundle: Path | None = None
    ) -> "Links":
        """`endpoint` is the blob service's URL."""
        transport = make_transport(trust_bundle, 4)
        return cls(BlobServiceClient(endpoint, credential=credential, transport=transport), container)

    def close(self) -> None:
        self._service.close()

    def blob(self, digest: Digest) -> Link:
        """A link to a blob, over HTTPS and for reading only. Raises Denied without Storage Blob Delegator."""
        now = datetime.now(UTC)
        expires = now + LIFETIME
        name = layout.blob_data(digest)
        signature = generate_blob_sas(
            self._account,
            self._container,
            name,
            user_delegation_key=self._delegation_key(now),
            permission=BlobSasPermissions(read=True),
            start=now - SKEW,
            expiry=expires,
            protocol="https",
        )
        return Link(f"{self._service.url.rstrip('/')}/{self._container}/{name}?{signature}", expires)

    def _delegation_key(self, now: datetime) -> UserDelegationKey:
        """One key serves all links for about two hours; a link never outlives it."""
        with self._lock:
            if self._key is None or self._key[1] - now < LIFETIME + SKEW:
                expires = now + KEY_LIFETIME
                with explained("get a key for links", role="Storage Blob Delegator", scope="the storage account"):
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
