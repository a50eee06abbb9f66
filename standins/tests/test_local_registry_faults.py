"""The local registry misbehaves as it is told to, and counts what it was asked."""

import hashlib
import http.client
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from standins.tests.registry_process import Answer, RegistryProcess, digest_of, eventually

Rule = dict[str, Any]


def rule(do: Rule, **match: Any) -> Rule:
    return {"match": match, "do": do}


@pytest.fixture
def blob(local_registry: RegistryProcess, repository: str) -> bytes:
    data = os.urandom(200_000)
    local_registry.push_blob(repository, data)
    local_registry.control.reset_requests()
    return data


def redirect(registry: RegistryProcess, repository: str, data: bytes) -> str:
    answer = registry.ask("GET", f"/v2/{repository}/blobs/{digest_of(data)}")
    assert answer.status == 307
    return answer.header("Location") or ""


def read(registry: RegistryProcess, repository: str, data: bytes, **headers: str) -> Answer:
    url = redirect(registry, repository, data)
    return registry.ask("GET", url, auth=None, headers={key.replace("_", "-"): one for key, one in headers.items()})


# Status, headers, time


def test_a_status_with_or_without_retry_after(local_registry: RegistryProcess, repository: str, blob: bytes) -> None:
    local_registry.control.set_faults([rule({"status": 429, "retry_after": 7}, kind="blob")])
    answer = local_registry.ask("GET", f"/v2/{repository}/blobs/{digest_of(blob)}")
    assert (answer.status, answer.header("Retry-After"), answer.code()) == (429, "7", "TOOMANYREQUESTS")
    local_registry.control.set_faults([rule({"status": 503}, kind="data")])
    storage = read(local_registry, repository, blob)
    assert (storage.status, storage.header("Retry-After")) == (503, None)
    assert b"<Code>ServerBusy</Code>" in storage.body
    local_registry.control.clear_faults()
    assert read(local_registry, repository, blob).body == blob


def test_the_token_endpoints_can_throttle_too(local_registry: RegistryProcess) -> None:
    local_registry.control.set_faults([rule({"status": 429}, kind=["token", "exchange"], count=1)])
    form = {"grant_type": "access_token", "service": local_registry.host, "access_token": local_registry.entra()}
    assert local_registry.post_form("/oauth2/exchange", **form).status == 429
    assert local_registry.post_form("/oauth2/exchange", **form).status == 200


def test_latency_comes_before_the_answer(local_registry: RegistryProcess) -> None:
    local_registry.control.set_faults([rule({"latency_ms": 150}, kind="base")])
    started = time.monotonic()
    local_registry.ask("GET", "/v2/")
    assert time.monotonic() - started >= 0.15


def test_headers_are_set_and_taken_away(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.push_image(repository, "v1")
    local_registry.control.set_faults(
        [rule({"headers": {"docker-content-digest": None, "Content-Type": "x/y"}}, kind="manifest")]
    )
    answer = local_registry.ask("HEAD", f"/v2/{repository}/manifests/v1")
    assert answer.header("Docker-Content-Digest") is None
    assert [value for key, value in answer.headers if key == "Content-Type"] == ["x/y"]


# Bytes


def test_bandwidth_is_limited_for_each_connection(
    local_registry: RegistryProcess, repository: str, blob: bytes
) -> None:
    local_registry.control.set_faults([rule({"bandwidth_mbps": 0.05}, kind="data")])
    url = redirect(local_registry, repository, blob)
    started = time.monotonic()
    threads = [threading.Thread(target=local_registry.ask, args=("GET", url), kwargs={"auth": None}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each takes four seconds for its 200,000 bytes; one after the other they would take twelve.
    assert 3.6 <= time.monotonic() - started < 11


def test_bandwidth_holds_over_many_requests_on_one_connection(
    local_registry: RegistryProcess, repository: str, blob: bytes
) -> None:
    local_registry.control.set_faults([rule({"bandwidth_mbps": 1}, kind="data")])
    url = redirect(local_registry, repository, blob)
    connection = local_registry.connect(local_registry.data)
    started = time.monotonic()
    for start in range(0, 200_000, 20_000):
        connection.request(
            "GET", url.partition(local_registry.data)[2], headers={"Range": f"bytes={start}-{start + 19_999}"}
        )
        assert len(connection.getresponse().read()) == 20_000
    assert time.monotonic() - started >= 0.14
    connection.close()


@pytest.mark.parametrize("at", [0, 1, 70_000, 199_999])
def test_a_body_is_cut_off(local_registry: RegistryProcess, repository: str, blob: bytes, at: int) -> None:
    local_registry.control.set_faults([rule({"truncate_at": at}, kind="data")])
    with pytest.raises(http.client.IncompleteRead) as caught:
        read(local_registry, repository, blob)
    assert caught.value.partial == blob[:at]
    [entry] = local_registry.control.requests(kind="data")
    assert (entry["sent"], entry["complete"]) == (at, False)


@pytest.mark.parametrize("at", [0, 1, 70_000])
def test_a_connection_is_reset(local_registry: RegistryProcess, repository: str, blob: bytes, at: int) -> None:
    local_registry.control.set_faults([rule({"reset_at": at}, kind="data")])
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead, http.client.RemoteDisconnected)):
        read(local_registry, repository, blob)
    [entry] = local_registry.control.requests(kind="data")
    assert (entry["status"], entry["sent"], entry["complete"]) == (200 if at else 0, at, False)


def test_what_was_asked_is_done_and_its_answer_lost(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.control.set_faults([rule({"lose_answer": True}, kind="upload")])
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        local_registry.push_blob(repository, b"arrived")
    digest = f"sha256:{hashlib.sha256(b'arrived').hexdigest()}"
    assert local_registry.ask("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200


@pytest.mark.parametrize(
    ("value", "where"), [(True, 0), (0, 0), (199_999, 199_999), (123_456, 123_456), (10**9, 199_999)]
)
def test_one_byte_is_wrong(
    local_registry: RegistryProcess, repository: str, blob: bytes, value: int | bool, where: int
) -> None:
    local_registry.control.set_faults([rule({"corrupt": value}, kind="data")])
    damaged = read(local_registry, repository, blob).body
    assert [at for at in range(len(blob)) if damaged[at] != blob[at]] == [where]


def test_a_manifest_can_be_damaged_or_cut_too(local_registry: RegistryProcess, repository: str) -> None:
    digest = local_registry.push_image(repository, "v1")
    local_registry.control.set_faults([rule({"corrupt": 5}, kind="manifest", method="GET")])
    assert digest_of(local_registry.ask("GET", f"/v2/{repository}/manifests/v1").body) != digest
    local_registry.control.set_faults([rule({"truncate_at": 5}, kind="manifest", method="GET")])
    with pytest.raises(http.client.IncompleteRead):
        local_registry.ask("GET", f"/v2/{repository}/manifests/v1")


def test_a_body_stalls_and_goes_on(local_registry: RegistryProcess, repository: str, blob: bytes) -> None:
    local_registry.control.set_faults([rule({"stall_at": 1000, "stall_ms": 200}, kind="data")])
    started = time.monotonic()
    assert read(local_registry, repository, blob).body == blob
    assert time.monotonic() - started >= 0.2


# What registries do


def test_a_redirect_leads_anywhere(local_registry: RegistryProcess, repository: str, blob: bytes) -> None:
    for target in ("http://localhost:1/plain", "https://10.0.0.1/ip", "https://evil.example/x", "nonsense"):
        local_registry.control.set_faults([rule({"redirect_to": target}, kind="blob")])
        assert redirect(local_registry, repository, blob) == target


def test_a_second_redirect_comes_from_the_data_host(
    local_registry: RegistryProcess, repository: str, blob: bytes
) -> None:
    local_registry.control.set_faults(
        [rule({"status": 307, "headers": {"Location": "https://evil.example/"}}, kind="data")]
    )
    answer = read(local_registry, repository, blob)
    assert (answer.status, answer.header("Location")) == (307, "https://evil.example/")


def test_a_registry_may_serve_blobs_itself(local_registry: RegistryProcess, repository: str, blob: bytes) -> None:
    local_registry.control.set_faults([rule({"serve_itself": True}, kind="blob")])
    path = f"/v2/{repository}/blobs/{digest_of(blob)}"
    whole = local_registry.ask("GET", path)
    assert (whole.status, whole.body) == (200, blob)
    part = local_registry.ask("GET", path, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body, part.header("Content-Range")) == (206, blob[10:20], "bytes 10-19/200000")
    assert local_registry.ask("GET", path, headers={"Range": "bytes=200000-"}).status == 416


def test_signatures_expire_before_or_while_they_are_used(
    local_registry: RegistryProcess, repository: str, blob: bytes
) -> None:
    local_registry.control.set_faults([rule({"expire": True}, kind="blob")])
    assert read(local_registry, repository, blob).status == 403
    local_registry.control.set_faults([rule({"signature_seconds": 0.3}, kind="blob")])
    url = redirect(local_registry, repository, blob)
    assert local_registry.ask("GET", url, auth=None).status == 200
    time.sleep(0.4)
    assert local_registry.ask("GET", url, auth=None).status == 403
    local_registry.control.set_faults([rule({"expire": True}, kind="data", nth=2)])
    url = redirect(local_registry, repository, blob)
    assert [local_registry.ask("GET", url, auth=None).status for _ in range(3)] == [200, 403, 200]


def test_a_manifest_is_404_for_its_first_seconds(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.control.set_faults([rule({"not_found_for_s": 0.5}, kind="manifest")])
    digest = local_registry.push_image(repository, "v1")
    for reference in ("v1", digest):
        answer = local_registry.ask("GET", f"/v2/{repository}/manifests/{reference}")
        assert (answer.status, answer.code()) == (404, "MANIFEST_UNKNOWN")
    time.sleep(0.6)
    assert local_registry.ask("HEAD", f"/v2/{repository}/manifests/v1").status == 200


def test_a_tag_answers_with_its_digest_before_for_a_while(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.control.set_faults([rule({"stale_tag_for_s": 0.5}, kind="manifest")])

    def resolve() -> str | None:
        return local_registry.ask("HEAD", f"/v2/{repository}/manifests/v1").header("Docker-Content-Digest")

    first = local_registry.push_image(repository, "v1")
    assert resolve() == first
    second = local_registry.push_image(repository, "v1")
    assert resolve() == first
    assert local_registry.ask("HEAD", f"/v2/{repository}/manifests/{second}").status == 200
    assert eventually(lambda: resolve() == second, 3)


def test_a_replica_that_lags_answers_as_it_was(local_registry: RegistryProcess, repository: str) -> None:
    """With a tag that moved twice, one that it does not know yet, and one that was deleted since."""
    first = local_registry.push_image(repository, "v1")
    begun = time.monotonic()
    time.sleep(2)
    second = local_registry.push_image(repository, "v1")
    third = local_registry.push_image(repository, "v1")
    local_registry.push_image(repository, "new")

    def resolve(reference: str, behind: float) -> str | None:
        local_registry.control.set_faults([rule({"behind_s": behind}, kind="manifest")])
        return local_registry.ask("HEAD", f"/v2/{repository}/manifests/{reference}").header("Docker-Content-Digest")

    passed = time.monotonic() - begun
    assert resolve("v1", passed) == first
    assert (resolve("new", passed), resolve(second, passed), resolve(first, passed)) == (None, None, first)
    assert resolve("v1", 0.001) == third
    assert local_registry.ask("DELETE", f"/v2/{repository}/manifests/v1").status == 202
    assert resolve("v1", passed) == first
    assert resolve("v1", 0.001) is None


def test_listings_stop_short_or_leave_out(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.push_image(repository, "t0")
    raw = local_registry.ask("GET", f"/v2/{repository}/manifests/t0").body
    for number in range(1, 5):
        local_registry.put_manifest(repository, raw, f"t{number}")
    path = f"/v2/{repository}/tags/list"
    local_registry.control.set_faults([rule({"page_size": 2, "drop_link": True}, kind="tags")])
    answer = local_registry.ask("GET", path)
    assert (answer.json()["tags"], answer.header("Link")) == (["t0", "t1"], None)
    local_registry.control.set_faults([rule({"omit": "^t[13]$"}, kind="tags")])
    assert local_registry.ask("GET", path).json()["tags"] == ["t0", "t2", "t4"]


# Which requests a rule matches


def test_requests_are_listed_with_what_they_were(local_registry: RegistryProcess, repository: str, blob: bytes) -> None:
    digest = local_registry.push_image(repository, "v1")
    local_registry.control.reset_requests()
    local_registry.ask("GET", f"/v2/{repository}/manifests/v1", auth=None)
    local_registry.ask("HEAD", f"/v2/{repository}/manifests/v1")
    local_registry.ask("GET", f"/v2/{repository}/manifests/{digest}", headers={"User-Agent": "me"})
    read(local_registry, repository, blob, Range="bytes=0-99")
    listed = local_registry.control.requests()
    seen = [(one["method"], one["kind"], one["status"], one["counted"]) for one in listed]
    assert seen == [
        ("GET", "manifest", 401, False),
        ("HEAD", "manifest", 200, True),
        ("GET", "manifest", 200, True),
        ("GET", "blob", 307, True),
        ("GET", "data", 206, False),
    ]
    assert [one["reference"] for one in listed[:3]] == ["v1", "v1", digest]
    assert (listed[2]["digest"], listed[2]["user_agent"], listed[2]["credential"]) == (digest, "me", "Basic")
    assert {one["repository"] for one in listed[:4]} == {repository}
    data = listed[4]
    assert (data["digest"], data["range"], data["sent"], data["credential"]) == (
        digest_of(blob),
        "bytes=0-99",
        100,
        None,
    )
    totals = local_registry.control.totals()
    assert (totals["calls"], totals["calls_by_kind"]) == (3, {"manifest": 2, "blob": 1})
    assert totals["by_status"] == {"401": 1, "200": 2, "307": 1, "206": 1}
    assert totals["sent"]["data"] == 100
    assert [one["method"] for one in local_registry.control.requests(kind="manifest", status="200")] == ["HEAD", "GET"]


def test_uploads_count_their_bytes(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.push_blob(repository, b"x" * 12_345)
    assert local_registry.control.totals()["received"] == {"upload": 12_345}


def test_a_failed_answer_is_counted_as_a_call_and_metadata_is_not(
    local_registry: RegistryProcess, repository: str
) -> None:
    local_registry.control.set_faults([rule({"status": 429}, kind="tags")])
    local_registry.ask("GET", f"/v2/{repository}/tags/list")
    local_registry.ask("GET", "/acr/v1/_catalog")
    local_registry.ask("GET", "/v2/_catalog")
    assert local_registry.control.totals()["calls_by_kind"] == {"tags": 1, "catalog": 1}


def test_who_has_an_answer_finds_it_counted(local_registry: RegistryProcess, repository: str, blob: bytes) -> None:
    for number in range(1, 30):
        read(local_registry, repository, blob)
        totals = local_registry.control.totals()
        assert totals["by_kind"]["data"] == number
        assert totals["sent"]["data"] == number * len(blob)


def test_a_request_under_way_shows_what_it_sent_so_far(
    local_registry: RegistryProcess, repository: str, blob: bytes
) -> None:
    local_registry.control.set_faults([rule({"bandwidth_mbps": 0.05}, kind="data")])
    url = redirect(local_registry, repository, blob)
    thread = threading.Thread(target=local_registry.ask, args=("GET", url), kwargs={"auth": None})
    thread.start()
    eventually(lambda: 0 < local_registry.control.totals()["sent"].get("data", 0) < len(blob))
    assert local_registry.control.totals()["under_way"] == 1
    thread.join()
    assert eventually(lambda: local_registry.control.totals()["under_way"] == 0)


# The process


def test_it_ends_when_told_to_and_leaves_nothing_behind(start_registry: Callable[..., RegistryProcess]) -> None:
    registry = start_registry()
    registry.push_blob("app", b"content")
    folder = registry.key_file.parent
    assert list(folder.glob("registry-*"))
    assert registry.service.stop() == 0
    assert not list(folder.glob("registry-*"))
