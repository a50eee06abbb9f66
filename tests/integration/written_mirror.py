"""A mirror that is written by hand, as it should be and otherwise."""

import json

from azure.storage.blob import ContainerClient

from acrmirror.reference import Digest
from testkit.images import Image

V2 = "docker/registry/v2"


def data(digest: Digest) -> str:
    return f"{V2}/blobs/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}/data"


def link(repository: str, kind: str, digest: Digest) -> str:
    return f"{V2}/repositories/{repository}/{kind}/{digest.algorithm}/{digest.encoded}/link"


def current(repository: str, tag: str) -> str:
    return f"{V2}/repositories/{repository}/_manifests/tags/{tag}/current/link"


def put(container: ContainerClient, name: str, body: bytes) -> None:
    container.upload_blob(name, body, overwrite=True)


def put_blobs(container: ContainerClient, repository: str, image: Image) -> None:
    for blob in image.blobs:
        digest = blob.descriptor.digest
        put(container, data(digest), blob.content.read())
        put(container, link(repository, "_layers", digest), str(digest).encode())


def put_tag(container: ContainerClient, repository: str, tag: str, digest: Digest) -> None:
    put(container, link(repository, f"_manifests/tags/{tag}/index", digest), str(digest).encode())
    put(container, current(repository, tag), str(digest).encode())


def write(container: ContainerClient, repository: str, image: Image) -> None:
    """A mirror as it should be, in the order in which it should be written."""
    put_blobs(container, repository, image)
    for stored in image.manifests:
        digest = stored.descriptor.digest
        put(container, data(digest), stored.raw)
        put(container, link(repository, "_manifests/revisions", digest), str(digest).encode())
        if stored.tag is not None:
            put_tag(container, repository, stored.tag, digest)


def write_referrers(container: ContainerClient, repository: str, image: Image, referrers: list[Image]) -> Digest:
    """The referrers tag of an image: an index of what refers to it."""
    entries = [{"mediaType": r.root.media_type, "digest": str(r.root.digest), "size": r.root.size} for r in referrers]
    body = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries}
    raw = json.dumps(body).encode()
    digest = Digest.of(raw)
    put(container, data(digest), raw)
    put(container, link(repository, "_manifests/revisions", digest), str(digest).encode())
    put_tag(container, repository, f"sha256-{image.root.digest.encoded}", digest)
    return digest
