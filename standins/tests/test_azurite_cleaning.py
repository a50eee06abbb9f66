"""Azurite's clean-up of what nothing refers to any more: storage answers meanwhile, and keeps what is in use."""

import http.client
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from standins.foundation import STORAGE_AUDIENCE, Account, Foundation
from standins.process import Service, wait_for
from standins.tests.resources import CONTAINER, RESOURCES

CLEANING = 6  # seconds between two clean-ups, in place of ten minutes
BLOBS = 2000
THREADS = 4


@pytest.fixture
def azurite(foundation: Foundation, tmp_path: Path) -> Iterator[Service]:
    arguments = ["--cert", str(foundation.certificates.server), "--cleaning", str(CLEANING)]
    service = Service.module("standins.azurite", arguments, tmp_path / "azurite.log")
    yield service
    service.stop()


@pytest.fixture
def storage(azurite: Service, account: Account) -> Account:
    """The one account of an Azurite of the test's own."""
    ready = azurite.ready()
    blob, queue, table = (f"{ready[name]}/{ready['accounts'][0]}" for name in ("blob", "queue", "table"))
    own = replace(account, name=ready["accounts"][0], blob_endpoint=blob, queue_endpoint=queue, table_endpoint=table)
    return own.deploy(RESOURCES)


def put_many(account: Account, container: str, count: int) -> None:
    """By plain HTTP: the SDK takes three times as long for a blob of a few bytes."""
    token = account.identity.credential().get_token(f"{STORAGE_AUDIENCE}/.default").token
    headers = {"Authorization": f"Bearer {token}", "x-ms-blob-type": "BlockBlob", "x-ms-version": "2025-05-05"}
    context = ssl.create_default_context(cafile=str(account.ca))
    host, _, name = account.blob_endpoint.removeprefix("https://").partition("/")

    def put(share: int) -> None:
        connection = http.client.HTTPSConnection(host, context=context, timeout=60)
        for number in range(share, count, THREADS):
            connection.request("PUT", f"/{name}/{container}/{number}", b"content", headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, range(THREADS)))


def test_storage_answers_while_thousands_of_blobs_are_cleaned_up(storage: Account, azurite: Service) -> None:
    with BlobServiceClient(storage.blob_endpoint, **storage.client_options) as blobs:
        kept = blobs.get_blob_client(CONTAINER, "kept")
        kept.upload_blob(b"content")
        blobs.create_container("gone")
        put_many(storage, "gone", BLOBS)
        blobs.delete_container("gone")
        slowest = 0.0
        end = time.monotonic() + 3 * CLEANING
        while time.monotonic() < end:
            begun = time.monotonic()
            assert kept.download_blob().readall() == b"content"
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.02)
        assert slowest < 2
    assert wait_for(lambda: cleaned(azurite) == BLOBS, 2 * CLEANING), azurite.tail()


def cleaned(azurite: Service) -> int:
    """How many extents of blobs, by the log."""
    lines = azurite.log.read_text().splitlines()
    return sum(int(line.split()[-2]) for line in lines if line.startswith("cleaned up in blob"))
