"""Pulls of many at once: what the registry has and the mirror lacks."""

import time
import uuid
from typing import Any

import pytest

from testkit.images import oci_image
from testkit.reader import verify_tag
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring


@pytest.fixture
def team() -> str:
    return f"match-{uuid.uuid4().hex[:8]}"


def finished(call: Caller, identity: str, seconds: float = 60) -> dict[str, Any]:
    """The pull of many once all that it requested has ended."""
    until = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = call("GET", f"pulls/{identity}").json
        over = sum(found["match"]["jobs"].get(state, 0) for state in ("done", "failed", "gone", "cancelled"))
        if found["state"] in ("done", "incomplete", "failed", "cancelled") and (
            found["match"]["dry_run"] or over >= found["match"]["requested"]
        ):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


def ask(call: Caller, *patterns: str, **more: bool) -> str:
    got = call("POST", "pulls", {"match": list(patterns), **more})
    assert (got.status, got.json["kind"]) == (202, "match"), got.json
    return str(got.json["id"])


def test_all_that_the_patterns_choose_is_copied_and_nothing_else(mirror: Mirroring, call: Caller, team: str) -> None:
    for repository, tags in (("app", ("v1", "v2", "tmp")), ("tmp-x", ("v1",)), ("os", ("v1",))):
        for tag in tags:
            mirror.push(f"{team}/{repository}", oci_image(f"{team}{repository}{tag}", tag=tag))
    patterns = (f"{team}/*", f"!{team}/tmp-*", f"!{team}/app:tmp")
    dry = finished(call, ask(call, *patterns, dry_run=True))["match"]
    assert (dry["listed"], dry["requested"], dry["jobs"]) == (3, 3, {})
    assert sorted(dry["sample"]) == [f"{team}/app:v1", f"{team}/app:v2", f"{team}/os:v1"]
    found = finished(call, ask(call, *patterns))
    assert (found["state"], found["notes"]) == ("done", [])
    assert found["match"]["jobs"] == {"done": 3}
    for name in ("app:v1", "app:v2", "os:v1"):
        repository, _, tag = name.partition(":")
        assert verify_tag(mirror.reader, f"{team}/{repository}", tag).is_whole
    assert mirror.tagged(f"{team}/app", "tmp") is None
    assert mirror.tagged(f"{team}/tmp-x", "v1") is None


def test_asked_again_it_makes_no_job_and_hardly_a_request(mirror: Mirroring, call: Caller, team: str) -> None:
    for number in range(12):
        mirror.push(f"{team}/app", oci_image(f"{team}{number}", tag=f"v{number}"))
    assert finished(call, ask(call, f"{team}/*"))["match"]["jobs"] == {"done": 12}
    mirror.stack.registry.reset_requests()
    again = finished(call, ask(call, f"{team}/*"))
    assert again["match"] | {"patterns": []} == {
        "patterns": [],
        "dry_run": False,
        "repositories": 1,
        "manifests": 12,
        "listed": 12,
        "mirrored": 12,
        "under_way": 0,
        "requested": 0,
        "sample": [],
        "jobs": {},
        "bytes_done": 0,
        "bytes_total": 0,
    }
    assert len(mirror.stack.registry.requests(kind="manifest")) == 0
    mirror.push(f"{team}/app", oci_image(f"{team}moved", tag="v3"))
    moved = finished(call, ask(call, f"{team}/*"))["match"]
    assert (moved["requested"], moved["sample"]) == (1, [f"{team}/app:v3"])


def test_what_goes_wrong_for_one_is_said_and_the_rest_is_done(mirror: Mirroring, call: Caller, team: str) -> None:
    for repository in ("a", "b", "c"):
        mirror.push(f"{team}/{repository}", oci_image(f"{team}{repository}", tag="v1"))
    mirror.stack.registry.set_faults(
        [
            {"match": {"path": f"/acr/v1/{team}(/|%2F)b/_manifests.*"}, "do": {"status": 404}},
        ]
    )
    found = finished(call, ask(call, f"{team}/*"))
    assert (found["state"], found["error"]["code"]) == ("incomplete", "incomplete")
    assert found["match"]["jobs"] == {"done": 2}
    (note,) = found["notes"]
    assert note.startswith(f"{team}/b: ")
    assert note in found["error"]["answered"]


def test_a_listing_that_stops_short_is_noticed(mirror: Mirroring, call: Caller, team: str) -> None:
    for number in range(5):
        mirror.push(f"{team}/app", oci_image(f"{team}{number}", tag=f"v{number}"))
    mirror.stack.registry.set_faults(
        [{"match": {"path": f"/acr/v1/{team}.*_manifests.*"}, "do": {"page_size": 2, "drop_link": True}}]
    )
    found = finished(call, ask(call, f"{team}/*"))
    assert (found["state"], found["match"]["requested"]) == ("incomplete", 2)
    assert "stopped at 2 of 5" in found["notes"][0]


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        ({"match": []}, "invalid-request", "match"),
        ({"match": "*"}, "invalid-request", "match"),
        ({"match": ["*"], "image": "a"}, "invalid-request", "image"),
        ({"match": ["*"], "dry_run": 1}, "invalid-request", "dry_run"),
        ({"match": ["!a"]}, "malformed", "!a"),
        ({"match": ["Team/*"]}, "malformed", "Team/*"),
    ],
)
def test_patterns_that_make_no_sense(call: Caller, body: object, code: str, named: str) -> None:
    got = call("POST", "pulls", body)
    assert (got.status, got.json["code"]) == (400, code)
    assert named in str(got.json)


def test_a_registry_that_lists_nothing_ends_in_the_record(mirror: Mirroring, call: Caller, team: str) -> None:
    mirror.push(f"{team}/app", oci_image(team, tag="v1"))
    mirror.stack.registry.set_faults([{"match": {"kind": "catalog"}, "do": {"status": 403}}])
    identity = ask(call, f"{team}/*")
    found = finished(call, identity)
    assert (found["state"], found["error"]["code"]) == ("failed", "denied")
    mirror.stack.registry.clear_faults()
    assert call("POST", f"pulls/{identity}/retry").status == 202
    until = time.monotonic() + 30
    while call("GET", f"pulls/{identity}").json["state"] != "done":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert finished(call, identity)["match"]["jobs"] == {"done": 1}


def test_names_of_any_length_fit_into_the_record(mirror: Mirroring, call: Caller, team: str) -> None:
    image = oci_image(team, tag="first")
    repository = f"{team}/{'a' * 200}"
    mirror.push(repository, image)
    (stored,) = (it for it in image.manifests if it.descriptor.digest == image.root.digest)
    for number in range(120):
        mirror.pusher.manifest(repository, stored.raw, stored.descriptor.media_type, f"{number:0100d}")
    found = finished(call, ask(call, f"{team}/*", dry_run=True))
    assert (found["state"], found["match"]["requested"]) == ("done", 121)
    assert 80 < len(found["match"]["sample"]) < 121


def test_a_pull_of_many_that_is_cancelled_stops_in_the_middle_of_a_repository(
    mirror: Mirroring, call: Caller, team: str
) -> None:
    for number in range(8):
        mirror.push(f"{team}/app", oci_image(f"{team}{number}", tag=f"v{number}"))
    listing = {"match": {"path": f"/acr/v1/{team}.*_manifests.*"}, "do": {"page_size": 1, "latency_ms": 3000}}
    mirror.stack.registry.set_faults([listing])
    identity = ask(call, f"{team}/*")
    mirror.wait(lambda: call("GET", f"pulls/{identity}").json["match"]["repositories"] == 1, 60, "the listing")
    assert call("DELETE", f"pulls/{identity}").status == 202
    seconds = mirror.wait(lambda: call("GET", f"pulls/{identity}").json["state"] == "cancelled", 60, "its end")
    assert seconds < 15
    found = call("GET", f"pulls/{identity}").json
    assert (found["match"]["requested"], found["error"]["code"]) == (0, "cancelled")
