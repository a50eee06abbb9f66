"""Azurite as the local stack runs it: bearer tokens over TLS, no keys, an account for each stack."""

import datetime
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobBlock, BlobSasPermissions, BlobServiceClient, generate_blob_sas
from azure.storage.queue import QueueServiceClient

from standins.azurite import VARIABLE, NoTools, Tools
from standins.credential import LocalCredential
from standins.foundation import STORAGE_AUDIENCE, Account, Foundation
from standins.identity import sign
from standins.tests.resources import CONTAINER, QUEUES, RESOURCES, TABLE


def test_what_the_deployment_makes_is_there_and_works_with_tokens(account: Account) -> None:
    options = account.client_options
    with BlobServiceClient(account.blob_endpoint, **options) as blobs:
        blobs.get_blob_client(CONTAINER, "a/b").upload_blob(b"content")
        assert blobs.get_blob_client(CONTAINER, "a/b").download_blob().readall() == b"content"
    with QueueServiceClient(account.queue_endpoint, **options) as queues:
        assert {queue.name for queue in queues.list_queues()} == set(QUEUES)
    with TableServiceClient(endpoint=account.table_endpoint, audience=STORAGE_AUDIENCE, **options) as tables:
        tables.get_table_client(TABLE).create_entity({"PartitionKey": "p", "RowKey": "r"})


def test_what_each_service_was_asked_is_told(account: Account) -> None:
    def asked() -> dict[str, int]:
        with urlopen(f"{origin}/_local/requests", context=ssl.create_default_context(cafile=account.ca)) as told:
            counts: dict[str, int] = json.load(told).get(port, {})
        return counts

    url = urlsplit(account.blob_endpoint)
    origin, port = f"https://{url.netloc}", str(url.port)
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as blobs:
        blobs.get_blob_client(CONTAINER, "counted").upload_blob(b"content")
        before = asked()
        blobs.get_blob_client(CONTAINER, "counted").upload_blob(b"another", overwrite=True)
        blobs.get_blob_client(CONTAINER, "counted").get_blob_properties()
        blobs.get_blob_client(CONTAINER, "counted").get_blob_properties()
    after = asked()
    assert {method: after[method] - before.get(method, 0) for method in ("PUT", "HEAD")} == {"PUT": 1, "HEAD": 2}


def test_a_user_delegation_sas_is_signed_without_any_account_key_and_copied_from(account: Account) -> None:
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(minutes=5)
    with BlobServiceClient(account.blob_endpoint, **account.client_options) as blobs:
        blobs.get_blob_client(CONTAINER, "signed").upload_blob(b"content")
        key = blobs.get_user_delegation_key(now, end)
        signature = generate_blob_sas(
            account.name,
            CONTAINER,
            "signed",
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            expiry=end,
        )
        url = f"{blobs.get_blob_client(CONTAINER, 'signed').url}?{signature}"
        copy = blobs.get_blob_client(CONTAINER, "copied")
        copy.stage_block_from_url("block", url, 1, 3)
        copy.commit_block_list([BlobBlock("block")])
        assert copy.download_blob().readall() == b"ont"
    with urlopen(url, context=ssl.create_default_context(cafile=account.ca)) as response:
        assert response.read() == b"content"


def test_accounts_do_not_see_each_other(foundation: Foundation, account: Account) -> None:
    other = foundation.account()
    with BlobServiceClient(other.blob_endpoint, **other.client_options) as blobs:
        assert list(blobs.list_containers()) == []


def test_a_token_for_another_audience_is_refused(account: Account) -> None:
    class Elsewhere(LocalCredential):
        def get_token(self, *scopes, **options):  # type: ignore[no-untyped-def]
            return super().get_token("https://containerregistry.azure.net/.default")

    identity = account.identity
    credential = Elsewhere(identity.endpoint, identity.header, identity.client_id)
    with BlobServiceClient(account.blob_endpoint, credential=credential, connection_verify=str(account.ca)) as blobs:
        with pytest.raises(ClientAuthenticationError, match="audience"):
            list(blobs.list_containers())


def test_an_expired_token_is_refused(account: Account) -> None:
    class Late:
        def get_token(self, *scopes, **options):  # type: ignore[no-untyped-def]
            claims = {"aud": STORAGE_AUDIENCE, "iss": "https://sts.windows.net/x/", "iat": 1, "nbf": 1, "exp": 2}
            return AccessToken(sign(claims, b"any key, for it is not checked" * 2), 2**40)

    with BlobServiceClient(account.blob_endpoint, credential=Late(), connection_verify=str(account.ca)) as blobs:
        with pytest.raises(HttpResponseError, match="expired"):
            list(blobs.list_containers())


def test_nobody_is_trusted_without_the_throwaway_ca(account: Account) -> None:
    options: dict[str, Any] = {"credential": account.identity.credential(), "retry_total": 0}
    with BlobServiceClient(account.blob_endpoint, **options) as blobs, pytest.raises(ServiceRequestError, match="SSL"):
        list(blobs.list_containers())


def test_a_folder_keeps_its_data_from_one_run_to_the_next(tmp_path: Path) -> None:
    with Foundation(tmp_path / "first", data=tmp_path / "data") as first:
        account = first.account().deploy(RESOURCES)
        with BlobServiceClient(account.blob_endpoint, **account.client_options) as blobs:
            blobs.get_blob_client(CONTAINER, "kept").upload_blob(b"content")
    with Foundation(tmp_path / "second", data=tmp_path / "data") as second:
        account = second.account()
        with BlobServiceClient(account.blob_endpoint, **account.client_options) as blobs:
            assert blobs.get_blob_client(CONTAINER, "kept").download_blob().readall() == b"content"


def test_missing_tools_are_told_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(NoTools, match=r"python3 dev\.py tools"):
        Tools.find(tmp_path, {})
    (tmp_path / "tools.json").write_text(json.dumps({"node": "/gone/node", "azurite": "/gone/azurite.js"}))
    with pytest.raises(NoTools, match="gone"):
        Tools.find(tmp_path, {})


def test_an_azurite_that_npm_put_on_the_path_is_found(tmp_path: Path) -> None:
    script = tmp_path / "lib" / "azurite.js"
    script.parent.mkdir()
    script.touch(0o755)
    (tmp_path / "azurite").symlink_to(script)
    environment = {"PATH": str(tmp_path)}
    with pytest.raises(NoTools, match="on the PATH"):
        Tools.find(tmp_path, environment)
    (tmp_path / "node").touch(0o755)
    assert Tools.find(tmp_path, environment) == Tools(tmp_path / "node", script)


def test_a_folder_of_the_users_own_is_taken_as_npm_leaves_it(tmp_path: Path) -> None:
    environment = {VARIABLE: str(tmp_path), "PATH": str(tmp_path)}
    with pytest.raises(NoTools, match=r"no node_modules/azurite/dist/src/azurite\.js in it\. Run 'npm install azurite"):
        Tools.find(tmp_path, environment)
    script = tmp_path / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    script.parent.mkdir(parents=True)
    script.touch()
    with pytest.raises(NoTools, match=r"no node on the PATH"):
        Tools.find(tmp_path, environment)
    node = tmp_path / "node"
    node.touch(mode=0o755)
    assert Tools.find(tmp_path, environment) == Tools(node, script)


def test_who_has_no_azurite_is_told_how_to_get_it(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "standins.azurite", "--cert", tmp_path / "server.pem"],
        env={**os.environ, VARIABLE: str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"Azurite can't start: {VARIABLE} names {tmp_path}, and there is no ")
    assert "npm install azurite" in ended.stderr
