"""Dead letters come back: what Event Grid could not deliver is enqueued by hand, and mirrored."""

import json
import os
import subprocess
import sys
from pathlib import Path

from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from acrmirror.jobs import JOB_QUEUE
from local.stack import Stack

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


def run(stack: Stack, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.replay", "--endpoint", stack.blob_endpoint, "--container", "letters", *more]
    environment = {**os.environ, **stack.app_environment()}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_dead_letter_becomes_a_job_and_what_is_none_stays(bare_stack: Stack) -> None:
    account = bare_stack.account
    topic = bare_stack.app_environment()["MIRROR_REGISTRY_RESOURCE_ID"]
    with (
        ContainerClient(account.blob_endpoint, "letters", **account.client_options) as letters,
        QueueClient(account.queue_endpoint, JOB_QUEUE, **account.client_options) as queue,
    ):
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


def test_without_settings_it_says_what_is_missing() -> None:
    command = [sys.executable, "-m", "infra.replay", "--endpoint", "https://example.blob.core.windows.net"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MIRROR_")}
    ended = subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "MIRROR_REGISTRY is missing" in ended.stderr
