"""The course of an instance that is killed in the middle of a layer, at whatever size."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from acrmirror.mirror import blocks
from standins.foundation import Foundation
from standins.stack import Stack
from testkit.images import oci_image
from testkit.reader import Poller, verify_all
from tests.integration.mirroring import mirroring
from tests.integration.storage_proxy import StorageProxy

THREADS = 4
MIB = 1024 * 1024


@contextmanager
def counted_stack(
    foundation: Foundation, make_stack: Any, lease: int = 4, **more: str
) -> Iterator[tuple[Stack, StorageProxy]]:
    """A stack with one worker, whose app speaks to storage through a proxy that counts; with `more` settings."""
    with StorageProxy(foundation.certificates.ca, foundation.certificates.server) as proxy:
        settings = {
            "MIRROR_BLOB_ENDPOINT": proxy.endpoint,
            "MIRROR_THREADS": str(THREADS),
            "MIRROR_CLAIM_STALE_SECONDS": "2",
            **more,
        }
        stack = make_stack(lease=lease, settings=settings)
        proxy.upstream = stack.account.blob_endpoint
        yield stack, proxy


def killed_in_the_middle(stack: Stack, proxy: StorageProxy, size: int, seconds: float, what: str = "kill") -> None:
    """Kills host and worker, or the `worker` alone, when half of a layer of `size` bytes is staged: the next delivery
    finishes within `seconds`, what was staged is not sent again, and at no instant does a half image stand."""
    with mirroring(stack) as mirror, Poller(mirror.reader) as poller:
        image = mirror.push("large", oci_image("large", layers=[size]))
        mirror.wait(lambda: proxy.staged > size // 2, seconds, "half of the layer")
        stack.functions.signal(0, what)
        at_kill = proxy.staged
        assert size // 2 < at_kill < size
        assert mirror.tagged("large", "latest") is None
        (job,) = mirror.wait_for(1, seconds=seconds)
        assert job.state == "done", mirror.tell()
        assert job.fields["deliveries"] == 2
        assert proxy.staged <= size + THREADS * blocks.BLOCK_SIZE + MIB
        assert mirror.tagged("large", "latest") == image.root.digest
        report = verify_all(mirror.reader)
        assert report.is_whole, str(report)
    assert poller.violations == []
    assert poller.snapshots > 5
