"""Which account a signed link is for: storage refuses a signature over another account's name."""

import pytest
from azure.storage.blob import BlobServiceClient

from acrmirror.storage.signing import Signer, account_name

ENDPOINTS = {
    "https://acct.blob.core.windows.net": "acct",
    "https://acct.blob.core.windows.net/": "acct",
    "https://acct.z12.blob.storage.azure.net/": "acct",
    "https://acct.blob.core.usgovcloudapi.net:443/": "acct",
    "https://acct-secondary.blob.core.windows.net/": "acct-secondary",
    "https://127.0.0.1:10000/devstoreaccount1": "devstoreaccount1",
    "https://127.0.0.1:10000/devstoreaccount1/": "devstoreaccount1",
    "https://[::1]:10000/devstoreaccount1": "devstoreaccount1",
    "https://localhost:10000/devstoreaccount1": "devstoreaccount1",
}


@pytest.mark.parametrize(("endpoint", "name"), ENDPOINTS.items())
def test_the_account_is_the_hosts_first_label_or_the_paths_first_part(endpoint: str, name: str) -> None:
    assert account_name(endpoint) == name
    with BlobServiceClient(endpoint) as service:
        assert Signer(service, "mirror")._account == name
