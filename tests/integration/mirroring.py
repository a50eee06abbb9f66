"""What tests of the whole path share: push, wait until the mirror has come to rest, look at what stands."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from acrmirror.jobs import JobRecords
from acrmirror.reference import Digest
from acrmirror.storage import Entity
from acrmirror.work import FINAL_STATES, Record
from standins.stack import Stack
from testkit.images import Image
from testkit.push import Pusher
from testkit.reader import MirrorReader
from testkit.stack import CONTAINER, QUEUES, TABLE
from tests.integration.entities import claims_in


@dataclass(frozen=True, slots=True)
class Mirroring:
    """A stack with everything that tests ask of it. `since` counts out the records of earlier tests."""

    stack: Stack
    pusher: Pusher
    records: JobRecords
    container: ContainerClient
    queues: tuple[QueueClient, ...]
    before: frozenset[str]

    @property
    def reader(self) -> MirrorReader:
        return MirrorReader(self.container)

    def push(self, repository: str, image: Image) -> Image:
        self.pusher.image(repository, image)
        return image

    def jobs(self, repository: str | None = None) -> list[Record]:
        """Records that were not there when the test began, oldest first."""
        found = [it for it in self.records.newest(repository=repository) if it.id not in self.before]
        return found[::-1]

    def wait(self, reached: Callable[[], bool], seconds: float = 60, what: str = "what was waited for") -> float:
        """Seconds that it took."""
        begun = time.monotonic()
        while not reached():
            assert time.monotonic() - begun < seconds, f"{what} did not come within {seconds} s: {self.tell()}"
            time.sleep(0.05)
        return time.monotonic() - begun

    def wait_for(self, count: int, repository: str | None = None, seconds: float = 60) -> list[Record]:
        """Waits until so many jobs have ended, and returns them."""

        def ended() -> bool:
            jobs = self.jobs(repository)
            return len(jobs) >= count and all(it.fields["state"] in FINAL_STATES for it in jobs)

        self.wait(ended, seconds, f"the end of {count} jobs")
        return self.jobs(repository)

    def tagged(self, repository: str, tag: str) -> Digest | None:
        """Where the tag is in the mirror."""
        names = set(self.reader.names(f"docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/"))
        return Digest.parse(self.reader.resolve(repository, tag)) if names else None

    def claims(self, *jobs: str) -> list[Entity]:
        """Claims on layers that runs of these jobs hold; all there are, if none is named."""
        return [it for it in claims_in(self.records.table) if not jobs or it.fields.get("job") in jobs]

    def waiting_messages(self) -> int:
        return sum(int(it.get_queue_properties().approximate_message_count or 0) for it in self.queues)

    def tell(self) -> str:
        return "; ".join(
            f"{it.fields.get('repository')}:{it.fields.get('tag')} {it.state} {it.fields.get('error_answered', '')}"
            for it in self.jobs()
        )


@contextmanager
def mirroring(stack: Stack) -> Iterator[Mirroring]:
    options = stack.account.client_options
    records = JobRecords.open(stack.table_endpoint, TABLE, stack.identity.credential(), stack.ca)
    queues = tuple(QueueClient(stack.queue_endpoint, name, **options) for name in QUEUES)
    with (
        Pusher(stack.registry.host, stack.registry.username, stack.registry.password, stack.ca) as pusher,
        ContainerClient(stack.blob_endpoint, CONTAINER, **options) as container,
    ):
        before = frozenset(it.id for it in records.newest())
        try:
            yield Mirroring(stack, pusher, records, container, queues, before)
        finally:
            records.close()
            for queue in queues:
                queue.close()
