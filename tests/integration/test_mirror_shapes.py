"""Every kind of image that a registry serves: pushed, told by its events, mirrored, read back."""

from collections.abc import Iterator

import pytest

from standins.stack import Stack
from testkit.images import SHAPES, UNSERVABLE, Image
from testkit.push import Pusher
from testkit.reader import verify_all, verify_repository
from tests.integration.mirroring import Mirroring, mirroring


@pytest.fixture
def mirror(stack: Stack) -> Iterator[Mirroring]:
    with mirroring(stack) as opened:
        yield opened


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_pushed_stands_and_is_whole(mirror: Mirroring, shape: str) -> None:
    repository = f"shapes/{shape}"
    image = mirror.push(repository, SHAPES[shape]())
    jobs = mirror.wait_for(len(image.manifests), repository)
    assert {job.state for job in jobs} == {"done"}, mirror.tell()
    assert len(jobs) == len(image.manifests)
    for stored in image.manifests:
        served = mirror.reader.manifest(repository, str(stored.descriptor.digest))
        assert served.raw == stored.raw
        if stored.tag is not None:
            assert mirror.tagged(repository, stored.tag) == stored.descriptor.digest
    report = verify_repository(mirror.reader, repository)
    assert report.is_whole, str(report)
    noted = any("stock registry" in note for job in jobs for note in [str(job.fields.get("notes", ""))])
    assert noted == (shape in UNSERVABLE)


def test_what_is_left_out_is_recorded(mirror: Mirroring) -> None:
    image = mirror.push("left-out", SHAPES["foreign-layer"]())
    (job,) = mirror.wait_for(1, "left-out")
    assert job.state == "done"
    missing = {str(it) for it in image_layers(image)} - {str(blob.descriptor.digest) for blob in image.blobs}
    assert missing
    assert all(digest in str(job.fields["left_out"]) for digest in missing)
    assert not mirror.stack.registry.requests(path="urls")


def image_layers(image: Image) -> list[object]:
    import json

    body = json.loads(image.manifests[-1].raw)
    return [layer["digest"] for layer in body["layers"]]


def test_the_same_push_in_cloud_events(make_stack) -> None:  # type: ignore[no-untyped-def]
    started: Stack = make_stack(event_schema="cloudevents")
    with mirroring(started) as mirror:
        image = mirror.push("team/app", SHAPES["oci-index"]())
        jobs = mirror.wait_for(len(image.manifests))
        assert {job.state for job in jobs} == {"done"}
        report = verify_all(mirror.reader)
        assert report.is_whole, str(report)


def test_an_anonymous_registry_is_mirrored_without_a_credential(make_stack) -> None:  # type: ignore[no-untyped-def]
    started: Stack = make_stack(anonymous=True)
    with mirroring(started) as mirror:
        mirror.push("team/app", SHAPES["oci"]())
        (job,) = mirror.wait_for(1)
        assert job.state == "done", mirror.tell()
        assert not started.registry.requests(kind="exchange")


def test_a_deletion_takes_nothing_away(mirror: Mirroring) -> None:
    image = mirror.push("deleted", SHAPES["oci"]())
    mirror.wait_for(1, "deleted")
    pusher: Pusher = mirror.pusher
    pusher.delete_manifest("deleted", image.root.digest)
    jobs = mirror.wait_for(2, "deleted")
    assert [job.fields["kind"] for job in jobs].count("deletion") == 1
    assert {job.state for job in jobs} == {"done"}
    assert verify_repository(mirror.reader, "deleted").is_whole
    assert mirror.tagged("deleted", "latest") == image.root.digest
    history = list(mirror.reader.names(f"history/deleted/_digests/sha256-{image.root.digest.encoded}/"))
    assert len(history) == 1


def test_an_event_that_says_deleted_while_it_stands_is_not_believed(mirror: Mirroring) -> None:
    image = mirror.push("kept", SHAPES["oci"]())
    mirror.wait_for(1, "kept")
    (event,) = [it for it in mirror.stack.registry.events() if "kept" in str(it)]
    lie = dict(event["event"])
    lie |= {"id": "a-lie", "eventType": "Microsoft.ContainerRegistry.ImageDeleted"}
    mirror.stack.registry.deliver_body([lie])
    jobs = mirror.wait_for(2, "kept")
    assert "still has it" in str(jobs[-1].fields["notes"]) + str(jobs[0].fields["notes"])
    assert not list(mirror.reader.names(f"history/kept/_digests/sha256-{image.root.digest.encoded}/"))
