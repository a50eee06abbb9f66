"""Archives whose runs end early: what is staged is not staged again, and nothing is there before it is whole."""

from urllib.parse import urlsplit

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.app import App
from acrmirror.jobs.pulls import task_of
from acrmirror.mirror import Layout
from acrmirror.work import Archive, BackfillTask, Record
from standins.foundation import Foundation
from testkit.images import Image, oci_image
from testkit.stack import ARCHIVES
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, job_for, sent
from tests.integration.storage_proxy import StorageProxy

MIB = 1024 * 1024
LAYERS = (300_000, 200_000, 100_000)
REPOSITORY = "archived/app"


@pytest.fixture
def image(bare_mirror: Mirroring) -> Image:
    pushed = bare_mirror.push(REPOSITORY, oci_image("archived", LAYERS, tag="v1"))
    with app_of(bare_mirror) as app:
        app.dispatch.run(job_for(REPOSITORY, pushed).to_json(), 1)
    assert bare_mirror.tagged(REPOSITORY, "v1") == pushed.root.digest
    for queue in bare_mirror.queues:
        queue.clear_messages()
    return pushed


def requested(app: App) -> Archive:
    task = task_of(app.archives.request([f"{REPOSITORY}:v1"], "docker"))
    assert isinstance(task, Archive)
    return task


def archived(mirror: Mirroring) -> ContainerClient:
    return ContainerClient(mirror.stack.blob_endpoint, ARCHIVES, **mirror.stack.account.client_options)


def record_of(mirror: Mirroring, task: BackfillTask) -> Record:
    record = mirror.records.get(task.id)
    assert record is not None
    return record


def test_a_run_that_was_cut_off_goes_on_from_what_is_staged(
    bare_mirror: Mirroring, image: Image, foundation: Foundation
) -> None:
    stack = bare_mirror.stack
    with StorageProxy(
        stack.ca, foundation.certificates.server, root=urlsplit(stack.account.blob_endpoint).path
    ) as proxy:
        proxy.upstream = stack.account.blob_endpoint
        with app_of(bare_mirror, MIRROR_BLOB_ENDPOINT=proxy.endpoint) as app:
            task = requested(app)
            proxy.allows = lambda number: number <= 4
            app.dispatch.run(task.to_json(), 1)
            cut = record_of(bare_mirror, task)
            assert (cut.state, cut.fields["error_code"]) == ("waiting", "denied")
            first = proxy.blocks
            assert 0 < first <= 4
            with archived(bare_mirror) as container:
                assert not container.get_blob_client(f"{task.id}.tar").exists()
            proxy.allows = lambda number: True
            app.dispatch.run(task.to_json(), 2)
            done = record_of(bare_mirror, task)
            assert done.state == "done", done.fields["error_answered"]
            # A header before each of four blobs, each blob, and the end.
            assert proxy.blocks == 2 * (len(LAYERS) + 1) + 1
            assert proxy.staged < MIB
            staged = proxy.blocks
            app.dispatch.run(task.to_json(), 3)
            assert proxy.blocks == staged
    with archived(bare_mirror) as container:
        assert container.get_blob_client(f"{task.id}.tar").get_blob_properties().size == done.fields["bytes_total"]


def test_a_layer_that_is_damaged_ends_the_archive_by_name_and_a_retry_completes_it(
    bare_mirror: Mirroring, image: Image
) -> None:
    layer = max((it.descriptor for it in image.blobs), key=lambda it: it.size)
    name = Layout().blob_data(layer.digest)
    whole = bare_mirror.container.download_blob(name).readall()
    with app_of(bare_mirror) as app:
        task = requested(app)
        bare_mirror.container.upload_blob(name, whole[:-1], overwrite=True)
        app.dispatch.run(task.to_json(), 1)
        failed = record_of(bare_mirror, task)
        assert (failed.state, failed.fields["error_code"]) == ("failed", "damaged")
        assert str(layer.digest) in failed.fields["error_answered"]
        bare_mirror.container.upload_blob(name, whole, overwrite=True)
        for queue in bare_mirror.queues:
            queue.clear_messages()
        again = app.pulls.retry(task.id)
        (message,) = sent(bare_mirror)
        assert (message["kind"], message["retries"]) == ("archive", again.retries)
        app.dispatch.run(task_of(again).to_json(), 1)
        assert record_of(bare_mirror, task).state == "done"


def test_one_that_was_cancelled_while_it_was_queued_is_not_begun(bare_mirror: Mirroring, image: Image) -> None:
    with app_of(bare_mirror) as app:
        task = requested(app)
        assert app.pulls.cancel(task.id).state == "cancelled"
        app.dispatch.run(task.to_json(), 1)
        assert record_of(bare_mirror, task).state == "cancelled"
        with archived(bare_mirror) as container:
            assert not container.get_blob_client(f"{task.id}.tar").exists()
        app.dispatch.bury(task.to_json())
        assert record_of(bare_mirror, task).state == "cancelled"
