"""The layer before Azurite, asked by the Azure SDKs."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.data.tables import TableClient
from azure.storage.blob import BlobClient, BlobSasPermissions, BlobServiceClient, ContainerClient, generate_blob_sas
from azure.storage.queue import QueueClient

from standins.foundation import STORAGE_AUDIENCE, Account, Foundation
from standins.policy import Grant, Places, Policy, Seen
from standins.policy.server import Layer
from standins.tests.resources import CONTAINER, QUEUES, TABLE

PLACES = Places("/blobs", "/queues", "/tables", "/registry")
EVERYTHING = Grant("Owner of data", "/", ("*",))


@pytest.fixture
def layer(account: Account, foundation: Foundation) -> Iterator[Layer]:
    upstreams = {"blob": account.blob_endpoint, "queue": account.queue_endpoint, "table": account.table_endpoint}
    with Layer(account.ca, foundation.certificates.server, upstreams, Policy(PLACES)) as started:
        yield started


def granted(*actions: str) -> Policy:
    provider = "Microsoft.Storage/storageAccounts"
    return Policy(PLACES, tuple(Grant("r", "", (f"{provider}/{action}",)) for action in actions))


def refused(error: HttpResponseError) -> tuple[int | None, str]:
    response: Any = error.response
    return error.status_code, response.headers["x-ms-error-code"]


REFUSED = (403, "AuthorizationPermissionMismatch")


def test_each_service_refuses_in_its_own_words(account: Account, layer: Layer) -> None:
    options = account.client_options
    container = ContainerClient(layer.endpoints["blob"], CONTAINER, **options)
    queue = QueueClient(layer.endpoints["queue"], QUEUES[0], **options)
    table = TableClient(layer.endpoints["table"], TABLE, audience=STORAGE_AUDIENCE, **options)
    with container, queue, table:
        for attempt in (
            lambda: container.upload_blob("a", b"content"),
            lambda: list(container.list_blobs()),
            lambda: queue.send_message("a"),
            lambda: table.create_entity({"PartitionKey": "p", "RowKey": "r"}),
        ):
            with pytest.raises(HttpResponseError) as caught:
                attempt()
            assert refused(caught.value) == REFUSED
        assert layer.seen() == [
            Seen("Put Blob", CONTAINER, False),
            Seen("List Blobs", CONTAINER, False),
            Seen("Put Message", QUEUES[0], False),
            Seen("Insert Entity", TABLE, False),
        ]
        layer.set(Policy(PLACES, (EVERYTHING,)))
        container.upload_blob("a", b"content")
        assert [it.name for it in container.list_blobs()] == ["a"]
        queue.send_message("a")
        assert [it.content for it in queue.receive_messages()] == ["a"]
        table.create_entity({"PartitionKey": "p", "RowKey": "r"})
        assert table.get_entity("p", "r")["RowKey"] == "r"


def test_a_signed_link_is_worth_what_its_signer_may_do(account: Account, layer: Layer) -> None:
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(minutes=5)
    key_action, read, write = (
        f"blobServices/{end}"
        for end in ("generateUserDelegationKey/action", "containers/blobs/read", "containers/blobs/write")
    )
    layer.set(granted(key_action, write))
    with BlobServiceClient(layer.endpoints["blob"], **account.client_options) as service:
        service.get_blob_client(CONTAINER, "signed").upload_blob(b"content")
        key = service.get_user_delegation_key(now, end)
    signature = generate_blob_sas(
        account.name,
        CONTAINER,
        "signed",
        user_delegation_key=key,
        permission=BlobSasPermissions(read=True),
        start=now,
        expiry=end,
    )
    url = f"{layer.endpoints['blob']}/{CONTAINER}/signed?{signature}"
    with BlobClient.from_blob_url(url, connection_verify=str(account.ca)) as blob:
        with pytest.raises(HttpResponseError) as caught:
            blob.download_blob()
        assert refused(caught.value) == REFUSED
        layer.set(granted(read))
        assert blob.download_blob().readall() == b"content"


def test_who_shows_no_credential_is_left_to_storage_itself(account: Account, layer: Layer) -> None:
    layer.set(Policy(PLACES, (EVERYTHING,)))
    url = f"{layer.endpoints['blob']}/{CONTAINER}/a"
    with BlobClient.from_blob_url(url, connection_verify=str(account.ca)) as blob:
        with pytest.raises((ClientAuthenticationError, HttpResponseError)) as caught:
            blob.get_blob_properties()
    assert caught.value.status_code in (401, 403, 404, 409)
    assert layer.seen() == []
