"""What is no event of this registry: answered with an error, so that Event Grid keeps it; nothing is asked or made."""

import base64
import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from acrmirror.jobs import Refusals
from acrmirror.work import DEAD_QUEUE, JOB_QUEUE
from standins.stack import RESOURCE_ID, Stack
from testkit.images import SHAPES
from testkit.stack import mirror_stack
from tests.integration.mirroring import Mirroring, mirroring

GOOD: dict[str, Any] = {
    "id": "refused",
    "topic": RESOURCE_ID,
    "subject": "team/app:v1",
    "eventType": "Microsoft.ContainerRegistry.ImagePushed",
    "eventTime": "2026-04-25T21:39:47.6549614Z",
    "data": {
        "id": "31c51664-e5bd-416a-a5df-e5206bc47ed0",
        "timestamp": "2026-04-25T21:39:47.276585742Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": 3023,
            "digest": "sha256:" + "a" * 64,
            "repository": "team/app",
            "tag": "v1",
        },
        "request": {"id": "7c66", "host": "", "method": "PUT"},
    },
    "dataVersion": "2.0",
    "metadataVersion": "1",
}
AHEAD = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")


def change(event: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(event)
    place = changed
    *parents, last = path.split(".")
    for name in parents:
        place = place[name]
    place[last] = value
    return changed


REFUSED = {
    "another registry's host": ("data.request.host", "other.azurecr.io", "other.azurecr.io"),
    "another topic": ("topic", RESOURCE_ID + "x", "MIRROR_REGISTRY_RESOURCE_ID"),
    "an unknown type": ("eventType", "Microsoft.Storage.BlobCreated", "BlobCreated"),
    "a repository that climbs": ("data.target.repository", "../x", "../x"),
    "a repository in upper case": ("data.target.repository", "Team/App", "Team/App"),
    "an empty repository": ("data.target.repository", "", "repository"),
    "a repository of 300 characters": ("data.target.repository", "a" * 300, "300 characters"),
    "a repository that ends in a line break": ("data.target.repository", "team/app\n", "grammar"),
    "a digest that is none": ("data.target.digest", "sha256:abc", "64"),
    "a digest of another algorithm": ("data.target.digest", "md5:" + "a" * 32, "algorithm"),
    "a digest in upper case": ("data.target.digest", "sha256:" + "A" * 64, "lower-case"),
    "a tag that is none": ("data.target.tag", "v 1", "v 1"),
    "a digest that is no string": ("data.target.digest", 7, "string"),
    "no target": ("data.target", None, "data.target"),
    "no data": ("data", "text", "data"),
    "a time far ahead": ("data.timestamp", AHEAD, "ahead"),
}


@pytest.fixture(scope="module")
def refusing(foundation: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with mirror_stack(foundation=foundation, folder=tmp_path_factory.mktemp("refusing")) as stack:
        yield stack


@pytest.fixture
def mirror(refusing: Stack) -> Iterator[Mirroring]:
    refusing.registry.reset_requests()
    with mirroring(refusing) as opened:
        yield opened


def post(stack: Stack, body: object, content_type: str = "application/json") -> int:
    request = Request(
        stack.functions.event_endpoint("on_registry_event"),
        json.dumps(body).encode(),
        {"aeg-event-type": "Notification", "Content-Type": content_type},
    )
    try:
        with urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_and_nothing_happens(mirror: Mirroring, case: str) -> None:
    path, value, said = REFUSED[case]
    stack = mirror.stack
    event = change(change(GOOD, "data.request.host", stack.registry.host), path, value)
    log = stack.logs["functions"]
    start = len(log.read_bytes())
    assert post(stack, [event]) == 500

    def told() -> str:
        return log.read_bytes()[start:].decode()

    # The host passes its workers' lines on beside its answers.
    mirror.wait(lambda: "Refused an event" in told(), 60, "the refusal in the log")
    assert said in told()
    newest = Refusals(mirror.records.table).recent()[0]
    assert newest.event == "refused"
    assert said in f"{newest.asked} {newest.answered} {newest.remedy}"
    assert newest.remedy
    assert mirror.waiting_messages() == 0
    assert mirror.jobs() == []
    assert not stack.registry.requests()
    assert not list(mirror.container.list_blob_names())


@pytest.mark.parametrize("body", ["text", None, [], 7])
def test_a_payload_that_the_platform_cannot_decode_never_reaches_the_app(mirror: Mirroring, body: object) -> None:
    assert post(mirror.stack, body) >= 400 or body == []
    assert mirror.jobs() == []


def test_a_queue_message_that_is_no_job_ends_in_a_record(make_stack: Any) -> None:
    stack: Stack = make_stack()
    with mirroring(stack) as mirror:
        for content in (b"this is no job", b"nor is this \xff"):
            for queue in mirror.queues:
                if queue.queue_name in (JOB_QUEUE, DEAD_QUEUE):
                    queue.send_message(base64.b64encode(content).decode())
        jobs = mirror.wait_for(4, seconds=60)
        assert {it.state for it in jobs} == {"failed"}
        notes = sorted(note for it in jobs for note in it.fields["notes"])
        assert notes == ["'nor is this \ufffd'"] * 2 + ["'this is no job'"] * 2
        assert mirror.waiting_messages() == 0


def test_a_good_event_passes_in_the_same_place(mirror: Mirroring) -> None:
    """What the refusals are measured against."""
    mirror.push("good", SHAPES["oci"]())
    (job,) = mirror.wait_for(1, "good")
    assert job.state == "done"
