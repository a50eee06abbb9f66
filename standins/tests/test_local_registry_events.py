"""Events of the local registry: what is raised, and how it reaches an endpoint, be it slow, broken or absent."""

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from standins.tests.registry_process import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, RegistryProcess, eventually

Reply = tuple[int, Any]


@dataclass
class Endpoint:
    """A webhook that keeps what it gets; `answer` says what it replies to each, and may take its time."""

    url: str = ""
    got: list[tuple[Message, Any]] = field(default_factory=list)
    answer: Callable[[Any], Reply] = lambda _: (202, None)
    origin: str | None = "eventgrid.azure.net"

    @property
    def notified(self) -> list[Any]:
        """Bodies of notifications, in the order in which they came."""
        return [body for headers, body in self.got if headers["aeg-event-type"] == "Notification"]

    @property
    def ids(self) -> list[str]:
        return [body[0]["id"] if isinstance(body, list) else body["id"] for body in self.notified]


def echo(body: Any) -> Reply:
    """The validation handshake passed, all else accepted."""
    if isinstance(body, list) and body[0].get("eventType", "").endswith("SubscriptionValidationEvent"):
        return 200, {"validationResponse": body[0]["data"]["validationCode"]}
    return 202, None


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.got.append((self.headers, body))
            status, value = found.answer(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"" if value is None else json.dumps(value).encode())

        def do_OPTIONS(self) -> None:
            self.send_response(200)
            if found.origin is not None:
                self.send_header("WebHook-Allowed-Origin", found.origin)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook?functionName=x"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def subscribe(registry: RegistryProcess, endpoint: Endpoint, schema: str = "eventgrid", **options: Any) -> None:
    options = {"scale": 0.005, "validate": False, **options}
    registry.control.subscribe(endpoint.url, schema, **options)


# What is raised


def test_a_push_by_tag_raises_one_event_in_the_documented_form(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    subscribe(local_registry, endpoint)
    digest = local_registry.push_image(repository, "v1", media_type=DOCKER_MANIFEST)
    [(headers, body)] = eventually(lambda: endpoint.got)
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["aeg-event-type"] == "Notification"
    [event] = body
    assert event["eventType"] == "Microsoft.ContainerRegistry.ImagePushed"
    assert event["subject"] == f"{repository}:v1"
    assert event["topic"].startswith("/subscriptions/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", event["eventTime"])
    data = event["data"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", data["timestamp"])
    assert data["action"] == "push"
    size = len(local_registry.ask("GET", f"/v2/{repository}/manifests/v1").body)
    assert data["target"] == {
        "mediaType": DOCKER_MANIFEST,
        "size": size,
        "digest": digest,
        "length": size,
        "repository": repository,
        "tag": "v1",
    }
    assert (data["request"]["host"], data["request"]["method"]) == (local_registry.host, "PUT")


def test_a_multi_arch_push_raises_one_event_for_each_manifest(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    subscribe(local_registry, endpoint)
    children = [local_registry.push_image(repository) for _ in range(3)]
    sizes = [len(local_registry.ask("GET", f"/v2/{repository}/manifests/{one}").body) for one in children]
    manifests = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": size}
        for digest, size in zip(children, sizes, strict=True)
    ]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    root = local_registry.put_manifest(repository, index, "latest")
    eventually(lambda: len(endpoint.got) == 4)
    targets = {body[0]["data"]["target"]["digest"]: body[0] for body in endpoint.notified}
    assert set(targets) == {*children, root}
    assert targets[root]["data"]["target"]["tag"] == "latest"
    for child in children:
        assert "tag" not in targets[child]["data"]["target"]
        assert targets[child]["subject"] == repository


def test_a_deletion_names_a_digest_and_no_tag_and_an_untag_raises_nothing(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    digest = local_registry.push_image(repository, "v1", media_type=DOCKER_MANIFEST)
    subscribe(local_registry, endpoint)
    local_registry.ask("DELETE", f"/v2/{repository}/manifests/v1")
    local_registry.ask("DELETE", f"/v2/{repository}/manifests/{digest}")
    [(_, [event])] = eventually(lambda: endpoint.got)
    assert event["eventType"] == "Microsoft.ContainerRegistry.ImageDeleted"
    assert event["subject"] == repository
    assert event["data"]["action"] == "delete"
    assert event["data"]["target"] == {"mediaType": DOCKER_MANIFEST, "digest": digest, "repository": repository}


def test_a_repeated_push_raises_an_event_again_and_a_refused_one_none(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    subscribe(local_registry, endpoint)
    local_registry.push_image(repository, "v1")
    raw = local_registry.ask("GET", f"/v2/{repository}/manifests/v1").body
    local_registry.put_manifest(repository, raw, "v1")
    bad = local_registry.ask("PUT", f"/v2/{repository}/manifests/v1", body=b"no", headers={"Content-Type": OCI_INDEX})
    assert bad.status == 400
    assert len(local_registry.control.events(settle=5)) == 2
    assert len(set(endpoint.ids)) == 2


def test_cloud_events_come_one_by_one_in_their_own_form(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    subscribe(local_registry, endpoint, "cloudevents")
    digest = local_registry.push_image(repository, "v1")
    [(headers, event)] = eventually(lambda: endpoint.got)
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert event["specversion"] == "1.0"
    assert event["type"] == "Microsoft.ContainerRegistry.ImagePushed"
    assert event["source"].startswith("/subscriptions/")
    assert (event["subject"], event["data"]["target"]["digest"]) == (f"{repository}:v1", digest)
    assert "eventType" not in event


def test_the_topic_is_the_registrys_resource(
    start_registry: Callable[..., RegistryProcess], endpoint: Endpoint
) -> None:
    topic = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/mine"
    endpoint.answer = echo
    registry = start_registry("--resource-id", topic, "--event-endpoint", endpoint.url, "--event-validate")
    registry.push_image("app", "v1")
    eventually(lambda: endpoint.notified)
    assert endpoint.notified[0][0]["topic"] == topic


# The handshake


def test_the_handshake_has_to_be_answered(local_registry: RegistryProcess, endpoint: Endpoint) -> None:
    with pytest.raises(RuntimeError, match="validation code"):
        subscribe(local_registry, endpoint, validate=True)
    endpoint.answer = echo
    subscribe(local_registry, endpoint, validate=True)
    headers, [event] = endpoint.got[-1]
    assert headers["aeg-event-type"] == "SubscriptionValidation"
    assert event["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    subscribe(local_registry, endpoint, "cloudevents", validate=True)
    endpoint.origin = None
    with pytest.raises(RuntimeError, match="origin"):
        subscribe(local_registry, endpoint, "cloudevents", validate=True)


# Retries and dead letters


def test_a_failing_endpoint_is_asked_again_with_growing_waits(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    replies = iter([500, 404, 503, 202])
    endpoint.answer = lambda _: (next(replies), None)
    subscribe(local_registry, endpoint, scale=0.01)
    local_registry.push_image(repository, "v1")
    eventually(lambda: len(endpoint.got) == 4)
    assert len(set(endpoint.ids)) == 1
    assert [headers["aeg-delivery-count"] for headers, _ in endpoint.got] == ["0", "1", "2", "3"]
    [delivery] = local_registry.control.events(settle=5)
    assert delivery["state"] == "delivered"
    assert [one["status"] for one in delivery["attempts"]] == [500, 404, 503, 202]
    started = [one["at"] for one in delivery["attempts"]]
    waits = [later - earlier for earlier, later in itertools.pairwise(started)]
    for wait, documented in zip(waits, (10, 30, 60), strict=True):
        assert documented * 0.01 <= wait < documented * 0.011 + 2


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "BadRequest"), (403, "Forbidden"), (413, "RequestEntityTooLarge")]
)
@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
def test_some_answers_are_never_asked_again(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str, status: int, outcome: str, schema: str
) -> None:
    endpoint.answer = lambda _: (status, None)
    subscribe(local_registry, endpoint, schema)
    local_registry.push_image(repository, "v1")
    [letter] = eventually(local_registry.control.dead_letters)
    assert len(endpoint.got) == 1
    reason, last = ("deadLetterReason", "lastDeliveryOutcome")
    if schema == "cloudevents":
        reason, last = reason.lower(), last.lower()
    assert (letter[reason], letter[last]) == (f"UndeliverableDueToHttp{outcome}", outcome)
    assert letter["id"] == endpoint.ids[0]


def test_after_the_last_attempt_there_is_a_dead_letter(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    endpoint.answer = lambda _: (500, None)
    subscribe(local_registry, endpoint, scale=0.0005, max_attempts=4)
    local_registry.push_image(repository, "v1")
    [letter] = eventually(local_registry.control.dead_letters)
    assert letter["deadLetterReason"] == "MaxDeliveryAttemptsExceeded"
    assert letter["deliveryAttempts"] == len(endpoint.got) == 4
    assert letter["data"]["target"]["tag"] == "v1"


def test_an_event_gets_too_old_to_be_delivered(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    endpoint.answer = lambda _: (500, None)
    # 24 hours, scaled, are shorter than the first wait is long.
    subscribe(local_registry, endpoint, scale=1e-6)
    local_registry.push_image(repository, "v1")
    [letter] = eventually(local_registry.control.dead_letters)
    assert letter["deadLetterReason"] in ("TimeToLiveExceeded", "MaxDeliveryAttemptsExceeded")


def test_an_answer_that_takes_too_long_is_a_failure_though_the_work_goes_on(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    calls: list[float] = []

    def slow_once(_: Any) -> Reply:
        calls.append(time.monotonic())
        if len(calls) == 1:
            time.sleep(1.0)
        return 202, None

    endpoint.answer = slow_once
    subscribe(local_registry, endpoint, timeout=0.3, scale=0.01)
    local_registry.push_image(repository, "v1")
    [delivery] = eventually(lambda: [one for one in local_registry.control.events() if one["state"] == "delivered"])
    assert [one["outcome"] for one in delivery["attempts"]] == ["TimedOut", "Success"]
    assert len(set(endpoint.ids)) == 1


def test_an_endpoint_that_is_not_there_is_waited_for(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    local_registry.control.subscribe("http://127.0.0.1:9/hook", validate=False, scale=0.01)
    local_registry.push_image(repository, "v1")
    eventually(lambda: local_registry.control.events()[0]["attempts"])
    assert local_registry.control.events()[0]["attempts"][0]["outcome"] == "Unreachable"
    subscribe(local_registry, endpoint)
    eventually(lambda: endpoint.got)


def test_without_a_subscription_events_are_only_noted(local_registry: RegistryProcess, repository: str) -> None:
    digest = local_registry.push_image(repository, "v1")
    [noted] = local_registry.control.events()
    assert noted["state"] == "unsubscribed"
    assert noted["event"]["data"]["target"]["digest"] == digest


# Events as tests want them


def test_held_events_go_out_when_and_in_the_order_that_is_asked_for(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    subscribe(local_registry, endpoint)
    for order in ("", "reverse", "shuffle"):
        local_registry.control.forget_events()
        endpoint.got.clear()
        local_registry.control.set_event_manner(hold=True)
        for number in range(5):
            local_registry.push_image(repository, f"v{number}")
        held = local_registry.control.events()
        assert [one["state"] for one in held] == ["held"] * 5
        assert endpoint.got == []
        made = [one["id"] for one in held]
        first = made[2]
        assert local_registry.control.release_events(ids=[first]) == 1
        eventually(lambda first=first: endpoint.ids == [first])
        local_registry.control.release_events(order, seed=1)
        eventually(lambda: len(endpoint.got) == 5)
        assert sorted(endpoint.ids) == sorted(made)


def test_events_come_twice_or_late_when_asked(
    local_registry: RegistryProcess, endpoint: Endpoint, repository: str
) -> None:
    subscribe(local_registry, endpoint)
    local_registry.control.set_event_manner(copies=3, delay=0.4)
    local_registry.push_image(repository, "v1")
    assert endpoint.got == []
    eventually(lambda: len(endpoint.got) == 3)
    [event_id] = set(endpoint.ids)
    assert local_registry.control.deliver_again([event_id], copies=2) == 2
    eventually(lambda: len(endpoint.got) == 5)
    assert set(endpoint.ids) == {event_id}


@pytest.mark.parametrize("body", [[], "text", None, {"any": "thing"}, [{"id": "1"}, {"id": "2"}]])
def test_bodies_that_no_registry_would_send_go_out_as_they_are(
    local_registry: RegistryProcess, endpoint: Endpoint, body: object
) -> None:
    subscribe(local_registry, endpoint)
    local_registry.control.deliver_body(body)
    eventually(lambda: endpoint.got)
    assert endpoint.got[0][1] == body
