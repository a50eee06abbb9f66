"""A mirror of a test's own, whose audits run in the test's own process, slice by slice."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from acrmirror.app import App
from acrmirror.mirror import Layout
from acrmirror.mirror.places import place_of
from acrmirror.proof.audits import Shown
from acrmirror.reference import Digest, Reference
from acrmirror.settings import Settings
from acrmirror.work import BACKFILL_QUEUE, Audit, Copy
from standins.foundation import Account, Foundation
from standins.policy.refusals import refuse
from standins.stack import Stack
from testkit.images import Image
from testkit.push import Pusher
from testkit.stack import CONTAINER
from tests.integration.storage_proxy import StorageProxy

SECONDS = 120


@dataclass(slots=True)
class Audited:
    """`refused` are parts of names that storage does not let be read; `environment` is the app's."""

    stack: Stack
    account: Account
    app: App
    pusher: Pusher
    container: ContainerClient
    queue: QueueClient
    environment: dict[str, str]
    refused: set[str] = field(default_factory=set)
    layout: Layout = field(default_factory=Layout)

    def pull(self, repository: str, image: Image) -> Image:
        """Pushes an image, and copies it."""
        self.pusher.image(repository, image)
        self.app.dispatch.run(
            Copy.of_pull(Reference(repository, image.tag, image.root.digest), repository).to_json(), 1
        )
        return image

    def audit(self) -> Shown:
        """A whole one: every message of the queue is run until it is over."""
        asked = self.app.audits.ask()
        self.run_to_end(Audit(asked.id, asked.asked))
        return self.app.audits.get(asked.id)

    def run_to_end(self, audit: Audit) -> None:
        until = time.monotonic() + SECONDS
        while not self.app.audits.get(audit.id).progress.over:
            assert time.monotonic() < until, self.app.audits.get(audit.id).progress
            if not self.run_messages():
                # What waits for pulls looks at them every few seconds.
                time.sleep(0.2)
                self.app.dispatch.run(audit.to_json(), 1)

    def run_messages(self) -> int:
        """Runs what can be seen in the queue, and returns how much that was."""
        ran = 0
        for message in self.queue.receive_messages(max_messages=32, visibility_timeout=120):
            self.app.dispatch.run(message.content, 1)
            self.queue.delete_message(message)
            ran += 1
        return ran

    # damage

    def data(self, digest: Digest) -> str:
        return self.layout.blob_data(digest)

    def flip(self, digest: Digest) -> str:
        """One bit of a blob's bytes."""
        name = self.data(digest)
        body = bytearray(self.container.download_blob(name).readall())
        body[len(body) // 2] ^= 1
        self.overwrite(name, bytes(body))
        return name

    def truncate(self, digest: Digest) -> str:
        name = self.data(digest)
        self.overwrite(name, self.container.download_blob(name).readall()[:-1])
        return name

    def overwrite(self, name: str, body: bytes) -> None:
        """Other bytes, with what lies beside them as it was."""
        blob = self.container.get_blob_client(name)
        blob.upload_blob(body, overwrite=True, metadata=blob.get_blob_properties().metadata)

    def overwrite_new(self, name: str, body: bytes) -> None:
        self.container.upload_blob(name, body)

    def remove(self, name: str) -> str:
        self.container.delete_blob(name)
        return name

    def names(self, kind: str) -> list[str]:
        """All of a kind of place."""
        found = [(it, place_of(it, self.layout)) for it in self.container.list_blob_names()]
        return [name for name, place in found if place is not None and place.kind == kind]


@contextmanager
def audited(stack: Stack, account: Account, foundation: Foundation, **settings: str) -> Iterator[Audited]:
    """An empty mirror of the stack's registry, in the account."""
    with ExitStack() as ends:
        proxy = ends.enter_context(StorageProxy(account.ca, foundation.certificates.server))
        proxy.upstream = account.blob_endpoint
        environment = {
            **stack.app_environment(),
            "MIRROR_BLOB_ENDPOINT": proxy.endpoint,
            "MIRROR_TABLE_ENDPOINT": account.table_endpoint,
            "MIRROR_QUEUE__queueServiceUri": account.queue_endpoint,
            "MIRROR_NOT_FOUND_SECONDS": "1",
            **settings,
        }
        app = ends.enter_context(App.open(Settings.from_environment(environment)))
        registry = stack.registry
        pusher = ends.enter_context(Pusher(registry.host, registry.username, registry.password, stack.ca))
        container = ends.enter_context(ContainerClient(account.blob_endpoint, CONTAINER, **account.client_options))
        queue = ends.enter_context(
            QueueClient(
                account.queue_endpoint,
                BACKFILL_QUEUE,
                message_decode_policy=TextBase64DecodePolicy(),
                **account.client_options,
            )
        )
        found = Audited(stack, account, app, pusher, container, queue, environment)
        proxy.refuses = lambda method, path: (
            refuse("blob") if method == "GET" and any(it in path for it in found.refused) else None
        )
        yield found
