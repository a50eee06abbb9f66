"""Any past moment, over HTTP and on the command line: what moved when, and each of the moments taken out."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from testkit.images import Image, multi_arch, oci_image, signature, together
from tests.integration.command import Command
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring


def pushed(mirror: Mirroring, repository: str, image: Image, tag: str = "v1") -> Image:
    """By an event, whose time is exact."""
    mirror.stack.registry.set_event_manner(hold=False)
    mirror.push(repository, image.tagged(tag))
    mirror.wait(lambda: mirror.tagged(repository, tag) == image.root.digest, what=f"{repository}:{tag}")
    return image


def moves(call: Caller, name: str, query: str = "") -> list[dict[str, Any]]:
    got = call("GET", f"history/{name}{query}")
    assert got.status == 200, got.json
    found: list[dict[str, Any]] = got.json["moves"]
    return found


@pytest.fixture
def five(mirror: Mirroring, repository: str) -> list[str]:
    """The digests of a tag that moved five times, oldest first."""
    return [str(pushed(mirror, repository, oci_image(f"{repository}{it}")).root.digest) for it in range(5)]


def test_each_of_five_moments_is_listed_inspected_and_exported(
    mirror: Mirroring, call: Caller, run: Command, repository: str, five: list[str], tmp_path: Path
) -> None:
    moved = moves(call, f"{repository}:v1")[::-1]
    assert [it["digest"] for it in moved] == five
    assert [it["before"] for it in moved] == [None, *five[:-1]]
    assert all(it["mirrored"] and it["kind"] == "event" and it["tags"] == ["v1"] for it in moved)
    for move in moved:
        at = move["at"]
        assert call("GET", f"images/{repository}:v1?at={at}").json["digest"] == move["digest"]
        assert [it["digest"] for it in call("GET", f"images/{repository}?at={at}").json["tags"]] == [move["digest"]]
        assert call("GET", f"images/{repository}:v1/content?at={at}").json["digest"] == move["digest"]
        seen = call("GET", f"images/{repository}:v1?at={at}").json["history"]
        assert max(it["at"] for it in seen) <= at
        assert move["digest"] in run.inside("ls", repository, "--at", at).stdout
        assert move["digest"] in run.inside("inspect", f"{repository}:v1", "--at", at).stdout
        run.inside("export", f"{repository}:v1", "--at", at, "-o", str(tmp_path / "then.tar"), "--platform", "all")
        with tarfile.open(tmp_path / "then.tar") as archive:
            index = json.load(archive.extractfile("index.json") or b"")  # type: ignore[arg-type]
        assert [it["digest"] for it in index["manifests"]] == [move["digest"]]
    # A digest is what it is at any moment.
    assert call("GET", f"images/{repository}@{five[4]}?at={moved[0]['at']}").json["digest"] == five[4]
    told = run.inside("history", f"{repository}:v1").stdout.splitlines()
    assert [line.split("\t")[2] for line in told] == five[::-1]
    assert [it["digest"] for it in json.loads(run.inside("history", repository, "--output", "json").stdout)] == five[
        ::-1
    ]


def test_before_the_first_push_there_is_no_such_tag(
    mirror: Mirroring, call: Caller, run: Command, repository: str, five: list[str]
) -> None:
    before = "2020-01-01"
    for path in (f"images/{repository}:v1", f"images/{repository}:v1/content", f"images/{repository}"):
        got = call("GET", f"{path}?at={before}")
        assert (got.status, got.json["code"]) == (404, "not-found")
        assert "at that moment" in got.json["detail"]
    for command in (["ls", repository], ["inspect", f"{repository}:v1"], ["export", f"{repository}:v1", "-o", "x.tar"]):
        told = run.inside(*command, "--at", before, code=3).stderr
        assert "at that moment" in told
    run.inside("inspect", f"{repository}:other", "--at", "2099-01-01", code=3)
    run.inside("ls", "--at", before, code=2)
    run.inside("history", "never/pushed", code=3)
    assert call("GET", f"images/{repository}:v1?at=2099-01-01").json["digest"] == five[4]
    assert moves(call, f"{repository}:v1", f"?at={before}") == []


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "2026-11-01T12:00:00"])
def test_what_is_no_moment_is_told(call: Caller, run: Command, at: str) -> None:
    for path in ("images/a:1", "images/a", "images/a:1/content", "history/a"):
        got = call("GET", f"{path}?at={at}")
        assert (got.status, got.json["code"]) == (400, "malformed")
    run.inside("inspect", "a:1", "--at", at, code=2)
    run.inside("inspect", "a:1", "--at", "", code=2)


def test_tags_of_a_moment_come_page_by_page(mirror: Mirroring, call: Caller, repository: str) -> None:
    image = oci_image(repository)
    for tag in ("v1", "v1.0", "v1-x", "b"):
        pushed(mirror, repository, image, tag)
    at = moves(call, repository)[0]["at"]
    pushed(mirror, repository, image, "later")
    found: list[str] = []
    path: str | None = f"images/{repository}?n=2&at={at}"
    while path is not None:
        got = call("GET", path)
        found += [it["tag"] for it in got.json["tags"]]
        assert all(it["media_type"] and it["size"] for it in got.json["tags"])
        link = got.headers.get("Link")
        path = link.split(">")[0].removeprefix("</api/v1/") if link else None
    assert found == ["b", "v1", "v1-x", "v1.0"]
    assert call("GET", f"images/{repository}?last=x&at={at}").status == 400
    assert [it["tags"][0] for it in moves(call, repository, "?n=2")] == ["later", "b"]
    page = call("GET", f"history/{repository}?n=2")
    assert [it["tags"][0] for it in moves(call, repository, f"?n=2&last={page.json['last'].replace(' ', '+')}")] == [
        "v1-x",
        "v1.0",
    ]
    assert 'rel="next"' in page.headers["Link"]


def test_referrers_are_those_that_were_there_by_then(mirror: Mirroring, call: Caller, repository: str) -> None:
    image = pushed(mirror, repository, multi_arch(repository, 2))
    before = moves(call, f"{repository}:v1")[0]["at"]
    mirror.push(repository, signature(repository, image.root))
    mirror.wait(lambda: len(call("GET", f"images/{repository}:v1").json["referrers"]) == 1, what="the signature")
    assert call("GET", f"images/{repository}:v1?at={before}").json["referrers"] == []
    assert len(call("GET", f"images/{repository}:v1?at=2099-01-01").json["referrers"]) == 1


def test_what_was_deleted_is_listed_with_the_tags_that_named_it(
    mirror: Mirroring, call: Caller, run: Command, repository: str
) -> None:
    kept = pushed(mirror, repository, oci_image(f"{repository} kept"), "kept")
    gone = pushed(mirror, repository, together(oci_image(f"{repository} gone")), "gone")
    assert moves(call, repository, "?deleted=true") == []
    mirror.pusher.delete_manifest(repository, gone.root.digest)
    mirror.wait(lambda: bool(moves(call, repository, "?deleted=true")), what="the deletion")
    (deletion,) = moves(call, repository, "?deleted=true")
    assert (deletion["kind"], deletion["digest"], deletion["tags"]) == ("deleted", str(gone.root.digest), ["gone"])
    assert deletion["mirrored"]
    assert [it["tags"] for it in moves(call, repository)] == [["gone"], ["kept"]]
    assert moves(call, f"{repository}:kept", "?deleted=true") == []
    assert str(gone.root.digest) in run.inside("history", repository, "--deleted").stdout
    assert str(kept.root.digest) not in run.inside("history", repository, "--deleted").stdout
    assert call("GET", f"images/{repository}:gone").json["digest"] == str(gone.root.digest)
