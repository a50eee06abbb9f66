"""The measured process of ours: the engine's own classes, copying one image.

`python -m bench.ours --registry HOST --repository R --tag T
    --digest D --blob URL --container C --ca FILE [--threads N]`

It copies as a push event has it done: the digest, then the tag, then what refers to it.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from acrmirror.copying import Context, copy_image
from acrmirror.mirror import MirrorStore
from acrmirror.moments import Moment
from acrmirror.reference import Digest, Reference
from acrmirror.registry import Redirects, Registry, Session
from acrmirror.settings import Settings
from bench.child import measure
from bench.credential import AnyToken


def prepare(arguments: argparse.Namespace) -> Callable[[], None]:
    settings = Settings(
        registry=arguments.registry,
        blob_endpoint=arguments.blob,
        table_endpoint="https://unused.invalid",
        queue_endpoint="https://unused.invalid",
        redirect_local=True,
        container=arguments.container,
        trust_bundle=arguments.ca,
    )
    if arguments.threads is not None:
        settings = replace(settings, threads=arguments.threads)
    credential = AnyToken()
    redirects = Redirects(settings.redirect_hosts, settings.redirect_local)
    registry = Registry(
        Session(settings.registry, credential, settings.registry_audience, redirects, settings.trust_bundle)
    )
    store = MirrorStore.open(
        settings.blob_endpoint,
        settings.container,
        credential,
        trust_bundle=settings.trust_bundle,
        connections=settings.threads + 4,
    )
    reference = Reference(arguments.repository, arguments.tag, Digest.parse(arguments.digest))

    def copy() -> None:
        context = Context("bench", Moment("2026-01-01T00:00:00.000000000Z"), threads=settings.threads)
        copied = copy_image(registry, store, reference, context)
        if copied.failures:
            raise copied.failures[0]

    return copy


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.ours", description=__doc__)
    for name in ("registry", "repository", "tag", "digest", "blob", "container"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    measure(lambda: prepare(arguments))


if __name__ == "__main__":
    main()
