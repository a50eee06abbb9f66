"""Runs of a sweep, in the test's own process."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from acrmirror.reference import Reference
from acrmirror.sync.requesting import NAMES
from acrmirror.work import BACKFILL_QUEUE, JobId, Sweep
from testkit.images import oci_image
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, asked_in, sent


def test_a_sweep_that_begins_again_asks_for_the_same_jobs_and_for_each_once(bare_mirror: Mirroring) -> None:
    """The first run gets through one of two repositories, and leaves the record that a killed one leaves."""
    mirror = bare_mirror
    for repository in ("sweep/a", "sweep/b"):
        for tag in ("v1", "v2", "v3"):
            mirror.push(repository, oci_image(f"{repository} {tag}", tag=tag))
    sweep = Sweep.now(("sweep/*",), "seed", dry_run=False)
    gone = {"match": {"path": "/acr/v1/sweep/b/_manifests"}, "do": {"status": 404}}
    with app_of(mirror) as app:
        mirror.stack.registry.set_faults([gone])
        app.dispatch.run(sweep.to_json(), 1)
        first = set(asked_in(sent(mirror, BACKFILL_QUEUE)))
        assert len(first) == 3
        mirror.records.change(sweep.id, {"state": "running", "finished": ""})
        mirror.stack.registry.clear_faults()
        app.dispatch.run(sweep.to_json(), 2)
        app.dispatch.run(sweep.to_json(), 3)
    asked = {it.id for it in mirror.jobs("sweep/a") + mirror.jobs("sweep/b")}
    assert len(asked) == 6
    assert mirror.waiting_messages() == 2
    assert first < asked
    record = mirror.records.get(sweep.id)
    assert record is not None
    assert (record.state, record.fields["deliveries"], record.fields["match_requested"]) == ("done", 2, 6)
    assert mirror.records.states_of_children(sweep.id) == {"queued": 6}


def test_a_sweep_whose_run_was_overtaken_writes_no_more(bare_mirror: Mirroring) -> None:
    mirror = bare_mirror
    mirror.push("sweep/c", oci_image("sweep/c", tag="v1"))
    sweep = Sweep.now(("sweep/c",), "overtaken", dry_run=True)
    with app_of(mirror) as app:
        app.dispatch.run(sweep.to_json(), 3)
        mirror.records.change(sweep.id, {"state": "running"})
        before = mirror.records.get(sweep.id)
        app.dispatch.run(sweep.to_json(), 2)
    assert mirror.records.get(sweep.id) == before


def all_sent(mirror: Mirroring) -> list[dict[str, Any]]:
    """The jobs of the backfill queue. One that was looked at just now can't be seen for a second."""
    time.sleep(1.2)
    return sent(mirror, BACKFILL_QUEUE)


@pytest.mark.parametrize("retried", [False, True])
def test_what_was_asked_for_often_within_an_hour_is_asked_for_once_more(bare_mirror: Mirroring, retried: bool) -> None:
    """All the names that sweeps of this hour share for the copy are used up by jobs that have ended, and did not bring
    it. A run that comes again, and one that a person sends again, ask for one each."""
    mirror, repository = bare_mirror, f"sweep/often-{retried}".lower()
    image = mirror.push(repository, oci_image(repository, tag="v1"))
    sweep = Sweep.now((repository,), f"often {retried}", dry_run=False)
    earlier = replace(sweep, id=JobId(f"{sweep.id.moment}-{'0' * 12}"))
    reference, digest = Reference(repository, "v1"), image.root.digest
    names = [earlier.job(reference, digest, number) for number in range(NAMES)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda it: mirror.records.write(it.id, it.asked | {"state": "failed"}, None), names))
    with app_of(mirror) as app:
        app.dispatch.run(sweep.to_json(), 1)
        (job,) = all_sent(mirror)
        mirror.records.change(sweep.id, {"state": "running", "finished": ""})
        app.dispatch.run(sweep.to_json(), 2)
        assert [it["id"] for it in all_sent(mirror)] == [job["id"]]
        assert mirror.records.states_of_children(sweep.id) == {"queued": 1}
        if retried:
            mirror.records.change(job["id"], {"state": "failed"})
            app.dispatch.run(replace(sweep, retries=1).to_json(), 1)
            assert len({it["id"] for it in all_sent(mirror)}) == 2
        app.dispatch.run(json.dumps(job), 1)
    assert mirror.tagged(repository, "v1") == image.root.digest
