"""Asks a registry for things: `python -m tests.integration.registry.probe '{"host": …, "ca": …, "do": [… ]}'`."""

import json
import sys
from pathlib import Path

from acrmirror.oci import Descriptor
from acrmirror.reference import Digest, Reference
from acrmirror.registry import Limits
from acrmirror.settings import Settings
from tests.integration.hostile import report
from tests.registries import registry_of

NAME = "team/app"


def main(
    host: str, ca: str, do: list[str], digest: str = "", size: int = 0, patience: float = 5, longest: float = 120
) -> None:
    settings = Settings(
        registry=host,
        blob_endpoint="https://blob.invalid",
        table_endpoint="https://table.invalid",
        queue_endpoint="https://queue.invalid",
        redirect_local=True,
        trust_bundle=Path(ca),
    )
    with registry_of(settings, None, Limits(answer_seconds=longest, patience=patience)) as registry:

        def blob() -> object:
            with registry.blob(NAME, Descriptor("application/octet-stream", Digest.parse(digest), size)) as reader:
                reader.read_into(0, memoryview(bytearray(size)))
            return None

        calls = {
            "resolve": lambda: registry.resolve(Reference(NAME, "v1")),
            "manifest": lambda: registry.manifest(NAME, Digest.parse(digest)).media_type,
            "referrers": lambda: sum(1 for _ in registry.referrers(NAME, Digest.parse(digest))),
            "repositories": lambda: sum(1 for _ in registry.list_repositories()),
            "tags": lambda: sum(1 for _ in registry.list_tags(NAME)),
            "manifests": lambda: sum(1 for _ in registry.list_manifests(NAME)),
            "count": lambda: registry.count_manifests(NAME),
            "blob": blob,
        }
        report(calls, do)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
