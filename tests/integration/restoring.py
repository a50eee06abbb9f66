"""What tests of restores share: a mirror of images of every shape, and what two registries have."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from acrmirror.app import App
from acrmirror.reference import Digest, Reference
from acrmirror.registry import Limits, Redirects, Registry, Session
from acrmirror.settings import Settings
from acrmirror.work import Copy
from standins.control import RegistryControl
from standins.stack import Stack
from testkit.images import Image
from tests.integration.mirroring import Mirroring


@dataclass(frozen=True, slots=True)
class Held:
    """What a registry has of one repository."""

    tags: dict[str, Digest]
    manifests: frozenset[Digest]
    referrers: dict[Digest, frozenset[Digest]]


@contextmanager
def registry_at(stack: Stack, control: RegistryControl) -> Iterator[Registry]:
    settings = Settings.from_environment(stack.app_environment())
    redirects = Redirects(settings.redirect_hosts, True)
    credential = stack.identity.credential()
    audience = settings.registry_audience
    with Session(control.host, credential, audience, redirects, stack.ca, Limits(patience=5)) as session:
        yield Registry(session)


def held(registry: Registry) -> dict[str, Held]:
    """By repository."""
    return {name: _held(registry, name) for name in registry.list_repositories()}


def _held(registry: Registry, repository: str) -> Held:
    listed = list(registry.list_manifests(repository))
    referrers = {it.digest: frozenset(d.digest for d in registry.referrers(repository, it.digest)) for it in listed}
    tags = {tag: it.digest for it in listed for tag in it.tags}
    return Held(tags, frozenset(it.digest for it in listed), {key: found for key, found in referrers.items() if found})


def mirrored(mirror: Mirroring, app: App, images: dict[str, Image]) -> None:
    """Pushes images, by repository, and copies all of each into the mirror."""

    def take(repository: str) -> None:
        image = mirror.push(repository, images[repository])
        bodies = [json.loads(it.raw) for it in image.manifests]
        children = {child["digest"] for body in bodies for child in body.get("manifests", ())}
        for stored in (it for it in image.manifests if it.tag or str(it.descriptor.digest) not in children):
            reference = Reference(repository, stored.tag, stored.descriptor.digest)
            job = Copy.of_pull(reference, f"seed {repository}")
            app.dispatch.run(job.to_json(), 1)
            record = mirror.records.get(job.id)
            assert record is not None
            assert record.state == "done", record.fields

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, images))


def received(target: RegistryControl) -> int:
    """Bytes of blobs that a registry was sent."""
    return sum(int(it["received"]) for it in target.requests(kind="upload"))


def writes(target: RegistryControl) -> list[str]:
    """What a registry was sent, by method, kind and status."""
    return [
        f"{it['method']} {it['kind']} {it['status']}"
        for it in target.requests()
        if it["counted"] and it["method"] in ("POST", "PATCH", "PUT")
    ]
