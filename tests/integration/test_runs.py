"""One run of a job, in this process: what it leaves for the next, whatever happens to its record and its registry."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import MirrorError
from acrmirror.jobs.run import Run
from acrmirror.mirror import Layout, blocks
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, Reference
from acrmirror.telemetry import Telemetry
from acrmirror.work import Copy, read_task
from testkit.images import foreign_layer, oci_image
from testkit.reader import verify_repository
from tests.integration.mirroring import Mirroring
from tests.integration.running import (
    app_of,
    at_work_elsewhere,
    failing_since,
    job_for,
    next_message,
    sent,
    wait_until_older,
)

LAYOUT = Layout()


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Mirroring:
    return bare_mirror


def test_a_job_of_which_no_record_can_be_written_goes_on_by_one_message(mirror: Mirroring) -> None:
    lost = Copy.of_event(Reference("unwritten", "v1", Digest.of(b"lost")), "e1", from_datetime(datetime.now(UTC)))
    with app_of(mirror, MIRROR_TABLE="nosuchtable") as app:
        app.dispatch.run(lost.to_json(), 1)
    assert len(sent(mirror)) == 1


def test_what_a_job_came_to_waits_for_its_record_by_delayed_messages(mirror: Mirroring) -> None:
    """What is over has to be in a record; until then its job is run again, and no run of it counts as a crash."""
    image = mirror.push("unrecorded", oci_image("unrecorded"))
    job = job_for("unrecorded", image)
    with app_of(mirror, MIRROR_TABLE="nosuchtable") as app:
        app.dispatch.run(job.to_json(), 1)
    assert mirror.tagged("unrecorded", "latest") == image.root.digest
    message = next_message(mirror)
    assert (message["id"], message["attempt"]) == (job.id, 1)
    mirror.stack.registry.reset_requests()
    with app_of(mirror) as app:
        app.dispatch.run(json.dumps(message), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"
    assert not mirror.stack.registry.requests(kind="blob")
    assert sent(mirror) == []


def test_a_record_that_can_never_be_written_is_left_to_the_platform_in_the_end(mirror: Mirroring) -> None:
    image = mirror.push("unrecorded/ever", oci_image("unrecorded ever"))
    job = job_for("unrecorded/ever", image)
    long_ago = job.later(failing_since("unavailable", datetime.now(UTC) - timedelta(hours=1)), fresh=False)
    with app_of(mirror, MIRROR_TABLE="nosuchtable", MIRROR_RETRY_SECONDS="60") as app, pytest.raises(MirrorError):
        app.dispatch.run(long_ago.to_json(), 1)
    assert sent(mirror) == []


def test_a_foreign_layer_that_a_replica_lacked_is_asked_for_again_and_comes(mirror: Mirroring) -> None:
    image = mirror.push("foreign/late", foreign_layer("late", present=True))
    (late,) = [it.descriptor.digest for it in image.blobs if it.descriptor.is_foreign]
    lacking = {"match": {"kind": "blob", "method": "GET", "path": late.encoded}, "do": {"status": 404}}
    mirror.stack.registry.set_faults([lacking])
    job = job_for("foreign/late", image)
    with app_of(mirror, MIRROR_RECHECK_SECONDS="2,4") as app:
        app.dispatch.run(job.to_json(), 1)
        record = mirror.records.get(job.id)
        assert record is not None
        assert (record.state, str(late) in str(record.fields["left_out"])) == ("done", True)
        assert mirror.tagged("foreign/late", "latest") == image.root.digest
        mirror.stack.registry.clear_faults()
        # The tag is where the event said, and then nothing is left out: there is nothing to ask about any more.
        app.dispatch.run(json.dumps(next_message(mirror)), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["left_out"]) == ("done", {})
    assert list(mirror.reader.names(LAYOUT.layer_link("foreign/late", late)))
    assert sent(mirror) == []


def test_a_damaged_tag_is_set_to_where_the_registry_has_it_and_told(mirror: Mirroring) -> None:
    image = mirror.push("damaged/tag", oci_image("damaged tag"))
    link = mirror.container.get_blob_client(LAYOUT.tag_link("damaged/tag", "latest"))
    with app_of(mirror) as app:
        app.dispatch.run(job_for("damaged/tag", image).to_json(), 1)
        link.upload_blob(b"not a digest", overwrite=True)
        job = job_for("damaged/tag", image, "later")
        app.dispatch.run(job.to_json(), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"
    assert "damaged" in str(record.fields["notes"])
    assert mirror.tagged("damaged/tag", "latest") == image.root.digest
    assert any(name.endswith(job.id) for name in mirror.reader.names("history/damaged/tag/_tags/latest/"))


def test_force_writes_damaged_links_of_layers_and_manifests_anew(mirror: Mirroring) -> None:
    image = mirror.push("damaged/links", oci_image("damaged links"))
    names = [
        LAYOUT.revision_link("damaged/links", image.root.digest),
        *(LAYOUT.layer_link("damaged/links", blob.descriptor.digest) for blob in image.blobs),
    ]
    with app_of(mirror) as app:
        app.dispatch.run(job_for("damaged/links", image).to_json(), 1)
        for name in names:
            link = mirror.container.get_blob_client(name)
            # What stands beside the body stays: no look at the link alone tells.
            link.upload_blob(b"?", overwrite=True, metadata=link.get_blob_properties().metadata)
        assert not verify_repository(mirror.reader, "damaged/links").is_whole
        reference = Reference("damaged/links", image.tag, image.root.digest)
        app.dispatch.run(Copy.of_pull(reference, "mend", force=True).to_json(), 1)
    report = verify_repository(mirror.reader, "damaged/links")
    assert report.is_whole, str(report)


def test_force_finds_damage_inside_a_large_layer_and_reads_that_one_anew(mirror: Mirroring) -> None:
    size = 3 * blocks.BLOCK_SIZE + 1
    image = mirror.push("damaged/layer", oci_image("damaged layer", layers=[size, size + 1]))
    damaged, whole = (it.descriptor.digest for it in image.blobs if it.descriptor.size in (size, size + 1))
    with app_of(mirror) as app:
        app.dispatch.run(job_for("damaged/layer", image).to_json(), 1)
        blob = mirror.container.get_blob_client(LAYOUT.blob_data(damaged))
        content = bytearray(blob.download_blob().readall())
        content[-1] ^= 1
        blob.upload_blob(bytes(content), overwrite=True)
        mirror.stack.registry.reset_requests()
        job = Copy.of_pull(Reference("damaged/layer", image.tag, image.root.digest), "mend", force=True)
        app.dispatch.run(job.to_json(), 1)
    opened = [it["digest"] for it in mirror.stack.registry.requests(kind="blob", method="GET") if it["status"] != 401]
    assert opened == [str(damaged)]
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["bytes_read"]) == ("done", blob.get_blob_properties().size)
    assert str(damaged) in str(record.fields["notes"])
    assert str(whole) not in str(record.fields["notes"])
    assert verify_repository(mirror.reader, "damaged/layer").is_whole


LONG = {"status": 429, "retry_after": 900}


@pytest.mark.parametrize(
    "match",
    [
        {"kind": "manifest"},
        {"kind": "token"},
        {"kind": "exchange"},
        {"kind": "blob", "method": "GET"},
        {"kind": "data"},
    ],
    ids=lambda match: str(match["kind"]),
)
def test_long_patience_is_had_by_a_delayed_message_and_not_by_a_blocked_worker(
    mirror: Mirroring, match: dict[str, object]
) -> None:
    repository = f"patient/{match['kind']}"
    image = mirror.push(repository, oci_image(repository))
    mirror.stack.registry.set_faults([{"match": match, "do": LONG}])
    job = job_for(repository, image)
    with app_of(mirror) as app:
        begun = time.monotonic()
        app.dispatch.run(job.to_json(), 1)
        assert time.monotonic() - begun < 30
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["error_code"]) == ("waiting", "throttled")
    wait = to_datetime(record.fields["next_attempt"]) - datetime.now(UTC)
    assert timedelta(seconds=800) < wait < timedelta(seconds=1000)
    assert len(sent(mirror)) == 1


def test_the_same_job_on_two_workers_ends_once_and_its_first_run_gives_way(mirror: Mirroring) -> None:
    image = mirror.push("twice", oci_image("twice"))
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": {"latency_ms": 4000}}])
    job = job_for("twice", image)
    with app_of(mirror) as one, app_of(mirror) as other:
        first = threading.Thread(target=one.dispatch.run, args=(job.to_json(), 1))
        first.start()
        mirror.wait(lambda: (it := mirror.records.get(job.id)) is not None and it.state == "running")
        other.dispatch.run(job.to_json(), 2)
        first.join(30)
        assert not first.is_alive()
    record = mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"
    assert mirror.tagged("twice", "latest") == image.root.digest
    assert sent(mirror) == []


def test_a_run_that_finds_its_job_taken_when_it_fails_sends_no_next_attempt(mirror: Mirroring) -> None:
    image = mirror.push("overtaken", oci_image("overtaken"))
    fault = {"latency_ms": 700, "status": 503}
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": fault}])
    job = job_for("overtaken", image)
    with app_of(mirror) as app:
        first = threading.Thread(target=app.dispatch.run, args=(job.to_json(), 1))
        first.start()
        mirror.wait(lambda: (it := mirror.records.get(job.id)) is not None and it.state == "running", 60)
        mirror.records.change(job.id, {"run": "another", "deliveries": 2})
        first.join(30)
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["run"]) == ("running", "another")
    assert sent(mirror) == []


def test_a_worker_that_begins_after_its_lease_was_lost_leaves_the_job_to_the_other(mirror: Mirroring) -> None:
    image = mirror.push("late", oci_image("late"))
    mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": {"latency_ms": 4000}}])
    job = job_for("late", image)
    with app_of(mirror) as one, app_of(mirror) as late:
        holder = threading.Thread(target=one.dispatch.run, args=(job.to_json(), 2))
        holder.start()
        mirror.wait(lambda: (it := mirror.records.get(job.id)) is not None and it.state == "running")
        late.dispatch.run(job.to_json(), 1)
        assert holder.is_alive()
        holder.join(60)
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["deliveries"]) == ("done", 2)


def test_asking_about_the_tag_again_leaves_what_the_first_run_brought(mirror: Mirroring) -> None:
    first = mirror.push("asked/again", oci_image("first"))
    second = mirror.push("asked/again", oci_image("second"))
    job = job_for("asked/again", first)
    with app_of(mirror) as app:
        app.dispatch.run(Copy.of_pull(Reference("asked/again", None, second.root.digest), "second").to_json(), 1)
        app.dispatch.run(job.to_json(), 1)
        before = mirror.records.get(job.id)
    wait_until_older(job.at, 1)
    with app_of(mirror, MIRROR_RECHECK_SECONDS="1") as app:
        app.dispatch.run(job.checking_again(about=job.at).to_json(), 1)
    after = mirror.records.get(job.id)
    assert before is not None
    assert after is not None
    assert (after.state, after.fields["tagged_digest"]) == ("done", str(second.root.digest))
    for name in ("mirrored_digest", "bytes_total", "manifests", "layers", "notes"):
        assert after.fields[name] == before.fields[name]
    assert before.fields["mirrored_digest"] == before.fields["tagged_digest"] == str(first.root.digest)
    assert sent(mirror) == [{}]


def test_a_tag_is_asked_about_until_its_newest_event_is_old_enough_whoever_asks(mirror: Mirroring) -> None:
    """A pull by tag, too; and each question is a message of its own, so that a worker that dies loses none."""
    first = mirror.push("asked/pull", oci_image("first"))
    second = mirror.push("asked/pull", oci_image("second"))
    mirror.push("asked/pull", first)
    event = job_for("asked/pull", second)
    pull = Copy.of_pull(Reference("asked/pull", "latest"), "asked/pull")
    with app_of(mirror) as app:
        app.dispatch.run(event.to_json(), 1)
        assert sent(mirror) == [{}]
        # Twice against the event, and once as it says: the next replica may say something else again.
        for number, job in enumerate((pull, pull.checking_again(about=event.at))):
            app.dispatch.run(job.to_json(), 1)
            assert mirror.tagged("asked/pull", "latest") == second.root.digest
            assert sent(mirror) == [{}] * (number + 2)
        mirror.push("asked/pull", second)
        app.dispatch.run(pull.checking_again(about=event.at).to_json(), 1)
        assert sent(mirror) == [{}] * 4
        mirror.push("asked/pull", first)
    wait_until_older(event.at, 1)
    with app_of(mirror, MIRROR_RECHECK_SECONDS="1") as app:
        app.dispatch.run(pull.checking_again(about=event.at).to_json(), 1)
    assert mirror.tagged("asked/pull", "latest") == first.root.digest
    assert sent(mirror) == [{}] * 4
    record = mirror.records.get(pull.id)
    assert record is not None
    assert (record.state, record.fields["tagged_digest"]) == ("done", str(first.root.digest))


def test_a_push_that_failed_stays_failed_when_its_tag_is_asked_about_again(mirror: Mirroring) -> None:
    """And its tag ends where the registry has it, though its event said otherwise and its image can't be had."""
    there = mirror.push("asked/failed", oci_image("there"))
    lost = Copy.of_event(
        Reference("asked/failed", "latest", Digest.of(b"lost")), "lost", from_datetime(datetime.now(UTC))
    )
    with app_of(mirror, MIRROR_NOT_FOUND_SECONDS="1") as app:
        app.dispatch.run(lost.to_json(), 1)
        time.sleep(1)
        app.dispatch.run(json.dumps(next_message(mirror)), 1)
        before = mirror.records.get(lost.id)
        assert before is not None
        assert before.state == "gone"
        (check,) = sent(mirror)
    moved = mirror.push("asked/failed", oci_image("moved"))
    assert moved.root.digest != there.root.digest
    wait_until_older(lost.at, 1)
    with app_of(mirror, MIRROR_RECHECK_SECONDS="1") as app:
        app.dispatch.run(lost.checking_again(about=lost.at, ended="gone").to_json(), 1)
    after = mirror.records.get(lost.id)
    assert after is not None
    assert (after.state, after.fields["error_answered"]) == ("gone", before.fields["error_answered"])
    assert mirror.tagged("asked/failed", "latest") == moved.root.digest
    assert check == {}


def test_what_crashed_before_it_had_a_record_can_be_retried_from_the_one_it_gets(mirror: Mirroring) -> None:
    image = mirror.push("crashed", oci_image("crashed"))
    job = job_for("crashed", image)
    with app_of(mirror) as app:
        app.dispatch.bury(job.to_json())
        record = mirror.records.get(job.id)
        assert record is not None
        assert (record.state, record.fields["error_code"]) == ("failed", "crashed")
        app.pulls.retry(job.id)
        (message,) = sent(mirror)
        assert Reference(message["repository"], message["tag"], Digest.parse(message["digest"])) == job.reference
        app.dispatch.run(json.dumps(message), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"


def test_an_event_is_in_the_history_before_anything_is_asked_and_once(mirror: Mirroring) -> None:
    """Also of what can't be had: it was pushed, and that stays true."""
    job = Copy.of_event(Reference("seen", "v1", Digest.of(b"lost")), "e1", from_datetime(datetime.now(UTC)))
    with app_of(mirror) as app:
        for delivery in (1, 2):
            app.dispatch.run(job.to_json(), delivery)
    (name,) = mirror.reader.names("history/seen/_tags/v1/")
    assert job.at in name
    assert job.reference.digest is not None
    assert job.reference.digest.encoded in name
    assert name.endswith("-e1")


def test_a_job_that_waited_for_other_workers_has_failed_no_attempt(mirror: Mirroring) -> None:
    image = mirror.push("waiting", oci_image("waiting", layers=[9 * 2**20]))
    job = job_for("waiting", image)
    with app_of(mirror, MIRROR_CLAIM_STALE_SECONDS="2") as app, at_work_elsewhere(mirror, image):
        app.dispatch.run(job.to_json(), 1)
    assert read_task(json.dumps(next_message(mirror))) == job
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, record.fields["attempt"]) == ("waiting", 0)


def slow_run(mirror: Mirroring) -> tuple[Run, list[Descriptor]]:
    """One that copies the first of two layers of 200 GiB, which it has had to wait for."""
    layers = [Descriptor("application/octet-stream", Digest.of(name), 200 * 2**30) for name in (b"large", b"waiting")]
    run = Run(mirror.records, job_for("large", oci_image("large")), 1, Telemetry(None))
    for layer in layers:
        run.progress.plan(layer)
    run.progress.state(layers[0].digest, "copying")
    run.progress.reading(layers[0].digest)(20_000_000)
    return run, layers


def begun(run: Run, layer: Descriptor, seconds: float) -> None:
    """As if its first byte had come so long ago."""
    run.progress.layers[str(layer.digest)].first = time.monotonic() - seconds


def test_a_layer_that_outlasts_a_run_is_warned_of_once(mirror: Mirroring, caplog: pytest.LogCaptureFixture) -> None:
    run, layers = slow_run(mirror)
    run.figures()
    assert run.notes() == []
    begun(run, layers[0], 40)
    run.figures()
    run.figures()
    (note,) = run.notes()
    assert str(layers[0].digest) in note
    assert sum(str(layers[0].digest) in line for line in caplog.messages) == 1


@pytest.mark.parametrize(("seconds", "notes"), [(3000, 0), (4000, 1)])
def test_a_warning_that_did_not_come_true_is_not_kept(mirror: Mirroring, seconds: float, notes: int) -> None:
    run, layers = slow_run(mirror)
    begun(run, layers[0], 40)
    run.figures()
    assert len(run.notes()) == 1
    begun(run, layers[0], seconds)
    run.progress.state(layers[0].digest, "done")
    assert len(run.notes()) == notes


def test_a_layer_that_is_read_again_is_timed_from_its_first_byte_then(mirror: Mirroring) -> None:
    run, layers = slow_run(mirror)
    begun(run, layers[0], 40)
    run.progress.reading(layers[0].digest)(1)
    run.figures()
    assert run.notes() == []
