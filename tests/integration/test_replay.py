"""Dead letters come back: what Event Grid could not deliver is enqueued by hand, and mirrored."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from acrmirror.work import JOB_QUEUE
from devtools.deployment.permissions import places
from devtools.deployment.roles import ROLES
from standins.foundation import Foundation
from standins.policy import Grant, Policy
from standins.policy.server import Layer
from standins.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "ab" * 32


def letter(repository: str, host: str, topic: str) -> bytes:
    """As Event Grid writes them: an array, with its own story added to the event."""
    event = {
        "id": "1",
        "topic": topic,
        "subject": f"{repository}:v1",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": "2026-04-25T21:39:47.6549614Z",
        "data": {
            "action": "push",
            "target": {"repository": repository, "digest": DIGEST, "tag": "v1", "size": 1},
            "request": {"host": host},
        },
        "dataVersion": "2.0",
        "metadataVersion": "1",
        "deadLetterReason": "MaxDeliveryAttemptsExceeded",
        "deliveryAttempts": 30,
        "lastDeliveryOutcome": "Unavailable",
        "publishTime": "2026-04-25T21:39:48Z",
        "lastDeliveryAttemptTime": "2026-04-26T21:39:48Z",
    }
    return json.dumps([event]).encode()


def run(stack: Stack, *more: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **stack.app_environment(), **settings}
    endpoint = environment["MIRROR_BLOB_ENDPOINT"]
    command = [sys.executable, "-m", "infra.replay", "--endpoint", endpoint, "--container", "letters", *more]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_dead_letter_becomes_a_job_and_what_is_none_stays(bare_stack: Stack) -> None:
    account = bare_stack.account
    topic = bare_stack.app_environment()["MIRROR_REGISTRY_RESOURCE_ID"]
    with (
        ContainerClient(account.blob_endpoint, "letters", **account.client_options) as letters,
        QueueClient(account.queue_endpoint, JOB_QUEUE, **account.client_options) as queue,
    ):
        if not letters.exists():
            letters.create_container()
        letters.upload_blob("topic/1.json", letter("replayed/app", bare_stack.registry.host, topic))
        letters.upload_blob("topic/2.json", letter("replayed/app", "another.azurecr.io", topic))
        letters.upload_blob("topic/3.json", b"{")
        before = queue.get_queue_properties().approximate_message_count or 0

        looked = run(bare_stack, "--dry-run")
        assert looked.returncode == 1
        assert "topic/1.json: 1 of Microsoft.ContainerRegistry.ImagePushed replayed/app:v1" in looked.stdout
        assert len(list(letters.list_blobs())) == 3
        assert queue.get_queue_properties().approximate_message_count == before

        ended = run(bare_stack)
        assert ended.returncode == 1, ended.stderr
        assert [blob.name for blob in letters.list_blobs()] == ["topic/2.json", "topic/3.json"]
        assert "topic/2.json stays" in ended.stderr
        assert "topic/3.json stays" in ended.stderr
        assert queue.get_queue_properties().approximate_message_count == before + 1


# "Azure built-in roles", of the one that no template assigns.
SENDER = ("Microsoft.Storage/storageAccounts/queueServices/queues/messages/add/action",)


def test_the_roles_that_the_docs_have_you_assign_yourself_are_enough(bare_stack: Stack, foundation: Foundation) -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").partition("## Dead letters")[2]
    named = re.findall(r'--role "([^"]+)" --scope <ARM id of the account>', text)
    actions = {role.name: role.actions for role in ROLES.values()} | {"Storage Queue Data Message Sender": SENDER}
    host = places().queue
    account = bare_stack.account
    # The letters are in the app's own account, with its queue.
    here = replace(places(), blob=host)
    given = Policy(here, tuple(Grant(name, host, actions[name]) for name in named))
    upstreams = {"blob": account.blob_endpoint, "queue": account.queue_endpoint, "table": account.table_endpoint}
    topic = bare_stack.app_environment()["MIRROR_REGISTRY_RESOURCE_ID"]
    with (
        Layer(account.ca, foundation.certificates.server, upstreams, given) as layer,
        ContainerClient(account.blob_endpoint, "letters", **account.client_options) as letters,
    ):
        if not letters.exists():
            letters.create_container()
        letters.upload_blob("topic/4.json", letter("replayed/app", bare_stack.registry.host, topic))
        blob, queue, table = (layer.endpoints[service] for service in ("blob", "queue", "table"))
        settings = {"MIRROR_BLOB_ENDPOINT": blob, "MIRROR_QUEUE__queueServiceUri": queue}
        ended = run(bare_stack, **settings, MIRROR_TABLE_ENDPOINT=table)
        assert "topic/4.json" not in [found.name for found in letters.list_blobs()], ended.stderr
        assert [it for it in layer.seen() if not it.allowed] == []
        assert {it.operation for it in layer.seen()} >= {"Get Blob", "Delete Blob", "Put Message", "Insert Entity"}


def test_without_settings_it_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "infra.replay", "--endpoint", "https://example.blob.core.windows.net"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")}
    ended = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "MIRROR_REGISTRY is missing" in ended.stderr
