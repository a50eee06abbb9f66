"""Asks a mirror for things: `python -m tests.integration.mirror_probe '{"endpoint": …, "ca": …, "do": [… ]}'`."""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken

from acrmirror.http import models
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.mirror import MirrorStore
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, Reference
from acrmirror.serve.images import Images
from acrmirror.settings import Settings
from standins.credential import LocalCredential
from tests.integration.hostile import report

REPOSITORY = "team/app"


class Anyone:
    """A credential for a server that requests none."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", 2**31)


def main(endpoint: str, ca: str, do: list[str], container: str = "mirror", identity: list[str] | None = None) -> None:
    credential: Any = LocalCredential(*identity) if identity else Anyone()
    trusted = Path(ca)
    store = MirrorStore.open(endpoint, container, credential, trust_bundle=trusted)
    records = JobRecords.open(endpoint, "mirrorjobs", credential, trusted)
    queue = JobQueue.open(endpoint, credential, trusted)
    images = Images(Settings("demo.azurecr.io", endpoint, endpoint, endpoint), store)
    digest = Digest.of(b"x")
    calls = {
        "tag": lambda: store.tags.read(REPOSITORY, "v1"),
        "manifest": lambda: store.manifests.read(REPOSITORY, Descriptor("application/x", digest, 1)).raw[:9],
        "config": lambda: store.blobs.read_small(Descriptor("application/x", digest, 1), 4 * 1024 * 1024),
        "has": lambda: store.blobs.has(Descriptor("application/x", digest, 1)),
        "blocks": lambda: store.blobs.ingest(Descriptor("application/x", digest, 100 * 1024 * 1024)),
        "tags": lambda: len(store.listing.tags(REPOSITORY, 1000).tags),
        "repositories": lambda: len(list(store.listing.repositories())),
        "history": lambda: len(list(store.history.of_tag(REPOSITORY, "v1"))),
        "link": lambda: bool(store.signed_urls.blob(digest)),
        "record": lambda: records.get("8203969181016-e9f2454fc9f3"),
        "records": lambda: len(list(itertools.islice(records.newest(), 10))),
        "queue": lambda: queue.depth(),
        "image": lambda: len(models.Image.of("x", images.image(Reference(REPOSITORY, "v1"))).model_dump_json()),
        "content": lambda: len(
            models.ImageContent.of("x", images.content(Reference(REPOSITORY, "v1"), None)).model_dump_json()
        ),
    }
    report(calls, do)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
