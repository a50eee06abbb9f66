"""The registry is asked about a tag again: what comes of it is an entry of its own, and a done push stays done."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.http import Request
from acrmirror.http.api import Api
from acrmirror.jobs import CheckRecorder
from acrmirror.jobs.records import error_fields
from acrmirror.moments import Moment
from acrmirror.work import Copy, Record, RecordFields
from testkit.images import multi_arch, oci_image
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, failing_since, job_for, next_message, sent


def done(mirror: Mirroring, repository: str) -> Copy:
    image = mirror.push(repository, oci_image(repository))
    job = job_for(repository, image)
    with app_of(mirror) as app:
        app.dispatch.run(job.to_json(), 1)
    assert record_of(mirror, job).state == "done"
    return job


def record_of(mirror: Mirroring, job: Copy) -> Record:
    record = mirror.records.get(job.id)
    assert record is not None
    return record


def unchanged(before: Record, after: Record) -> None:
    """But for what the check itself has written."""
    own = {"check", "heartbeat"}

    def others(record: Record) -> dict[str, object]:
        return {name: value for name, value in record.fields.items() if name not in own and name[:6] != "check_"}

    assert others(after) == others(before)


def test_a_tag_that_is_gone_by_then_leaves_the_push_done(bare_mirror: Mirroring) -> None:
    mirror = bare_mirror
    job = done(mirror, "checked/gone")
    before = record_of(mirror, job)
    mirror.pusher.delete_tag("checked/gone", "latest")
    long_ago = failing_since("not-found", datetime.now(UTC) - timedelta(hours=1))
    with app_of(mirror) as app:
        app.dispatch.run(job.checking_again().later(long_ago, fresh=False).to_json(), 1)
        shown = json.loads(Api(lambda: app).show_pull(Request("GET", {"id": job.id})).body)
    after = record_of(mirror, job)
    unchanged(before, after)
    assert (after.fields["check"], after.fields["check_state"]) == (1, "gone")
    assert after.fields["check_error_code"] == "not-found"
    assert (shown["state"], shown["error"], shown["tagged_digest"]) == ("done", None, before.fields["tagged_digest"])
    assert (shown["check"]["number"], shown["check"]["state"]) == (1, "gone")
    assert shown["check"]["error"]["code"] == "not-found"
    assert sent(mirror) == []


def test_a_check_that_waits_leaves_the_push_done_and_goes_on(bare_mirror: Mirroring) -> None:
    mirror = bare_mirror
    job = done(mirror, "checked/waits")
    before = record_of(mirror, job)
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": {"status": 503}}])
    with app_of(mirror) as app:
        app.dispatch.run(job.checking_again().to_json(), 1)
        waiting = record_of(mirror, job)
        unchanged(before, waiting)
        assert (waiting.fields["check_state"], waiting.fields["check_error_code"]) == ("waiting", "unavailable")
        mirror.stack.registry.clear_faults()
        app.dispatch.run(json.dumps(next_message(mirror)), 1)
    after = record_of(mirror, job)
    unchanged(before, after)
    assert (after.fields["check_state"], after.fields["check_error_code"]) == ("done", "")


def test_a_check_that_crashed_too_often_is_told_and_leaves_the_push_done(bare_mirror: Mirroring) -> None:
    mirror = bare_mirror
    job = done(mirror, "checked/crashed")
    before = record_of(mirror, job)
    with app_of(mirror) as app:
        app.dispatch.bury(job.checking_again().to_json())
    after = record_of(mirror, job)
    unchanged(before, after)
    assert (after.fields["check_state"], after.fields["check_error_code"]) == ("failed", "crashed")


@pytest.mark.parametrize("since", [{"state": "queued", "retries": 1}, {"state": "running", "run": "another"}])
def test_a_check_says_nothing_over_a_job_that_was_begun_anew_meanwhile(
    bare_mirror: Mirroring, since: RecordFields
) -> None:
    """It found the image, which the job had not; but the record is by now that of a run to come, or under way."""
    mirror, image = bare_mirror, oci_image("checked/anew")
    job = job_for("checked/anew", image)
    mirror.records.change(job.id, job.asked | {"state": "gone", "finished": "then"})
    pen = CheckRecorder(mirror.records, job.checking_again(image.root.digest, ended="gone"), "check", 1)
    pen.begin()
    mirror.records.change(job.id, since | {"finished": ""})
    pen.write({"state": "done", "finished": "now", "mirrored_digest": str(image.root.digest)} | error_fields(None))
    assert pen.superseded == ("retries" in since)
    after = record_of(mirror, job)
    assert after.fields | since | {"finished": ""} == after.fields
    assert after.fields["mirrored_digest"] == ""


def test_an_event_that_comes_twice_leaves_a_push_done_whose_tag_was_deleted_since(bare_mirror: Mirroring) -> None:
    mirror = bare_mirror
    job = done(mirror, "checked/twice")
    before = record_of(mirror, job)
    mirror.pusher.delete_tag("checked/twice", "latest")
    with app_of(mirror, MIRROR_NOT_FOUND_SECONDS="1") as app:
        for state in ("waiting", "gone"):
            app.dispatch.run(job.to_json() if state == "waiting" else json.dumps(next_message(mirror)), 1)
            after = record_of(mirror, job)
            for name in ("state", "missing", "error_code", "tagged_digest", "mirrored_digest", "next_attempt"):
                assert after.fields[name] == before.fields[name]
            assert (after.fields["check_state"], after.fields["check_error_code"]) == (state, "not-found")
    assert sent(mirror) == []


def test_a_tag_that_names_an_image_with_a_purged_part_is_not_told_as_gone(bare_mirror: Mirroring) -> None:
    mirror, repository = bare_mirror, "checked/purged"
    pushed = mirror.push(repository, oci_image(repository))
    index = mirror.push(repository, multi_arch(repository, 2))
    child = index.manifests[0].descriptor.digest
    mirror.stack.registry.set_faults([{"match": {"path": f".*{child}"}, "do": {"status": 404}}])
    # Of an event that is so old, what the registry says of its tag holds.
    event = Copy.of_event(job_for(repository, pushed).reference, "old", Moment("2026-01-01T00:00:00.000000000Z"))
    job = event.later(failing_since("not-found", datetime.now(UTC) - timedelta(days=1)), fresh=False)
    with app_of(mirror) as app:
        app.dispatch.run(job.to_json(), 1)
    after = record_of(mirror, job)
    assert (after.state, after.fields["mirrored_digest"]) == ("gone", str(pushed.root.digest))
    told = f"{after.fields['error_answered']} {after.fields['error_remedy']}"
    assert str(child) in told
    assert "the tag is gone" not in told
    assert "Nothing is to be done" not in told
