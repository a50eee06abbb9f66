"""A push that ended as `gone` and is in the mirror later, by a check, does not say `gone` any more (rules L5, L11)."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acrmirror.app import App
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest
from acrmirror.work import Copy, Record
from testkit.images import oci_image
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, failing_since, job_for, next_message, read_job, sent

# Every second, however busy the machine is.
AGES = {"MIRROR_NOT_FOUND_SECONDS": "1", "MIRROR_RECHECK_SECONDS": ",".join(map(str, (*range(1, 120), 600)))}
MISSING = {"status": 404}


def lost(mirror: Mirroring, app: App, job: Copy) -> Record:
    """The push after its last attempt, which is now, and its record."""
    for_long = failing_since("not-found", datetime.now(UTC) - timedelta(minutes=20))
    app.dispatch.run(job.later(for_long, fresh=False).to_json(), 1)
    record = record_of(mirror, job)
    assert (record.state, record.fields["missing"], record.fields["mirrored_digest"]) == ("gone", True, "")
    return record


def record_of(mirror: Mirroring, job: Copy) -> Record:
    record = mirror.records.get(job.id)
    assert record is not None
    return record


def hidden(mirror: Mirroring, digest: Digest, tag: str = "") -> None:
    paths = f".*({digest}{f'|/{tag}' if tag else ''})"
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest", "path": paths}, "do": MISSING}])


@pytest.mark.parametrize("tag", ["another", "hidden", "same"])
def test_the_push_is_done_once_a_check_has_mirrored_it(bare_mirror: Mirroring, tag: str) -> None:
    """`tag`: what the registry says of it at the time when the image is not to be had."""
    mirror, repository = bare_mirror, f"lost/{tag}"
    if tag == "another":
        image = mirror.push(repository, oci_image("lost"))
        mirror.push(repository, oci_image("another"))
    else:
        image = mirror.push(repository, oci_image("lost"))
    job = job_for(repository, image)
    with app_of(mirror, **AGES) as app:
        hidden(mirror, image.root.digest, "latest" if tag == "hidden" else "")
        lost(mirror, app, job)
        mirror.stack.registry.clear_faults()
        app.dispatch.run(json.dumps(next_message(mirror)), 1)
    after = record_of(mirror, job)
    told: dict[str, Any] = {name: after.fields[name] for name in ("state", "missing", "mirrored_digest", "error_code")}
    assert told == {"state": "done", "missing": False, "mirrored_digest": str(image.root.digest), "error_code": ""}
    assert after.fields["check_state"] == "done"
    assert mirror.tagged(repository, "latest") == image.root.digest


def test_a_push_by_digest_is_asked_for_again_too(bare_mirror: Mirroring) -> None:
    mirror, repository = bare_mirror, "lost/untagged"
    image = mirror.push(repository, oci_image("lost untagged"))
    job = job_for(repository, image)
    job = read_job(json.dumps({k: v for k, v in json.loads(job.to_json()).items() if k != "tag"}))
    with app_of(mirror, **AGES) as app:
        hidden(mirror, image.root.digest)
        lost(mirror, app, job)
        mirror.stack.registry.clear_faults()
        app.dispatch.run(json.dumps(next_message(mirror)), 1)
    after = record_of(mirror, job)
    assert (after.state, after.fields["missing"]) == ("done", False)


def test_a_tag_that_is_gone_by_then_is_all_that_is_gone(bare_mirror: Mirroring) -> None:
    mirror, repository = bare_mirror, "lost/tag"
    image = mirror.push(repository, oci_image("lost tag"))
    job = job_for(repository, image)
    with app_of(mirror, **AGES) as app:
        hidden(mirror, image.root.digest, "latest")
        lost(mirror, app, job)
        mirror.stack.registry.clear_faults()
        mirror.pusher.delete_tag(repository, "latest")
        check = read_job(json.dumps(next_message(mirror)))
        long_ago = failing_since("not-found", datetime.now(UTC) - timedelta(minutes=20))
        app.dispatch.run(check.later(long_ago, fresh=False).to_json(), 1)
    after = record_of(mirror, job)
    assert (after.fields["missing"], after.fields["mirrored_digest"]) == (False, str(image.root.digest))
    assert after.state == "gone"
    assert "Nothing is to be done" in after.fields["error_remedy"]


def test_it_is_asked_for_until_the_lag_window_is_over_and_stays_gone_if_it_is(bare_mirror: Mirroring) -> None:
    mirror, repository = bare_mirror, "lost/really"
    image = mirror.push(repository, oci_image("lost really"))
    job = job_for(repository, image)
    ages = AGES | {"MIRROR_RECHECK_SECONDS": "20"}
    with app_of(mirror, **ages) as app:
        hidden(mirror, image.root.digest, "latest")
        before = lost(mirror, app, job)
        check = read_job(json.dumps(next_message(mirror, 40)))
        assert check.reference.digest == image.root.digest
        long_ago = failing_since("not-found", datetime.now(UTC) - timedelta(minutes=20))
        app.dispatch.run(check.later(long_ago, fresh=False).to_json(), 1)
    after = record_of(mirror, job)
    assert (after.state, after.fields["missing"], after.fields["check_state"]) == ("gone", True, "gone")
    assert after.fields["error_answered"] == before.fields["error_answered"]
    assert sent(mirror) == []


def test_what_failed_or_was_lost_is_logged_as_an_error_and_a_tag_that_is_gone_is_not(
    bare_mirror: Mirroring, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = bare_mirror
    caplog.set_level(logging.INFO, "acrmirror")
    names = ("lost/logged", "gone/logged", "failed/logged")
    images = {name: mirror.push(name, oci_image(name)) for name in names}
    long_ago = failing_since("not-found", datetime.now(UTC) - timedelta(hours=1))
    old = from_datetime(datetime.now(UTC) - timedelta(days=1))
    with app_of(mirror, **AGES) as app:
        hidden(mirror, images["lost/logged"].root.digest, "latest")
        lost(mirror, app, job_for("lost/logged", images["lost/logged"]))
        mirror.stack.registry.clear_faults()
        mirror.pusher.delete_tag("gone/logged", "latest")
        gone = Copy.of_event(job_for("gone/logged", images["gone/logged"]).reference, "gone", old)
        app.dispatch.run(gone.later(long_ago, fresh=False).to_json(), 1)
        mirror.stack.registry.set_faults([{"match": {"kind": "manifest", "path": ".*failed.*"}, "do": {"status": 500}}])
        since_yesterday = failing_since("unavailable", datetime.now(UTC) - timedelta(days=1))
        failed = job_for("failed/logged", images["failed/logged"]).later(since_yesterday, fresh=False)
        app.dispatch.run(failed.to_json(), 1)
    levels = {name: {it.levelno for it in caplog.records if name in it.getMessage()} for name in names}
    assert {name: logging.ERROR in found for name, found in levels.items()} == {
        "lost/logged": True,
        "gone/logged": False,
        "failed/logged": True,
    }
