"""The registry misbehaves: every case ends mirrored after all, or final in a record that names cause and remedy."""

from collections.abc import Iterator
from typing import Any

import pytest

from standins.stack import Stack
from testkit.images import SHAPES, multi_arch, oci_image
from testkit.reader import verify_repository
from testkit.stack import mirror_stack
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring

NOT_FOUND_SECONDS = 6
RETRY_SECONDS = 10
RECHECK_SECONDS = "2,4"
"""The lag window is over, as by default, once a job is `gone`: nothing is asked again then."""


@pytest.fixture(scope="module")
def hasty(foundation: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose app waits seconds where it would wait minutes and hours."""
    settings = {
        "MIRROR_NOT_FOUND_SECONDS": str(NOT_FOUND_SECONDS),
        "MIRROR_RETRY_SECONDS": str(RETRY_SECONDS),
        "MIRROR_RECHECK_SECONDS": RECHECK_SECONDS,
    }
    with mirror_stack(
        foundation=foundation, folder=tmp_path_factory.mktemp("hasty"), workers=2, settings=settings
    ) as stack:
        yield stack


@pytest.fixture
def mirror(hasty: Stack) -> Iterator[Mirroring]:
    hasty.registry.reset_requests()
    with mirroring(hasty) as opened:
        yield opened
    hasty.registry.clear_faults()


MENDS: dict[str, dict[str, Any]] = {
    "a manifest that is 404 for its first seconds": {
        "match": {"kind": "manifest"},
        "do": {"not_found_for_s": 3},
    },
    "429 with Retry-After": {"match": {"kind": "manifest", "count": 2}, "do": {"status": 429, "retry_after": 1}},
    "429 without Retry-After": {"match": {"kind": "blob", "method": "GET", "count": 2}, "do": {"status": 429}},
    "a 500": {"match": {"kind": "manifest", "count": 2}, "do": {"status": 500}},
    "a 503 of the data host": {"match": {"kind": "data", "count": 2}, "do": {"status": 503}},
    "a reset in the middle of a layer": {"match": {"kind": "data", "count": 2}, "do": {"reset_at": 1000}},
    "a cut body": {"match": {"kind": "data", "count": 2}, "do": {"truncate_at": 2000}},
    "an expired signature": {"match": {"kind": "data", "count": 1}, "do": {"expire": True}},
    "wrong bytes once": {"match": {"kind": "data", "count": 1}, "do": {"corrupt": True}},
    "a manifest with wrong bytes once": {
        "match": {"kind": "manifest", "method": "GET", "count": 1},
        "do": {"corrupt": True},
    },
    "429 of the token endpoint": {"match": {"kind": "token", "count": 1}, "do": {"status": 429, "retry_after": 1}},
    "a 403 while a role is on its way": {"match": {"kind": "manifest", "count": 1}, "do": {"status": 403}},
}


@pytest.mark.parametrize("case", MENDS)
def test_what_goes_away_is_waited_out(mirror: Mirroring, case: str) -> None:
    repository = f"mends/n{list(MENDS).index(case)}"
    mirror.stack.registry.set_event_manner(hold=True)
    image = mirror.push(repository, oci_image(case))
    mirror.stack.registry.set_faults([MENDS[case]])
    mirror.stack.registry.release_events()
    (job,) = mirror.wait_for(1, repository, seconds=60)
    assert job.state == "done", mirror.tell()
    assert mirror.tagged(repository, "latest") == image.root.digest
    assert verify_repository(mirror.reader, repository).is_whole


ENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a manifest that is not there": ({"match": {"kind": "manifest"}, "do": {"status": 404}}, "gone", "not-found"),
    "a layer that the registry has lost": (
        {"match": {"kind": "blob", "method": "GET"}, "do": {"status": 404}},
        "gone",
        "not-found",
    ),
    "a 401 that stays": ({"match": {"kind": "manifest"}, "do": {"status": 401}}, "failed", "denied"),
    "a 403 that stays": ({"match": {"kind": "manifest"}, "do": {"status": 403}}, "failed", "denied"),
    "a 429 that stays": (
        {"match": {"kind": "manifest"}, "do": {"status": 429, "retry_after": 1}},
        "failed",
        "throttled",
    ),
    "a 500 that stays": ({"match": {"kind": "manifest"}, "do": {"status": 500}}, "failed", "unavailable"),
    "wrong bytes that stay": ({"match": {"kind": "data"}, "do": {"corrupt": True}}, "failed", "digest-mismatch"),
    "a redirect to plain HTTP": (
        {"match": {"kind": "blob", "method": "GET"}, "do": {"redirect_to": "http://localhost:1/x"}},
        "failed",
        "refused",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_stays_ends_in_a_record_with_cause_and_remedy(mirror: Mirroring, case: str) -> None:
    fault, state, code = ENDS[case]
    repository = f"ends/n{list(ENDS).index(case)}"
    mirror.stack.registry.set_event_manner(hold=True)
    image = mirror.push(repository, oci_image(case))
    mirror.stack.registry.set_faults([fault])
    mirror.stack.registry.release_events()
    (job,) = mirror.wait_for(1, repository, seconds=90)
    assert (job.state, job.fields["error_code"]) == (state, code), mirror.tell()
    for part in ("error_asked", "error_answered", "error_remedy"):
        assert len(str(job.fields[part])) > 10
    assert "sig=" not in str(job.fields)
    assert mirror.waiting_messages() == 0
    assert mirror.tagged(repository, "latest") is None
    assert str(image.root.digest) not in mirror.reader.revisions(repository)


def test_a_tag_deleted_before_its_job_runs_leaves_the_image_and_says_so(mirror: Mirroring) -> None:
    mirror.stack.registry.set_event_manner(hold=True)
    image = mirror.push("untagged", SHAPES["oci"]())
    mirror.pusher.delete_tag("untagged", "latest")
    mirror.stack.registry.release_events()
    (job,) = [it for it in mirror.wait_for(1, "untagged") if it.fields["kind"] == "event"]
    assert (job.state, job.fields["missing"]) == ("gone", False)
    assert str(image.root.digest) in job.fields["error_remedy"]
    assert str(image.root.digest) in mirror.reader.revisions("untagged")
    assert verify_repository(mirror.reader, "untagged").is_whole


def test_a_purged_child_fails_its_index_by_name_and_its_siblings_stay(mirror: Mirroring) -> None:
    mirror.stack.registry.set_event_manner(hold=True)
    image = mirror.push("purged", multi_arch("purged", 3))
    lost, *siblings = (str(it.descriptor.digest) for it in image.manifests[:-1])
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest", "path": lost}, "do": {"status": 404}}])
    mirror.stack.registry.release_events()
    jobs = mirror.wait_for(4, "purged")
    (index,) = [job for job in jobs if job.fields["tag"] == "latest"]
    assert (index.state, index.fields["missing"]) == ("gone", True)
    assert lost in index.fields["error_answered"]
    revisions = mirror.reader.revisions("purged")
    assert set(siblings) <= revisions
    assert str(image.root.digest) not in revisions
    assert not verify_repository(mirror.reader, "purged").problems


def test_force_on_a_whole_image_with_a_purged_child_is_done(mirror: Mirroring) -> None:
    image = mirror.push("purged/later", multi_arch("purged later", 3))
    mirror.wait_for(4, "purged/later")
    lost = str(image.manifests[0].descriptor.digest)
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest", "path": lost}, "do": {"status": 404}}])
    pull = Caller.of(mirror.stack)("POST", "pulls", {"image": "purged/later:latest", "force": True, "wait": 30})
    assert (pull.status, pull.json["state"]) == (200, "done"), mirror.tell()
    assert lost in str(pull.json["notes"])
    assert verify_repository(mirror.reader, "purged/later").is_whole


def test_jobs_in_are_jobs_out(mirror: Mirroring) -> None:
    """After everything above: no message waits, and every record is final."""
    assert mirror.waiting_messages() == 0
    assert {record.state for record in mirror.records.newest()} <= {"done", "failed", "gone"}
