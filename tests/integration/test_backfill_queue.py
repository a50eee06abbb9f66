"""Sweeps and what they ask for have a queue of their own (rule W7)."""

import json
import time
from collections.abc import Callable

from acrmirror.work import BACKFILL_QUEUE, JOB_QUEUE, Sweep
from standins.stack import Stack
from testkit.images import oci_image
from tests.integration.http_api import Caller
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.running import app_of, sent

BULK = 400


def test_a_sweep_its_jobs_and_their_retries_keep_to_the_queue_of_sweeps(bare_mirror: Mirroring) -> None:
    mirror = bare_mirror
    mirror.push("backfill/a", oci_image("backfill/a", tag="v1"))
    with app_of(mirror) as app:
        app.sweeps.ask(["backfill/a"], dry_run=False)
        (message,) = sent(mirror, BACKFILL_QUEUE)
        assert message["kind"] == "match"
        sweep = Sweep.now(("backfill/a",), "keeps to it", dry_run=False)
        app.dispatch.run(sweep.to_json(), 1)
        (job,) = mirror.jobs("backfill/a")
        mirror.stack.registry.set_faults([{"match": {"kind": "manifest"}, "do": {"status": 503}}])
        for asked in sent(mirror, BACKFILL_QUEUE):
            if asked.get("id") == job.id:
                app.dispatch.run(json.dumps(asked), 1)
        mirror.stack.registry.clear_faults()
        assert [it.state for it in mirror.jobs("backfill/a")] == ["waiting"]
        app.pulls.cancel(job.id)
        app.pulls.retry(job.id)
    # The sweep requested first, the job, its next attempt, and its retry by hand.
    assert len(sent(mirror, BACKFILL_QUEUE)) == 4
    assert sent(mirror, JOB_QUEUE) == []


def test_a_pull_of_one_image_keeps_to_the_queue_of_pushes(bare_mirror: Mirroring) -> None:
    mirror = bare_mirror
    before = len(sent(mirror, BACKFILL_QUEUE))
    mirror.push("backfill/one", oci_image("backfill/one", tag="v1"))
    with app_of(mirror) as app:
        asked = app.pulls.ask("backfill/one:v1")
    assert asked.id in {it.get("id") for it in sent(mirror, JOB_QUEUE)}
    assert len(sent(mirror, BACKFILL_QUEUE)) == before


def test_a_push_behind_hundreds_of_jobs_of_a_sweep_is_mirrored_as_when_idle(make_stack: Callable[..., Stack]) -> None:
    """With one process for all functions, the worst case: on Flex Consumption each has instances of its own."""
    stack = make_stack(workers=1)
    call = Caller.of(stack)
    with mirroring(stack) as mirror:
        stack.registry.set_event_manner(hold=True)
        image = mirror.push("bulk/app", oci_image("bulk", tag="first"))
        (root,) = (it for it in image.manifests if it.descriptor.digest == image.root.digest)
        for number in range(BULK - 1):
            mirror.pusher.manifest("bulk/app", root.raw, root.descriptor.media_type, f"v{number}")
        stack.registry.forget_events()
        stack.registry.set_event_manner()
        idle = push_and_wait(mirror, "live/idle")
        sweep = call("POST", "pulls", {"match": ["bulk/*"]}).json["id"]
        mirror.wait(lambda: len(mirror.jobs("bulk/app")) == BULK, 60, "the jobs of the sweep")
        behind = push_and_wait(mirror, "live/behind")
        waiting = call("GET", f"pulls/{sweep}").json["match"]["jobs"].get("queued", 0)
        print(f"idle {idle:.2f} s, behind {waiting} jobs of a sweep {behind:.2f} s")
        assert waiting > BULK / 2
        assert behind < 3


def push_and_wait(mirror: Mirroring, repository: str) -> float:
    begun = time.monotonic()
    mirror.push(repository, oci_image(repository, tag="v1"))
    mirror.wait(lambda: mirror.tagged(repository, "v1") is not None, 60, f"the push of {repository}")
    return time.monotonic() - begun
