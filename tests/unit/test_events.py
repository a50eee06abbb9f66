"""Events in both schemas: what is needed is checked, what is optional may be missing, and strangers are refused."""

import copy
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acrmirror.errors import AnotherRegistry, InvalidReference, Malformed, MirrorError, Untimely
from acrmirror.events import RegistryEvent, check_event, identity_of, parse_event
from acrmirror.moments import Moment
from acrmirror.reference import Digest, Reference

DIGEST = f"sha256:{'213bbc182920ab41e18edc2001e06abcca6735d87782d9cef68abd83941cf0e5'}"
TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"
    "/providers/Microsoft.ContainerRegistry/registries/demo"
)
NOW = datetime(2026, 4, 25, 21, 40, tzinfo=UTC)


def data() -> dict[str, Any]:
    return {
        "id": "31c51664-e5bd-416a-a5df-e5206bc47ed0",
        "timestamp": "2026-04-25T21:39:47.276585742Z",
        "action": "push",
        "location": "westeurope",
        "target": {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "size": 3023,
            "digest": DIGEST,
            "length": 3023,
            "repository": "team/app",
            "tag": "v1",
        },
        "request": {"id": "7c66", "host": "demo.azurecr.io", "method": "PUT", "useragent": "docker/27"},
        "connectedRegistry": {"name": "edge1"},
    }


def event_grid(**target: Any) -> dict[str, Any]:
    payload = {
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "topic": TOPIC,
        "subject": "team/app:v1",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": "2026-04-25T21:39:47.6549614Z",
        "data": data(),
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }
    return changed(payload, target)


def cloud_event(**target: Any) -> dict[str, Any]:
    payload = {
        "specversion": "1.0",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "source": TOPIC,
        "subject": "team/app:v1",
        "type": "Microsoft.ContainerRegistry.ImagePushed",
        "time": "2026-04-25T21:39:47.6549614Z",
        "data": data(),
    }
    return changed(payload, target)


def changed(payload: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    for key, value in target.items():
        if value is ...:
            payload["data"]["target"].pop(key)
        else:
            payload["data"]["target"][key] = value
    return payload


@pytest.mark.parametrize("payload", [event_grid(), cloud_event()], ids=["eventgrid", "cloudevents"])
def test_a_push_is_read_from_either_schema(payload: dict[str, Any]) -> None:
    assert parse_event(payload) == RegistryEvent(
        id="831e1650-001e-001b-66ab-eeb76e069631",
        kind="push",
        reference=Reference("team/app", "v1", Digest.parse(DIGEST)),
        time=Moment("2026-04-25T21:39:47.276585742Z"),
        registry_host="demo.azurecr.io",
        topic=TOPIC,
        media_type="application/vnd.docker.distribution.manifest.v2+json",
        size=3023,
    )


@pytest.mark.parametrize("make", [event_grid, cloud_event])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("ImagePushed", "push"), ("ImageDeleted", "delete"), ("ChartPushed", "push"), ("ChartDeleted", "delete")],
)
@pytest.mark.parametrize("prefix", ["Microsoft.ContainerRegistry.", ""])
def test_the_four_types_are_pushes_and_deletions(make: Any, name: str, kind: str, prefix: str) -> None:
    payload = make()
    payload["type" if "specversion" in payload else "eventType"] = prefix + name
    assert parse_event(payload).kind == kind


def test_a_deletion_names_a_digest_and_no_tag() -> None:
    payload = event_grid(tag=..., size=..., length=...)
    payload |= {"eventType": "Microsoft.ContainerRegistry.ImageDeleted", "subject": "team/app"}
    assert parse_event(payload).reference == Reference("team/app", None, Digest.parse(DIGEST))
    payload["data"]["target"]["tag"] = "v1"
    assert parse_event(payload).reference.tag is None


def paths(value: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [before] if before else []
    if isinstance(value, dict):
        found += [path for key in value for path in paths(value[key], (*before, key))]
    return found


@pytest.mark.parametrize("make", [event_grid, cloud_event])
def test_any_one_field_but_repository_digest_and_type_may_be_missing_or_null(make: Any) -> None:
    needed = {("data",), ("data", "target"), ("data", "target", "repository"), ("data", "target", "digest")}
    needed |= {("eventType",), ("type",), ("specversion",)}
    for path in paths(make()):
        for remove in (True, False):
            payload = copy.deepcopy(make())
            parent = payload
            for key in path[:-1]:
                parent = parent[key]
            if remove:
                del parent[path[-1]]
            else:
                parent[path[-1]] = None
            if path not in needed:
                event = parse_event(payload)
                assert event.reference.digest == Digest.parse(DIGEST)
                assert re.fullmatch(r"2026-04-25T21:39:47\.\d{9}Z", event.time)
            elif path != ("specversion",):
                with pytest.raises(Malformed):
                    parse_event(payload)


def test_the_registrys_timestamp_comes_before_the_events_time() -> None:
    payload = event_grid()
    assert parse_event(payload).time.endswith("47.276585742Z")
    payload["data"]["timestamp"] = "soon"
    assert parse_event(payload).time.endswith("47.654961400Z")
    payload["eventTime"] = "2026-04-25T23:39:47+02:00"
    assert parse_event(payload).time == "2026-04-25T21:39:47.000000000Z"
    payload["eventTime"] = None
    with pytest.raises(Malformed, match="time"):
        parse_event(payload)


@pytest.mark.parametrize("repository", ["../x", "Team/app", "", "a" * 300, "team/app\n", "a//b", "é"])
def test_a_repository_that_is_none_is_refused(repository: str) -> None:
    with pytest.raises(InvalidReference):
        parse_event(event_grid(repository=repository))


@pytest.mark.parametrize("change", [{"digest": "sha256:x"}, {"digest": ""}, {"digest": "latest"}, {"tag": "a/b"}])
def test_a_digest_or_tag_that_is_none_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(InvalidReference):
        parse_event(event_grid(**change))


def test_a_repository_too_long_for_the_mirrors_prefix_is_refused() -> None:
    assert parse_event(event_grid(repository="a" * 250)).reference.repository == "a" * 250
    with pytest.raises(InvalidReference, match="at most 240"):
        parse_event(event_grid(repository="a" * 250), limit=240)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"data": []},
        {"eventType": "Microsoft.Storage.BlobCreated", "data": data()},
        {"eventType": ["ImagePushed"], "data": data()},
        {"eventType": "ImagePushed", "data": "x"},
        {"eventType": "ImagePushed", "data": {"target": [1]}},
        {"specversion": "1.0", "eventType": "ImagePushed", "data": data()},
        event_grid(repository=["x"]),
        event_grid(digest=1),
    ],
)
def test_what_is_no_registry_event_is_malformed(payload: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_event(payload)


@pytest.mark.parametrize("size", [True, -1, "3", 2**63, 1.5])
def test_a_size_that_is_none_counts_as_missing(size: Any) -> None:
    assert parse_event(event_grid(size=size, length=...)).size is None
    assert parse_event(event_grid(size=size)).size == 3023


@pytest.mark.parametrize("identity", ["a/b", "../x", "x" * 200, "é", "a\nb", "\ud800", ".", "a."])
def test_an_id_that_may_not_be_in_a_blob_name_is_replaced_and_repeats(identity: str) -> None:
    payload = event_grid() | {"id": identity}
    first = parse_event(payload).id
    assert re.fullmatch(r"[0-9a-f]{64}", first)
    assert parse_event(payload).id == first
    assert parse_event(event_grid() | {"id": identity + "x"}).id != first


def test_without_any_id_the_event_itself_gives_one() -> None:
    payload = event_grid() | {"id": None}
    assert parse_event(payload).id == payload["data"]["id"]
    del payload["data"]["id"]
    assert parse_event(payload).id == parse_event(copy.deepcopy(payload)).id
    other = changed(copy.deepcopy(payload), {"tag": "v2"})
    assert parse_event(payload).id != parse_event(other).id


# --- whom it may come from


def test_an_event_of_the_registry_in_settings_is_taken() -> None:
    event = parse_event(event_grid())
    check_event(event, "demo.azurecr.io", None, NOW)
    check_event(event, "DEMO.azurecr.io", TOPIC.upper(), NOW)
    check_event(event, "demo.azurecr.io", TOPIC + "/", NOW)


def from_host(host: str | None, **more: Any) -> RegistryEvent:
    payload = event_grid() | more
    payload["data"]["request"]["host"] = host
    return parse_event(payload)


def test_an_event_of_another_registry_is_refused() -> None:
    for resource_id in (None, TOPIC):
        with pytest.raises(AnotherRegistry, match=r"demo\.azurecr\.io"):
            check_event(parse_event(event_grid()), "other.azurecr.io", resource_id, NOW)


@pytest.mark.parametrize("resource_id", [None, TOPIC])
@pytest.mark.parametrize(
    ("host", "registry"),
    [
        ("demo.azurecr.io:443", "demo.azurecr.io"),
        ("demo.azurecr.io", "demo.azurecr.io:443"),
        ("DEMO.azurecr.io.", "demo.azurecr.io"),
        ("demo.westeurope.geo.azurecr.io", "demo.azurecr.io"),
        ("demo.westeurope.geo.azurecr.io:443", "demo.azurecr.io"),
        ("demo.westeurope.data.azurecr.io", "demo.azurecr.io"),
        ("demo-a1b2c3.westeurope.geo.azurecr.io", "demo-a1b2c3.azurecr.io"),
        ("demo.chinaeast2.geo.azurecr.cn", "demo.azurecr.cn"),
        ("localhost:5001", "localhost:5001"),
    ],
)
def test_a_regional_host_or_a_port_is_the_same_registry(host: str, registry: str, resource_id: str | None) -> None:
    check_event(from_host(host), registry, resource_id, NOW)


ODD = [
    "demo.azurecr.io:8443",
    "DEMO.AZURECR.IO.:5000",
    "other.azurecr.io",
    "demo2.westeurope.geo.azurecr.io",
    "registry.example.com",
    "10.0.0.4:443",
    "xdemo.azurecr.io",
    "azurecr.io",
    " ",
]
CONTRARY = [
    "demo.westeurope.geo.azurecr.cn",
    "demo-a1b2c3.azurecr.io",
    "demo.azurecr.io.example.com",
    "demo.",
    "demo..azurecr.io",
    "demo./../azurecr.io",
]


@pytest.mark.parametrize("host", ODD)
def test_with_the_right_topic_an_odd_host_matters_no_more(host: str) -> None:
    """Clients may come by a proxy, a name of their own or a port: the topic says whose event it is (rule S7)."""
    check_event(from_host(host), "demo.azurecr.io", TOPIC, NOW)


@pytest.mark.parametrize("host", [*ODD, *CONTRARY])
def test_where_no_resource_id_is_set_another_host_is_another_registry(host: str) -> None:
    with pytest.raises(AnotherRegistry, match="MIRROR_REGISTRY"):
        check_event(from_host(host), "demo.azurecr.io", None, NOW)


@pytest.mark.parametrize("host", CONTRARY)
def test_another_login_server_of_the_right_topic_says_that_the_setting_is_wrong(host: str) -> None:
    """MIRROR_REGISTRY may be the wrong one, though the resource id is right: then nothing could be read from it."""
    with pytest.raises(AnotherRegistry, match="MIRROR_REGISTRY"):
        check_event(from_host(host), "demo.azurecr.io", TOPIC, NOW)


@pytest.mark.parametrize(
    "registry", ["dem0.azurecr.io", "demo2.azurecr.io", "demo.azurecr.cn", "demo-a1b2c3.azurecr.io"]
)
def test_a_plausible_but_wrong_registry_is_noticed_though_the_topic_is_right(registry: str) -> None:
    with pytest.raises(AnotherRegistry, match="MIRROR_REGISTRY"):
        check_event(from_host("demo.azurecr.io"), registry, TOPIC, NOW)


def test_a_topic_other_than_the_resource_id_is_refused() -> None:
    for topic in (TOPIC + "2", None, ""):
        with pytest.raises(AnotherRegistry, match="topic"):
            check_event(parse_event(event_grid() | {"topic": topic}), "demo.azurecr.io", TOPIC, NOW)


@pytest.mark.parametrize("resource_id", [None, TOPIC])
def test_without_a_host_the_topic_names_the_registry(resource_id: str | None) -> None:
    payload = event_grid()
    del payload["data"]["request"]
    event = parse_event(payload)
    check_event(event, "demo.azurecr.io", resource_id, NOW)
    check_event(event, "demo-a1b2c3.azurecr.io", resource_id, NOW)
    with pytest.raises(AnotherRegistry):
        check_event(event, "demonstration.azurecr.io", resource_id, NOW)
    check_event(parse_event(payload | {"topic": None}), "demo.azurecr.io", None, NOW)


def test_a_time_more_than_five_minutes_ahead_is_refused() -> None:
    event = parse_event(event_grid())
    pushed = datetime(2026, 4, 25, 21, 39, 47, 276585, tzinfo=UTC)
    check_event(event, "demo.azurecr.io", None, pushed - timedelta(minutes=5))
    with pytest.raises(Untimely, match="five minutes ahead"):
        check_event(event, "demo.azurecr.io", None, pushed - timedelta(minutes=5, seconds=1))
    check_event(event, "demo.azurecr.io", None, pushed + timedelta(days=365))
    check_event(event, "demo.azurecr.io")


@pytest.mark.parametrize("payload", [{}, {"id": 7}, {"id": "x\n" * 9000}, {"data": [], "id": "a"}, event_grid()])
def test_any_payload_has_an_identity_that_repeats(payload: dict[str, Any]) -> None:
    first = identity_of(payload)
    assert identity_of(copy.deepcopy(payload)) == first
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", first)


def test_messages_stay_on_one_line() -> None:
    for payload in (event_grid(repository="x\ny"), event_grid() | {"eventType": "x\ny"}, event_grid(digest="a:\n")):
        with pytest.raises(MirrorError) as caught:
            parse_event(payload)
        assert "\n" not in str(caught.value)
    hostile = event_grid() | {"topic": "x\ny"}
    hostile["data"]["request"]["host"] = "evil\n.azurecr.io"
    for resource_id in (TOPIC, None):
        with pytest.raises(AnotherRegistry) as refused:
            check_event(parse_event(hostile), "demo.azurecr.io", resource_id, NOW)
        assert "\n" not in str(refused.value)
