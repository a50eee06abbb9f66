"""Workers that die: what was staged is not sent again, and at no instant does a half image stand."""

import hashlib
import os
from functools import partial
from operator import ge
from typing import Any

import pytest

from acrmirror.app import App
from acrmirror.mirror import blocks
from acrmirror.moments import Moment
from acrmirror.reference import Digest, Reference
from acrmirror.settings import Settings
from acrmirror.work import Copy
from standins.foundation import Foundation
from standins.stack import Stack
from testkit.images import SHAPES, multi_arch
from testkit.reader import verify_all, verify_repository
from tests.integration.killing import MIB, counted_stack, killed_in_the_middle
from tests.integration.mirroring import mirroring
from tests.integration.storage_proxy import StorageProxy

AT = Moment("2026-04-25T21:39:47.000000000Z")


def test_a_killed_copy_is_finished_without_sending_its_blocks_again(make_stack: Any, foundation: Foundation) -> None:
    with counted_stack(foundation, make_stack) as (stack, proxy):
        killed_in_the_middle(stack, proxy, 96 * MIB, 120)


def test_a_copy_whose_worker_died_alone_is_back_before_its_claim_is_stale_and_waits_for_that(
    make_stack: Any, foundation: Foundation
) -> None:
    """Its host lives on and releases the message at once, long before its lease is over."""
    more = {
        "MIRROR_CLAIM_STALE_SECONDS": "6",
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:01",
    }
    with counted_stack(foundation, make_stack, lease=600, **more) as (stack, proxy):
        killed_in_the_middle(stack, proxy, 96 * MIB, 120, "worker")
        told = stack.functions.dispatches()["run_mirror_job"]
        assert (told["failed"], told["lost"]) == (1, 0)


@pytest.mark.parametrize("shape", ["oci-index", "referrers"])
def test_a_run_that_ends_at_any_write_leaves_only_whole_images(
    make_stack: Any, foundation: Foundation, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write in turn is the last one: whoever looks then finds that all that stands is whole."""
    stack: Stack = make_stack(functions=False)
    for name, value in stack.identity.environment().items():
        monkeypatch.setenv(name, value)
    image = multi_arch("small", 2, shared_layers=(5000,)) if shape == "oci-index" else SHAPES[shape]()
    with (
        StorageProxy(stack.ca, foundation.certificates.server) as proxy,
        mirroring(stack) as mirror,
        App.open(
            Settings.from_environment(
                {**stack.app_environment(), "MIRROR_BLOB_ENDPOINT": proxy.endpoint, "MIRROR_THREADS": "3"}
            )
        ) as app,
    ):
        proxy.upstream = stack.account.blob_endpoint
        last = 0
        for limit in range(1, 400):
            repository = f"cut/n{limit}"
            mirror.push(repository, image)
            start = proxy.writes
            proxy.allows = partial(ge, start + limit)
            job = Copy.of_event(
                Reference(repository, image.tag, image.root.digest),
                f"cut-{limit}",
                AT,
            )
            app.dispatch.run(job.to_json(), 1)
            report = verify_repository(mirror.reader, repository)
            # A referrer that stands and is not listed yet is no half image; the next run lists it.
            problems = [it for it in report.problems if "is not listed" not in it.what]
            assert not problems, f"after {limit} writes: {problems}"
            whole = proxy.writes - start <= limit
            proxy.allows = lambda number: True
            app.dispatch.run(job.to_json(), 2)
            assert mirror.tagged(repository, image.tag or "") == image.root.digest
            if whole:
                break
            last = limit
        assert 5 < last < 399
        report = verify_all(mirror.reader)
        assert report.is_whole, str(report)


def test_what_a_block_id_promises_is_what_was_staged() -> None:
    """The id of a block is made from the hash that the whole blob's check passes through."""
    data = os.urandom(3 * MIB)
    running = hashlib.sha256(data).digest()
    assert Digest.of(data).encoded == running.hex()
    assert blocks.block_id(0, len(data), running).startswith(f"{0:012d}{len(data):08d}")
