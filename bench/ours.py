"""The measured process of ours: the engine's own classes, copying one image.

`python -m bench.ours --registry HOST --repository R --tag T
    --digest D --blob URL --container C --ca FILE [--threads N] [--beside N]`

It copies as a push event has it done: the digest, then the tag, then what refers to it.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from acrmirror.copying import Budget, Context, copy_image
from acrmirror.memory import give_back_what_is_freed
from acrmirror.mirror import MirrorStore
from acrmirror.moments import Moment
from acrmirror.reference import Digest, Reference
from acrmirror.registry import Redirects, Registry, Session
from acrmirror.settings import Settings
from acrmirror.storage import Container
from acrmirror.threads import Threads
from bench.child import measure
from bench.credential import AnyToken


def prepare(arguments: argparse.Namespace) -> Callable[[], None]:
    give_back_what_is_freed()
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
    budget = Budget(settings.threads)
    registry = Registry(
        Session(settings.registry, credential, settings.registry_audience, redirects, settings.trust_bundle)
    )
    first = Container.open(
        settings.blob_endpoint, settings.container, credential, trust_bundle=settings.trust_bundle, connections=64
    )
    # One client for all, as a worker has it.
    more = (Container(first._service, f"{settings.container}-{number}") for number in range(1, arguments.beside))
    stores = [MirrorStore.over(it) for it in (first, *more)]
    reference = Reference(arguments.repository, arguments.tag, Digest.parse(arguments.digest))

    def copy_into(store: MirrorStore) -> None:
        at = Moment("2026-01-01T00:00:00.000000000Z")
        context = Context("bench", at, threads=settings.threads, budget=budget)
        copied = copy_image(registry, store, reference, context)
        if copied.failures:
            raise copied.failures[0]

    def copy() -> None:
        with Threads(len(stores)) as jobs:
            for job in [jobs.submit(copy_into, store) for store in stores]:
                job.result()

    return copy


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.ours", description=__doc__)
    for name in ("registry", "repository", "tag", "digest", "blob", "container"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--beside", type=int, default=1, help="copies beside each other, each into a mirror of its own")
    arguments = parser.parse_args()
    measure(lambda: prepare(arguments))


if __name__ == "__main__":
    main()
