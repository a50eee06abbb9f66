"""Pulls over HTTP, as a caller sees them."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.moments import to_datetime
from standins.stack import Stack
from testkit.images import multi_arch, oci_image
from testkit.reader import verify_tag
from tests.integration.http_api import Caller, Got
from tests.integration.mirroring import Mirroring

MIB = 1024 * 1024


def ended(call: Caller, identity: str, seconds: float = 30) -> Got:
    until = time.monotonic() + seconds
    while True:
        got = call("GET", f"pulls/{identity}")
        assert got.status == 200
        if got.json["state"] in ("done", "failed", "gone", "cancelled"):
            return got
        assert time.monotonic() < until, got.json
        time.sleep(0.1)


def test_a_pull_is_accepted_followed_and_done(mirror: Mirroring, call: Caller, repository: str) -> None:
    mirror.push(repository, oci_image(repository, tag="1.2"))
    got = call("POST", "pulls", {"image": f"{repository}:1.2"})
    assert got.status == 202
    assert got.headers["Location"] == f"/api/v1/pulls/{got.json['id']}"
    assert int(got.headers["Retry-After"]) >= 1
    record = ended(call, got.json["id"]).json
    assert record["state"] == "done"
    assert record["progress"]["bytes_done"] == record["progress"]["bytes_total"] > 0
    assert record["requests"] > 0
    assert verify_tag(mirror.reader, repository, "1.2").is_whole


def test_whoever_waits_gets_the_end_of_it(mirror: Mirroring, call: Caller, repository: str) -> None:
    image = mirror.push(repository, oci_image(repository))
    host = mirror.stack.registry.host
    got = call("POST", "pulls", {"image": f"{host}/{repository}@{image.root.digest}", "wait": 30})
    assert (got.status, got.json["state"]) == (200, "done")
    assert got.json["mirrored_digest"] == str(image.root.digest)
    assert got.json["tagged_digest"] is None


def test_whoever_waits_for_long_is_told_soon_after_its_end(mirror: Mirroring, call: Caller, repository: str) -> None:
    mirror.push(repository, oci_image(repository))
    mirror.stack.registry.set_faults([{"match": {"kind": "referrers"}, "do": {"latency_ms": 4500}}])
    got = call("POST", "pulls", {"image": repository, "wait": 60})
    answered = datetime.now(UTC)
    assert (got.status, got.json["state"]) == (200, "done")
    assert answered - to_datetime(got.json["finished"]) < timedelta(seconds=2)


@pytest.mark.parametrize(
    ("body", "status", "code", "named"),
    [
        ({"image": "nowhere/to/be:found"}, 404, "not-found", "nowhere/to/be"),
        ({"image": "example.org/team/app:1"}, 400, "refused", "example.org"),
        ({"image": "Team/App:1"}, 400, "invalid-reference", "Team/App"),
        ({"image": "team/app@sha256:abc"}, 400, "invalid-reference", "64"),
        ({"image": "team/app", "platforms": ["linux/a/b/c"]}, 400, "malformed", "linux/a/b/c"),
        ({"image": "team/app", "speed": 9}, 400, "invalid-request", "speed"),
        ({"image": 7}, 400, "invalid-request", "image"),
        ({"image": "team/app", "wait": 61}, 400, "invalid-request", "wait"),
        ({"image": "team/app", "force": "yes"}, 400, "invalid-request", "force"),
        ({}, 400, "invalid-request", "image"),
        ([], 400, "invalid-request", "body"),
        (b"{", 400, "invalid-request", "body"),
        (b"\xff", 400, "invalid-request", "body"),
        (b'{"image": "team/app"}' + b" " * 65536, 400, "invalid-request", "body"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(
    call: Caller, stack: Stack, body: object, status: int, code: str, named: str
) -> None:
    got = call("POST", "pulls", body)
    assert (got.status, got.headers["Content-Type"]) == (status, "application/problem+json")
    problem = got.json
    assert (problem["code"], problem["type"], problem["status"]) == (code, f"urn:acrmirror:{code}", status)
    assert named in str(problem)
    assert problem["asked"]
    assert problem["remedy"]


def test_a_registry_that_refuses_or_throttles_is_passed_on(mirror: Mirroring, call: Caller, repository: str) -> None:
    mirror.push(repository, oci_image(repository))
    registry = mirror.stack.registry
    where = {"kind": "manifest", "path": f".*{repository}.*"}
    for fault, status in (({"status": 403}, 403), ({"status": 429, "retry_after": 7}, 429), ({"status": 500}, 503)):
        registry.set_faults([{"match": where, "do": fault}])
        got = call("POST", "pulls", {"image": repository})
        assert got.status == status, got.json
        if status == 429:
            assert got.headers["Retry-After"] == "7"


def test_twenty_identical_pulls_are_one_job(mirror: Mirroring, call: Caller, repository: str) -> None:
    mirror.push(repository, oci_image(repository, (2 * MIB,)))
    mirror.stack.registry.set_faults([{"match": {"kind": "data"}, "do": {"latency_ms": 500}}])
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: call("POST", "pulls", {"image": repository, "wait": 30}), range(20)))
    assert {it.status for it in answers} == {200}
    assert len({it.json["id"] for it in answers}) == 1
    assert len(mirror.jobs(repository)) == 1
    mirror.stack.registry.clear_faults()
    again = call("POST", "pulls", {"image": repository, "wait": 30})
    assert again.json["id"] != answers[0].json["id"]


def test_a_running_pull_is_cancelled_and_goes_on_when_asked_again(
    mirror: Mirroring, call: Caller, repository: str
) -> None:
    mirror.push(repository, oci_image(repository, (24 * MIB,)))
    registry = mirror.stack.registry
    registry.set_faults([{"match": {"kind": "data"}, "do": {"bandwidth_mbps": 1}}])
    identity = call("POST", "pulls", {"image": repository}).json["id"]
    mirror.wait(lambda: call("GET", f"pulls/{identity}").json["state"] == "running", 60)
    time.sleep(1.5)
    got = call("DELETE", f"pulls/{identity}")
    assert (got.status, got.json["cancel_requested"]) == (202, True)
    begun = time.monotonic()
    record = ended(call, identity, 20).json
    assert time.monotonic() - begun < 15
    assert (record["state"], record["error"]["code"]) == ("cancelled", "cancelled")
    assert mirror.tagged(repository, "latest") is None
    assert call("DELETE", f"pulls/{identity}").status == 200
    registry.clear_faults()
    retried = call("POST", f"pulls/{identity}/retry")
    assert (retried.status, retried.json["state"]) == (202, "queued")
    assert ended(call, identity).json["state"] == "done"
    assert verify_tag(mirror.reader, repository, "latest").is_whole
    for method, path in (("DELETE", f"pulls/{identity}"), ("POST", f"pulls/{identity}/retry")):
        refused = call(method, path)
        assert (refused.status, refused.json["code"]) == (409, "wrong-state")


def test_some_platforms_are_brought_without_what_lists_them_all(
    mirror: Mirroring, call: Caller, repository: str
) -> None:
    image = mirror.push(repository, multi_arch(repository, 2))
    got = call("POST", "pulls", {"image": repository, "platforms": ["linux/aarch64"], "wait": 30}).json
    assert (got["state"], got["platforms"], got["tagged_digest"]) == ("done", ["linux/arm64"], None)
    assert mirror.tagged(repository, "latest") is None
    missing = call("POST", "pulls", {"image": repository, "platforms": ["linux/s390x"], "wait": 30}).json
    assert (missing["state"], missing["error"]["code"]) == ("failed", "no-such-platform")
    rest = call("POST", "pulls", {"image": repository, "platforms": ["linux/amd64"], "wait": 30}).json
    assert rest["tagged_digest"] == str(image.root.digest)
    assert verify_tag(mirror.reader, repository, "latest").is_whole


def test_pulls_are_listed_newest_first_page_by_page(mirror: Mirroring, call: Caller, repository: str) -> None:
    for number in range(5):
        mirror.push(repository, oci_image(f"{repository}/{number}", tag=f"v{number}"))
        assert call("POST", "pulls", {"image": f"{repository}:v{number}", "wait": 30}).status == 200
    path: str | None = f"pulls?repository={repository}&state=done&n=2"
    tags: list[str] = []
    while path is not None:
        got = call("GET", path)
        assert len(got.json["pulls"]) <= 2
        tags += [it["tag"] for it in got.json["pulls"]]
        link = got.headers.get("Link")
        path = link.split(">")[0].removeprefix("</api/v1/") if link else None
    assert tags == [f"v{number}" for number in reversed(range(5))]
    assert call("GET", f"pulls?repository={repository}&state=failed").json["pulls"] == []


def test_a_pull_that_is_not_there(call: Caller) -> None:
    for identity in ("8204456366608-76ad9328fefb", "nonsense", "..%2F.."):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry")):
            got = call(method, f"pulls/{identity}{path}")
            assert (got.status, got.json["code"]) == (404, "not-found")


def test_health_tells_what_is_tried(call: Caller) -> None:
    got = call("GET", "health").json
    assert got["ok"]
    assert [it["name"] for it in got["checks"]] == [
        "settings",
        "python",
        "registry",
        "mirror",
        "archives",
        "links",
        "queue",
        "dead-jobs",
        "backfill-queue",
        "dead-backfill-jobs",
        "records",
        "events",
        "comparison",
        "audit",
    ]
    assert got["refused_events"] == []
    assert got["queue_messages"] >= 0
    assert got["backfill_messages"] >= 0
    assert got["dead_messages"] == 0
