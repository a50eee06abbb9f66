"""Many small images: made, pushed to a registry, or put straight into a mirror by the mirror's own code."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from azure.storage.blob import BlobServiceClient

from acrmirror.mirror import MirrorStore
from acrmirror.moments import Moment
from acrmirror.oci import OCI_MANIFEST, parse_manifest
from acrmirror.storage import Container, Lost
from acrmirror.storage.outcome import Outcome, Written
from standins.control import RegistryControl
from standins.foundation import STORAGE_AUDIENCE, Account
from testkit.images import Draft, Image, make_layer, oci_image
from testkit.images.build import OCI_CONFIG, PLATFORMS, image_config
from testkit.images.layers import OCI_TYPES
from testkit.images.values import entries, entry
from testkit.push import Pusher

REPOSITORIES = 10
LAYERS = (20_000,)
"""Bytes of a small image's layers; it has a config besides."""
AT = Moment("2026-01-01T00:00:00.000000000Z")
_SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Placed:
    """An image and its repository. It may have any number of tags."""

    repository: str
    image: Image


def small_images(count: int) -> list[Placed]:
    """So many images with a config, a layer and a tag each, none of which another has, in `REPOSITORIES`."""
    return [
        Placed(f"bench/r{number % REPOSITORIES}", oci_image(f"small {number}", LAYERS, tag=f"v{number}"))
        for number in range(count)
    ]


def many_tags(count: int) -> list[Placed]:
    """One image a repository with so many tags in all, each on a manifest of its own over the same config and layer."""
    placed = []
    for number in range(REPOSITORIES):
        draft = Draft()
        layer = make_layer(f"tags {number}", 4096)
        base = draft.content(layer.content, layer.digest, OCI_TYPES["gzip"])
        config = draft.blob(image_config(number, PLATFORMS[0], [str(layer.diff_id)]), OCI_CONFIG)
        for tag in range(count // REPOSITORIES):
            body = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": entry(config),
                "layers": entries([base]),
                "annotations": {"org.opencontainers.image.version": f"1.{tag}"},
            }
            last = draft.manifest(body, f"v1.{tag}")
        placed.append(Placed(f"bench/r{number}", draft.image(last)))
    return placed


def push(registry: RegistryControl, placed: Sequence[Placed]) -> None:
    with (
        Pusher(registry.host, registry.username, registry.password, registry.ca) as pusher,
        ThreadPoolExecutor(_SIDE_BY_SIDE) as pool,
    ):
        list(pool.map(lambda it: pusher.image(it.repository, it.image, threads=1), placed))


def fill(account: Account, container: str, placed: Sequence[Placed]) -> None:
    """A mirror as copies leave it, but for history."""
    with MirrorStore.over(QuickContainer(account, container)) as store, ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        list(pool.map(lambda it: _fill(store, it), placed))


def _fill(store: MirrorStore, placed: Placed) -> None:
    repository = placed.repository
    for blob in placed.image.blobs:
        store.blobs.put(blob.content.read(), blob.descriptor.digest)
        store.blobs.link(repository, blob.descriptor)
    for stored in placed.image.manifests:
        digest = stored.descriptor.digest
        manifest = parse_manifest(stored.raw, stored.descriptor.media_type, digest)
        store.manifests.write(repository, manifest)
        if stored.tag is not None:
            store.tags.set(repository, stored.tag, manifest.descriptor(), AT, None)


class QuickContainer(Container):
    """A container whose writes go by a bare HTTP client, in about a quarter of the SDK's time. Nothing is retried:
    RuntimeError for what storage does not take."""

    def __init__(self, account: Account, name: str) -> None:
        super().__init__(BlobServiceClient(account.blob_endpoint, **account.client_options), name)
        self._there = urlsplit(f"{account.blob_endpoint}/{name}")
        self._context = ssl.create_default_context(cafile=str(account.ca))
        token = account.identity.credential().get_token(f"{STORAGE_AUDIENCE}/.default").token
        self._headers = {
            "Authorization": f"Bearer {token}",
            "x-ms-version": "2023-11-03",
            "x-ms-blob-type": "BlockBlob",
        }
        self._own = threading.local()

    def put(self, name: str, body: bytes, asked: str, metadata: Mapping[str, str] | None = None) -> Written:
        outcome = self._write(name, body, asked, metadata, {})
        if isinstance(outcome, Lost):
            raise RuntimeError(f"{asked}: refused, and there was no condition")
        return outcome

    def swap(
        self, name: str, body: bytes, expected: str | None, asked: str, metadata: Mapping[str, str] | None = None
    ) -> Outcome:
        condition = {"If-None-Match": "*"} if expected is None else {"If-Match": expected}
        return self._write(name, body, asked, metadata, condition)

    def _write(
        self, name: str, body: bytes, asked: str, metadata: Mapping[str, str] | None, condition: Mapping[str, str]
    ) -> Outcome:
        there = self._there
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(there.hostname or "", there.port, context=self._context)
            self._own.connection = connection
        beside = {f"x-ms-meta-{key}": value for key, value in (metadata or {}).items()}
        connection.request("PUT", f"{there.path}/{quote(name)}", body, {**self._headers, **beside, **condition})
        answer = connection.getresponse()
        told = answer.read()
        if answer.status in (409, 412):
            return Lost()
        if answer.status != 201:
            raise RuntimeError(f"{asked}: {answer.status} {told[:300]!r}")
        return Written(str(answer.headers["ETag"]))
