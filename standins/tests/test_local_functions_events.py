"""The local Functions host's Event Grid webhook."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from standins.foundation import Foundation
from standins.tests.sample_host import RUNTIMES, SampleHost, sample_host


@pytest.fixture(scope="module", params=RUNTIMES)
def host(
    request: pytest.FixtureRequest, foundation: Foundation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SampleHost]:
    folder = tmp_path_factory.mktemp("events")
    with sample_host(foundation, folder, "--runtime", request.param) as started:
        yield started


def event(name: str, at: str = "2026-04-25T21:39:47.6549610Z", **data: Any) -> dict[str, Any]:
    return {
        "id": name,
        "topic": "/subscriptions/x",
        "subject": "team/app:v1",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": at,
        "data": data,
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }


def cloud_event(name: str, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": "/subscriptions/x",
        "type": "Microsoft.ContainerRegistry.ImagePushed",
        "time": "2026-04-25T21:39:47.5Z",
        "data": data,
    }


def recorded(host: SampleHost, name: str) -> list[dict[str, Any]]:
    return [entry for entry in host.records("event") if entry["id"] == name]


def test_the_handshake_is_answered_in_either_schema(host: SampleHost) -> None:
    code = {"validationCode": "512d38b6", "validationUrl": "https://example.invalid/"}
    for body in ([event("v", **code)], {**cloud_event("v"), "data": json.dumps(code)}):
        got = host.notify(body, kind="SubscriptionValidation")
        assert (got.status, got.json) == (200, {"validationResponse": "512d38b6"})
    assert recorded(host, "v") == []


def test_an_event_is_answered_when_the_function_has_run(host: SampleHost) -> None:
    assert host.notify([event("one", sleep=0.3, digest="sha256:x")]).status == 202
    (entry,) = recorded(host, "one")
    assert entry["kind"] == "EventGridEvent"
    assert entry["data"] == {"sleep": 0.3, "digest": "sha256:x"}


def test_a_cloud_event_arrives_as_one_whatever_the_annotation(host: SampleHost) -> None:
    assert host.notify(cloud_event("cloud", tag="v1")).status == 202
    (entry,) = recorded(host, "cloud")
    assert (entry["kind"], entry["data"]) == ("CloudEvent", {"tag": "v1"})


def test_a_batch_runs_in_parallel(host: SampleHost) -> None:
    names = ("b1", "b2", "b3")
    assert host.notify([event(name, sleep=0.8) for name in names]).status == 202
    ends = [entry["at"] for entry in host.records("event end") if entry["id"] in names]
    assert len(ends) == 3
    assert max(recorded(host, name)[0]["at"] for name in names) < min(ends)


def test_a_batch_fails_as_a_whole(host: SampleHost) -> None:
    assert host.notify([event("w1"), event("w2", fail="no"), event("w3")]).status == 500
    assert [len(recorded(host, name)) for name in ("w1", "w2", "w3")] == [1, 1, 1]


@pytest.mark.parametrize(
    "body",
    [
        [event("undecodable", at="yesterday")],
        [[event("undecodable")]],
        ["undecodable"],
        [None],
        "undecodable",
        None,
        b"{not json",
        b"",
    ],
)
def test_what_the_converter_cannot_decode_is_a_500_and_never_reaches_the_app(host: SampleHost, body: Any) -> None:
    before = len(host.records("event"))
    assert host.notify(body).status == 500
    assert len(host.records("event")) == before


def test_times_come_through_as_the_hosts_json_library_writes_them(host: SampleHost) -> None:
    data = {"nine": "2026-04-25T21:39:47.276585742Z", "zeros": "2026-04-25T21:39:47.2760Z", "day": "2026-04-25"}
    assert host.notify([event("times", at="2026-04-25T23:39:47+02:00", **data)]).status == 202
    (entry,) = recorded(host, "times")
    assert entry["data"] == {**data, "zeros": "2026-04-25T21:39:47.276Z"}
    assert entry["time"] == "2026-04-25 21:39:47+00:00"


def test_what_came_before_something_that_is_no_event_has_run(host: SampleHost) -> None:
    assert host.notify([event("before"), 5, event("after")]).status == 500
    host.expect(lambda: bool(recorded(host, "before")))
    assert recorded(host, "after") == []


@pytest.mark.parametrize("body", [{}, [{}]])
def test_an_event_of_nothing_reaches_the_app(host: SampleHost, body: Any) -> None:
    before = len(host.records("event end"))
    assert host.notify(body).status == 202
    assert len(host.records("event end")) == before + 1


def test_a_function_that_failed_is_named_and_nothing_else_is_told(host: SampleHost) -> None:
    got = host.notify([event("failing", fail="no")])
    assert (got.status, got.body) == (500, b"Exception while executing function: Functions.on_event")
    got = host.notify(b"{not json")
    assert (got.status, got.body) == (500, b"")


def test_an_unknown_function_is_404_one_of_another_trigger_too(host: SampleHost) -> None:
    assert host.notify([event("x")], function="nobody").status == 404
    assert host.notify([event("x")], function="run_order").status == 404


def test_a_request_of_no_known_kind_is_400(host: SampleHost) -> None:
    assert host.notify([event("x")], kind="Whatever").status == 400
    assert host.notify([event("x")], kind="Unsubscribe").status == 202
    assert recorded(host, "x") == []


def test_the_webhook_takes_the_system_key_or_the_master_key(host: SampleHost) -> None:
    assert host.notify([event("k")], key="wrong").status == 401
    assert host.notify([event("k")], key=host.ready["function_key"]).status == 403
    assert recorded(host, "k") == []
    assert host.notify([event("k")], key=host.ready["key"]).status == 202
