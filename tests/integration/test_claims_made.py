"""Which layers are claimed, and what that saves (rule W2)."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from acrmirror.mirror import blocks
from acrmirror.reference import Reference
from acrmirror.work import Copy
from standins.foundation import Foundation
from standins.request import Request
from testkit.images import oci_image
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, job_for, table_answering


@pytest.mark.parametrize("force", [False, True], ids=["plain", "forced"])
def test_a_push_of_small_layers_asks_nothing_about_claims(
    bare_mirror: Mirroring, foundation: Foundation, force: bool
) -> None:
    repository = f"claims/small/{force}".lower()
    sizes = (5000, 2**20, blocks.BLOCK_SIZE)
    image = bare_mirror.push(repository, oci_image(repository, layers=sizes))
    job = Copy.of_pull(Reference(repository, image.tag, image.root.digest), "small", force=force)
    about: list[str] = []
    with table_answering(bare_mirror, foundation) as (app, proxy):
        heard = proxy._relay.heard

        def hear(request: Request[bytes], status: int) -> None:
            heard(request, status)
            partition = json.loads(request.body).get("PartitionKey") if request.body else ""
            if partition == "claim" or "claim" in request.target:
                about.append(f"{request.method} {request.target}")

        proxy._relay.heard = hear
        app.dispatch.run(job.to_json(), 1)
        assert proxy.asked
    record = bare_mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"
    assert about == []


def test_two_jobs_at_once_read_a_large_layer_once(bare_mirror: Mirroring) -> None:
    registry = bare_mirror.stack.registry
    shared = oci_image("claims/shared", layers=[3 * blocks.BLOCK_SIZE])
    jobs = [job_for(name, bare_mirror.push(name, shared)) for name in ("claims/one", "claims/two")]
    large = next(str(it.descriptor.digest) for it in shared.blobs if it.descriptor.size > blocks.BLOCK_SIZE)
    registry.set_faults([{"match": {"kind": "data"}, "do": {"latency_ms": 300}}])
    registry.reset_requests()
    with app_of(bare_mirror) as one, app_of(bare_mirror) as two, ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda app, job: app.dispatch.run(job.to_json(), 1), (one, two), jobs))
    records = [bare_mirror.records.get(job.id) for job in jobs]
    assert [it and it.state for it in records] == ["done", "done"]
    assert len([it for it in registry.requests(kind="blob", method="GET") if it["digest"] == large]) == 1
    assert bare_mirror.claims(*(job.id for job in jobs)) == []
