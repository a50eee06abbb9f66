"""Restores: from the mirror into another registry, with the first one gone."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from acrmirror.app import App
from acrmirror.errors import InvalidReference, Malformed, NotHere, Refused, WrongState
from acrmirror.mirror import Layout
from acrmirror.moments import from_datetime
from acrmirror.reference import Digest
from acrmirror.work import BACKFILL_QUEUE, JobId, Record, Restore, read_task
from standins.stack import Stack
from testkit.images import SHAPES, Image, multi_arch, oci_image, signature, together
from testkit.push import Pusher
from tests.integration.crashing import Crashing
from tests.integration.mirroring import Mirroring, mirroring
from tests.integration.restoring import Held, held, mirrored, received, registry_at, writes
from tests.integration.running import app_of

MANY = {"many-manifests", "120-layers", "4-mib-manifest"}
"""Shapes that take many requests, and are copied by the same steps as others."""
KILLED = ("nested-index", "referrers", "mixed-packings")


@pytest.fixture
def mirror(make_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirroring]:
    """Two registries and storage, without a Functions host."""
    stack = make_stack(functions=False, target=True)
    for name, value in stack.identity.environment().items():
        monkeypatch.setenv(name, value)
    with mirroring(stack) as opened:
        yield opened


@pytest.fixture
def app(mirror: Mirroring) -> Iterator[App]:
    with app_of(mirror) as opened:
        yield opened


def taken(mirror: Mirroring) -> list[str]:
    """All messages of the backfill queue, which are deleted."""
    options = mirror.stack.account.client_options
    endpoint = mirror.stack.queue_endpoint
    with QueueClient(endpoint, BACKFILL_QUEUE, message_decode_policy=TextBase64DecodePolicy(), **options) as queue:
        found = []
        for message in queue.receive_messages(messages_per_page=32):
            found.append(str(message.content))
            queue.delete_message(message)
        return found


def run_all(mirror: Mirroring, run: Callable[[str], object]) -> None:
    """What is in the backfill queue, and what that requests."""
    while messages := taken(mirror):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, messages))


def restored(mirror: Mirroring, app: App, *patterns: str, **options: Any) -> Record:
    record = app.restores.request(list(patterns) or ["*"], **options)
    run_all(mirror, lambda message: app.dispatch.run(message, 1))
    found = mirror.records.get(record.id)
    assert found is not None
    return found


def at_target(mirror: Mirroring) -> dict[str, Held]:
    with registry_at(mirror.stack, mirror.stack.target) as registry:
        return held(registry)


def target_pusher(mirror: Mirroring) -> Pusher:
    target = mirror.stack.target
    return Pusher(target.host, target.username, target.password, target.ca)


def blobs_of(images: dict[str, Image]) -> dict[Digest, int]:
    """Their sizes, each once."""
    return {it.descriptor.digest: it.descriptor.size for image in images.values() for it in image.blobs}


def test_images_of_every_shape_come_back_with_workers_killed_on_the_way(mirror: Mirroring, app: App) -> None:
    images = {f"shapes/{shape}": make() for shape, make in SHAPES.items() if shape not in MANY}
    mirrored(mirror, app, images)
    with registry_at(mirror.stack, mirror.stack.registry) as registry:
        before = held(registry)
    mirror.stack.stop_registry()
    target = mirror.stack.target
    target.reset_requests()
    killed = []
    record = app.restores.request(["*"])
    with Crashing(mirror.stack.app_environment()) as crashing:

        def kill(message: str) -> None:
            """Each delivery dies at its tenth write, until one has fewer left."""
            deliveries = 1
            while crashing.call("dispatch.run", message, deliveries, at=10) is None:
                killed.append(message)
                deliveries += 1
                assert deliveries < 50, message

        while messages := taken(mirror):
            dying = [it for it in messages if any(f"shapes/{shape}" in it for shape in KILLED)]
            for message in dying:
                kill(message)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda it: app.dispatch.run(it, 1), set(messages) - set(dying)))
    report = app.restores.report(record.id)
    told = [(it.fields["repository"], it.fields["error_answered"]) for it in report.failures]
    assert (report.record.state, report.jobs.get("done")) == ("done", sum(report.jobs.values())), told
    assert len(killed) >= len(KILLED)
    assert at_target(mirror) == before
    # Blobs of less than 4 KiB are sent again rather than noted.
    blobs = blobs_of(images)
    assert (
        sum(blobs.values()) <= received(target) <= sum(blobs.values()) + sum(it for it in blobs.values() if it < 4096)
    )

    target.reset_requests()
    again = restored(mirror, app)
    report = app.restores.report(again.id)
    assert (again.state, report.jobs) == ("done", {"done": report.present})
    assert (report.restored, report.bytes_sent) == (0, 0)
    assert writes(target) == []


def test_what_a_target_refuses_is_told_with_cause_and_remedy(mirror: Mirroring, app: App) -> None:
    target = mirror.stack.target
    names = ("kept", "moved", "deleted", "short", "good")
    images = {f"refused/{name}": oci_image(f"refused-{name}", layers=[300_000]) for name in names}
    mirrored(mirror, app, images)
    mirror.stack.stop_registry()
    other = oci_image("somebody's")
    with target_pusher(mirror) as pusher:
        pusher.image("refused/moved", other)
        pusher.image("refused/deleted", images["refused/deleted"])
        target.set_soft_delete(True)
        pusher.delete_manifest("refused/deleted", images["refused/deleted"].root.digest)
        target.set_soft_delete(False)
    rules = [
        {"match": {"kind": "upload", "method": "PUT", "path": "refused/short"}, "do": {"status": 413}},
        {"match": {"kind": "upload", "path": "refused/kept", "count": 2}, "do": {"status": 429, "retry_after": 0.1}},
    ]
    target.set_faults(rules)
    record = restored(mirror, app, "refused/*")
    report = app.restores.report(record.id)
    assert report.jobs == {"done": 2, "failed": 3}
    failed = {it.fields["repository"]: it.id for it in report.failures}
    told = {it.fields["repository"]: it.fields for it in report.failures}
    assert set(told) == {"refused/moved", "refused/deleted", "refused/short"}
    moved, deleted, short = (told[f"refused/{name}"] for name in ("moved", "deleted", "short"))
    assert (moved["error_code"], deleted["error_code"], short["error_code"]) == (
        "tag-kept",
        "soft-deleted",
        "permanent",
    )
    assert str(other.root.digest) in moved["error_answered"]
    assert "az acr manifest restore" in deleted["error_remedy"]
    assert "let 16 MiB through" in short["error_remedy"]
    assert at_target(mirror)["refused/moved"].tags == {"latest": other.root.digest}

    # Somebody has sent one again by itself, and it failed once more.
    app.pulls.retry(failed["refused/short"])
    run_all(mirror, lambda message: app.dispatch.run(message, 1))
    assert app.restores.report(record.id).jobs == {"done": 2, "failed": 3}
    target.clear_faults()
    target.reset_requests()
    app.pulls.retry(record.id)
    (message,) = taken(mirror)
    for deliveries in (1, 2):
        app.dispatch.run(message, deliveries)
        requested = taken(mirror)
        assert len(requested) == (3 if deliveries == 1 else 0), "what failed, once"
        for it in requested:
            app.dispatch.run(it, 1)
        assert app.restores.report(record.id).jobs == {"done": 3, "failed": 2}
    assert not target.requests(path="refused/good"), "what is restored is not looked at again"

    again = restored(mirror, app, "refused/moved", overwrite=True)
    assert app.restores.report(again.id).jobs == {"done": 1}
    assert at_target(mirror)["refused/moved"].tags == {"latest": images["refused/moved"].root.digest}


def test_a_target_without_the_role_is_waited_for_and_told(mirror: Mirroring, app: App) -> None:
    image = oci_image("role")
    mirrored(mirror, app, {"team/app": image})
    client = mirror.stack.client_id
    mirror.stack.target.set_grants({client: {"repositories": ["*"], "actions": ["pull"]}})
    record = restored(mirror, app, "team/app")
    (child,) = mirror.records.children(record.id, ["PartitionKey", "RowKey", "state", "error_code", "error_remedy"])
    assert (child.state, child.fields["error_code"]) == ("waiting", "denied")
    assert "AcrPush" in child.fields["error_remedy"]
    mirror.stack.target.set_grants({})

    def ran() -> bool:
        run_all(mirror, lambda message: app.dispatch.run(message, 1))
        return bool(at_target(mirror))

    mirror.wait(ran, 60, "the role's effect")
    assert at_target(mirror)["team/app"].tags == {"latest": image.root.digest}


def test_a_tag_that_moved_is_restored_as_it_was_at_each_moment(mirror: Mirroring, app: App) -> None:
    moments = []
    images = [oci_image(f"version-{number}", layers=[5000]) for number in range(5)]
    for image in images:
        mirrored(mirror, app, {"team/moving": image})
        time.sleep(1.1)  # the registry's own time has no fraction
        moments.append(from_datetime(datetime.now(UTC)))
    mirror.stack.stop_registry()
    for number, (image, moment) in enumerate(zip(images, moments, strict=True)):
        record = restored(mirror, app, "team/moving:latest", at=str(moment), prefix=f"at-{number}")
        assert app.restores.report(record.id).jobs == {"done": 1}
        assert at_target(mirror)[f"at-{number}/team/moving"].tags == {"latest": image.root.digest}
    before = restored(mirror, app, "team/moving", at="2020-01-01")
    assert (before.state, before.fields["match_listed"]) == ("done", 0)


def test_a_dry_run_tells_what_would_be_sent_and_sends_nothing(mirror: Mirroring, app: App) -> None:
    shared = oci_image("dry", layers=[200_000])
    signed = together(shared, signature("dry", shared.root))
    mirrored(mirror, app, {"dry/one": signed, "dry/two": signed, "dry/three": oci_image("dry-three")})
    with target_pusher(mirror) as pusher:
        pusher.image("dry/three", oci_image("another"))
    target = mirror.stack.target
    target.reset_requests()
    told = restored(mirror, app, "dry/*", dry_run=True)
    assert (told.state, writes(target)) == ("done", [])
    assert told.fields["restore_refused"] == 1
    assert "dry/three:latest" in told.fields["notes"][0]
    assert told.fields["match_requested"] == 2
    target.reset_requests()
    report = app.restores.report(restored(mirror, app, "dry/*").id)
    manifests = sum(it.descriptor.size for it in signed.manifests) * 2
    assert told.fields["restore_bytes"] == report.bytes_sent + manifests
    asked = [it for it in target.requests() if it["counted"] and "dry/three" not in it["path"]]
    assert abs(told.fields["restore_requests"] - len(asked)) <= 4, asked
    again = restored(mirror, app, "dry/*", dry_run=True).fields
    assert (again["restore_bytes"], again["restore_requests"], again["restore_present"]) == (0, 0, 2)


def test_a_damaged_index_does_not_keep_the_rest_from_being_restored(mirror: Mirroring, app: App) -> None:
    index = multi_arch("broken")
    mirrored(mirror, app, {"broken/index": index, "later/app": oci_image("later")})
    data = Layout().blob_data(index.root.digest)
    mirror.container.delete_blob(data)
    for dry_run in (True, False):
        told = restored(mirror, app, "*", dry_run=dry_run)
        assert told.state == "incomplete"
        assert any(str(index.root.digest) in it for it in told.fields["notes"]), told.fields["notes"]
    assert "later/app" in at_target(mirror)
    # Its children are requested by themselves (`manifests` has the index, too); its own job waits to be mended.
    assert app.restores.report(told.id).jobs == {"done": len(index.manifests), "waiting": 1}


def test_a_cancel_comes_before_the_images_are_looked_for(mirror: Mirroring, app: App) -> None:
    """Else what is requested in between would go on pushing."""
    record = app.restores.request(["cancelled/*"])
    task = read_task(taken(mirror)[0])
    assert isinstance(task, Restore)
    child = task.image("cancelled/app", "1", Digest.of(b"x"))
    cancelled: list[str] = []

    def cancel(identity: str) -> Record:
        if not cancelled:
            mirror.records.add(child)
        cancelled.append(identity)
        found = mirror.records.get(identity)
        assert found is not None
        return found

    assert app.restores.cancel(record.id, cancel).id == record.id
    assert cancelled == [record.id, child.id]

    def over(identity: str) -> Record:
        if identity == record.id:
            raise WrongState("cancel it", "it is done already", "Nothing is left to stop.")
        return cancel(identity)

    assert app.restores.cancel(record.id, over).id == record.id
    assert cancelled[2:] == [child.id]
    mirror.records.change(child.id, {"state": "cancelled"})
    with pytest.raises(WrongState):
        app.restores.cancel(record.id, over)


def test_an_image_that_was_on_its_way_when_its_restore_was_cancelled_is_not_restored(
    mirror: Mirroring, app: App
) -> None:
    """Its message was in the queue, and its record not written yet."""
    mirrored(mirror, app, {"late/app": oci_image("late")})
    record = app.restores.request(["late/*"])
    app.dispatch.run(taken(mirror)[0], 1)
    (message,) = taken(mirror)
    mirror.records.change(record.id, {"state": "cancelled", "cancel_requested": True})
    app.dispatch.run(message, 1)
    assert app.restores.report(record.id).jobs == {"cancelled": 1}
    assert at_target(mirror) == {}


def test_what_can_not_be_restored_at_all_is_refused_at_once(mirror: Mirroring, app: App) -> None:
    with pytest.raises(Refused, match="settings name"):
        app.restores.request(["*"], target="elsewhere.azurecr.io")
    with pytest.raises(Malformed):
        app.restores.request(["*"], at="yesterday")
    with pytest.raises(Malformed):
        app.restores.request(["!team/*"])
    with pytest.raises(InvalidReference):
        app.restores.request(["*"], prefix="No Name")
    with pytest.raises(NotHere):
        app.restores.report(JobId.of(datetime.now(UTC), "none"))
    with app_of(mirror, MIRROR_RESTORE_TARGETS="") as without, pytest.raises(Refused, match="MIRROR_RESTORE_TARGETS"):
        without.restores.request(["*"])
    assert taken(mirror) == []
