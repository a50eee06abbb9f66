"""What a sweep compares (rules L4 and Y1), what it asks for (W7), and what it says of the rest (W8)."""

import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from acrmirror.app import App
from acrmirror.jobs import underway
from acrmirror.reference import Digest
from acrmirror.work import BACKFILL_QUEUE, Record, Sweep
from testkit.images import Image, multi_arch, oci_image, sbom, signature, unknown_subject
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, asked_in, job_for, sent


@pytest.fixture
def team() -> str:
    return f"compare-{uuid.uuid4().hex[:8]}"


def swept(mirror: Mirroring, app: App, *patterns: str) -> Record:
    """The record of a sweep that has run, and not what it requested."""
    sweep = Sweep.now(patterns, uuid.uuid4().hex, dry_run=False)
    app.dispatch.run(sweep.to_json(), 1)
    record = mirror.records.get(sweep.id)
    assert record is not None
    return record


def run_asked(mirror: Mirroring, app: App) -> list[dict[str, Any]]:
    """Runs each message in the queue of sweeps once."""
    messages: list[dict[str, Any]] = []
    while (some := sent(mirror, BACKFILL_QUEUE)) and some != [{}] * len(some):
        for queue in mirror.queues:
            if queue.queue_name == BACKFILL_QUEUE and len(some) <= 32:
                queue.clear_messages()
        for message in filter(None, some):
            app.dispatch.run(json.dumps(message), 1)
        messages += some
    return messages


def in_mirror(mirror: Mirroring, repository: str) -> set[Digest]:
    folder = f"docker/registry/v2/repositories/{repository}/_manifests/revisions/"
    parts = (name.removeprefix(folder).split("/") for name in mirror.reader.names(folder))
    return {Digest(algorithm, encoded) for algorithm, encoded, _ in parts}


def every(image: Image) -> set[Digest]:
    return {it.descriptor.digest for it in image.manifests}


def names(found: Record) -> list[str]:
    return sorted(found.fields["match_sample"])


def test_untagged_manifests_and_referrers_come_and_children_come_with_their_index(
    bare_mirror: Mirroring, team: str
) -> None:
    mirror = bare_mirror
    app_name, bare = f"{team}/app", f"{team}/digests"
    tagged = mirror.push(app_name, multi_arch(f"{team} tagged", 2))
    untagged = mirror.push(app_name, oci_image(f"{team} untagged", tag=None))
    index = mirror.push(bare, multi_arch(f"{team} index", 2).tagged(None))
    signed = mirror.push(app_name, signature(team, tagged.root))
    signed_again = mirror.push(app_name, signature(f"{team} again", signed.root))
    of_child = mirror.push(app_name, sbom(team, tagged.manifests[0].descriptor))
    orphan = mirror.push(bare, sbom(team, unknown_subject(team)))
    with app_of(mirror) as app:
        found = swept(mirror, app, f"{team}/*")
        assert names(found) == sorted(
            [
                f"{app_name}:{tagged.tag}",
                f"{app_name}@{untagged.root.digest}",
                f"{app_name}@{signed_again.root.digest}",
                f"{app_name}@{of_child.root.digest}",
                f"{bare}@{index.root.digest}",
                f"{bare}@{orphan.root.digest}",
            ]
        )
        assert len(asked_in(run_asked(mirror, app))) == 6
        everything = (tagged, untagged, signed, signed_again, of_child)
        assert set().union(*map(every, everything)) <= in_mirror(mirror, app_name)
        assert every(index) | every(orphan) <= in_mirror(mirror, bare)
        again = swept(mirror, app, f"{team}/*")
    assert (again.state, again.fields["match_requested"], again.fields["match_under_way"]) == ("done", 0, 0)


def test_a_referrer_whose_subject_was_mirrored_before_it_comes(bare_mirror: Mirroring, team: str) -> None:
    """The event of a signature is lost."""
    mirror, repository = bare_mirror, f"{team}/app"
    image = mirror.push(repository, oci_image(team))
    with app_of(mirror) as app:
        app.dispatch.run(job_for(repository, image).to_json(), 1)
        late = mirror.push(repository, signature(team, image.root))
        found = swept(mirror, app, f"{team}/*")
        assert names(found) == [f"{repository}@{late.root.digest}"]
        run_asked(mirror, app)
        assert swept(mirror, app, f"{team}/*").fields["match_requested"] == 0
    assert mirror.tagged(repository, image.root.digest.referrers_tag) is not None


def test_what_belongs_to_a_tag_that_is_not_chosen_is_left_out(bare_mirror: Mirroring, team: str) -> None:
    mirror, repository = bare_mirror, f"{team}/app"
    chosen = mirror.push(repository, oci_image(team, tag="v1"))
    left_out = mirror.push(repository, multi_arch(f"{team} tmp", 2).tagged("tmp"))
    mirror.push(repository, signature(team, left_out.root))
    mirror.push(repository, oci_image(f"{team} untagged", tag=None))
    with app_of(mirror) as app:
        assert names(swept(mirror, app, f"{repository}:v*")) == [f"{repository}:{chosen.tag}"]
        mirror.queues[2].clear_messages()
        everything = swept(mirror, app, f"{team}/*", f"!{repository}:tmp")
    assert (everything.fields["match_requested"], everything.fields["match_under_way"]) == (1, 1)


def test_five_sweeps_at_once_ask_for_each_image_once(bare_mirror: Mirroring, team: str) -> None:
    mirror, repository = bare_mirror, f"{team}/app"
    image = mirror.push(repository, oci_image(team, tag="first"))
    (root,) = (it for it in image.manifests if it.descriptor.digest == image.root.digest)
    for number in range(59):
        mirror.pusher.manifest(repository, root.raw, root.descriptor.media_type, f"v{number}")
    with app_of(mirror) as app, ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: swept(mirror, app, f"{team}/*"), range(5)))
        assert len(mirror.jobs(repository)) == 60
        assert Counter(it.state for it in mirror.jobs(repository)) == {"queued": 60}
        later = swept(mirror, app, f"{team}/*")
    assert (later.fields["match_requested"], later.fields["match_under_way"]) == (0, 60)
    assert len(mirror.jobs(repository)) == 60


def test_what_an_event_has_a_job_for_is_not_asked_for_whatever_its_record_says_later(
    bare_mirror: Mirroring, team: str
) -> None:
    mirror, repository = bare_mirror, f"{team}/app"
    image = mirror.push(repository, oci_image(team))
    job = job_for(repository, image)
    with app_of(mirror) as app:
        mirror.records.add(job)
        under_way = swept(mirror, app, f"{team}/*")
        assert (under_way.fields["match_requested"], under_way.fields["match_under_way"]) == (0, 1)
        # Hours ago, and no message in the queue: it was lost, and its record says queued for good.
        mirror.records.change(job.id, {"heartbeat": "2026-01-01T00:00:00.000000000Z"})
        lost = swept(mirror, app, f"{team}/*")
        assert (lost.fields["match_requested"], lost.fields["match_under_way"]) == (1, 0)


def test_an_old_job_is_believed_while_a_message_as_old_waits(bare_mirror: Mirroring, team: str) -> None:
    """As in a backlog of hours: what was put into the queue after the oldest message there is still in it."""
    mirror, repository = bare_mirror, f"{team}/app"
    image = mirror.push(repository, oci_image(team))
    job = job_for(repository, image)
    mirror.queues[0].send_message("e30=")
    oldest = mirror.queues[0].peek_messages(1)[0].inserted_on
    assert oldest is not None
    with app_of(mirror) as app:
        mirror.records.add(job)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(underway, "PATIENCE", timedelta(0))
            assert swept(mirror, app, f"{team}/*").fields["match_under_way"] == 1
            early = (oldest - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
            mirror.records.change(job.id, {"heartbeat": early})
            assert swept(mirror, app, f"{team}/*").fields["match_requested"] == 1


def test_what_failed_is_asked_for_anew_by_the_next_sweep(bare_mirror: Mirroring, team: str) -> None:
    mirror, repository = bare_mirror, f"{team}/app"
    mirror.push(repository, oci_image(team))
    with app_of(mirror) as app:
        first = swept(mirror, app, f"{team}/*")
        (job,) = mirror.jobs(repository)
        mirror.records.change(job.id, {"state": "failed"})
        second = swept(mirror, app, f"{team}/*")
    assert [it.fields["match_requested"] for it in (first, second)] == [1, 1]
    assert {it.fields["parent"] for it in mirror.jobs(repository)} == {first.id, second.id}
    assert mirror.records.states_of_children(first.id) == {"failed": 1}
    assert mirror.records.states_of_children(second.id) == {"queued": 1}


def test_each_thing_that_can_not_be_compared_is_named_and_the_rest_is_done(bare_mirror: Mirroring, team: str) -> None:
    mirror = bare_mirror
    for name in ("a", "b", "c", "fine", "odd"):
        mirror.push(f"{team}/{name}", oci_image(f"{team}/{name}", tag="v1"))
    for number in range(4):
        mirror.push(f"{team}/cut", oci_image(f"{team} cut {number}", tag=f"v{number}"))
    mirror.stack.registry.set_faults(
        [
            {"match": {"path": f"/acr/v1/{team}/[abc](/|$)"}, "do": {"status": 403}},
            {"match": {"path": f"/acr/v1/{team}/cut/_manifests"}, "do": {"page_size": 1, "drop_link": True}},
            {"match": {"kind": "catalog"}, "do": {"also_list": f"{team}/Not a Name"}},
            {"match": {"path": f"/acr/v1/{team}/odd/_manifests"}, "do": {"also_list": "sha256:short"}},
        ]
    )
    with app_of(mirror) as app:
        found = swept(mirror, app, f"{team}/*")
        mirror.stack.registry.clear_faults()
        run_asked(mirror, app)
    assert (found.state, found.fields["error_code"]) == ("incomplete", "incomplete")
    notes = found.fields["notes"]
    for place in (*(f"{team}/{name}: " for name in "abc"), f"{team}/cut: ", "Not a Name", f"{team}/odd: "):
        assert len([note for note in notes if place in note]) == 1, (place, notes)
    assert len(notes) == 6
    assert "its notes name" in found.fields["error_answered"]
    assert found.fields["match_requested"] == 3
    for name in ("fine", "odd"):
        assert mirror.tagged(f"{team}/{name}", "v1") is not None
    assert [mirror.tagged(f"{team}/cut", f"v{it}") is None for it in range(4)].count(False) == 1


def test_health_finds_no_fault_with_a_registry_that_lists_a_name_that_is_none(bare_mirror: Mirroring) -> None:
    """The sweep tells of it; all else works."""
    bare_mirror.stack.registry.set_faults([{"match": {"kind": "catalog"}, "do": {"also_list": "0/Not a Name"}}])
    with app_of(bare_mirror) as app:
        found = {it.name: it.error for it in app.health.run().checks}
    bare_mirror.stack.registry.clear_faults()
    assert found["registry"] is None


def test_a_repository_that_went_meanwhile_leaves_the_sweep_whole(bare_mirror: Mirroring, team: str) -> None:
    mirror = bare_mirror
    for name in ("a", "gone"):
        mirror.push(f"{team}/{name}", oci_image(f"{team}/{name}", tag="v1"))
    mirror.stack.registry.set_faults([{"match": {"path": f"/acr/v1/{team}/gone"}, "do": {"status": 404}}])
    with app_of(mirror) as app:
        found = swept(mirror, app, f"{team}/*")
    mirror.stack.registry.clear_faults()
    assert (found.state, found.fields["match_requested"]) == ("done", 1)
    assert found.fields["notes"] == [f"{team}/gone: it is no longer there"]


def test_a_retried_sweep_asks_anew_for_what_has_failed_and_for_nothing_else(bare_mirror: Mirroring, team: str) -> None:
    mirror = bare_mirror
    for name in ("ends", "waits"):
        mirror.push(f"{team}/{name}", oci_image(f"{team}/{name}", tag="v1"))
    sweep = Sweep.now((f"{team}/*",), team, dry_run=False)
    with app_of(mirror) as app:
        app.dispatch.run(sweep.to_json(), 1)
        (job,) = mirror.jobs(f"{team}/ends")
        mirror.records.change(job.id, {"state": "failed"})
        mirror.records.change(sweep.id, {"state": "incomplete"})
        app.pulls.retry(sweep.id)
        retried = next(it for it in sent(mirror, BACKFILL_QUEUE) if it.get("id") == sweep.id and it.get("retries"))
        app.dispatch.run(json.dumps(retried), 1)
    assert sorted(it.state for it in mirror.jobs(f"{team}/ends")) == ["failed", "queued"]
    assert len(mirror.jobs(f"{team}/waits")) == 1


def test_a_repository_in_sync_costs_the_registry_two_requests_for_a_thousand_tags(
    bare_mirror: Mirroring, team: str
) -> None:
    """Here there are more than a page has where nobody asks for more: a count and one page, and nothing for each."""
    mirror, repository, registry = bare_mirror, f"{team}/many", bare_mirror.stack.registry
    image = mirror.push(repository, oci_image(team, tag="v0"))
    (root,) = (it for it in image.manifests if it.descriptor.digest == image.root.digest)
    with app_of(mirror) as app:
        app.dispatch.run(job_for(repository, image).to_json(), 1)
        for number in range(1, 120):
            raw = root.raw.rstrip()[:-1] + f',"annotations":{{"number":"{number}"}}}}'.encode()
            mirror.pusher.manifest(repository, raw, root.descriptor.media_type, f"v{number}")
        assert swept(mirror, app, f"{team}/*").fields["match_requested"] == 119
        run_asked(mirror, app)
        registry.reset_requests()
        found = swept(mirror, app, f"{team}/*")
    assert (found.fields["match_mirrored"], found.fields["match_requested"]) == (120, 0)
    asked = [it["path"] for it in registry.requests() if it["status"] != 401]
    assert len([it for it in asked if unquote(it).startswith(f"/acr/v1/{repository}")]) == 2
