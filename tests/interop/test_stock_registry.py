"""Every shape of image, digest by digest, from a stock registry on the mirror."""

from pathlib import Path

import pytest

from testkit.images import SHAPES, UNSERVABLE
from tests.integration.mirroring import Mirroring
from tests.interop.clients import Clients
from tests.interop.contents import closure, contents
from tests.interop.stock import get

pytestmark = pytest.mark.interop

PROGRAMS = {
    # oras follows an artifact to its subject, which here nobody has.
    "referrer-without-subject": ("regctl",),
}


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - UNSERVABLE))
def test_every_digest_comes_back(clients: Clients, mirror: Mirroring, stock: str, shape: str, tmp_path: Path) -> None:
    repository = f"stock/{shape}"
    image = mirror.push(repository, SHAPES[shape]())
    mirror.wait_for(len(image.manifests), repository)
    ca = mirror.stack.ca
    for stored in image.manifests:
        references = [str(stored.descriptor.digest), *([stored.tag] if stored.tag else [])]
        for reference in references:
            media_type = stored.descriptor.media_type
            status, headers, body = get(stock, ca, f"/v2/{repository}/manifests/{reference}", media_type)
            assert (status, body) == (200, stored.raw)
            assert headers["content-type"] == media_type
            assert headers["docker-content-digest"] == str(stored.descriptor.digest)
    for blob in image.blobs:
        status, headers, body = get(stock, ca, f"/v2/{repository}/blobs/{blob.descriptor.digest}")
        assert status == 200
        assert blob.descriptor.digest.matches(body)
        assert headers["content-length"] == str(blob.descriptor.size)
    reference = f"@{image.root.digest}" if image.tag is None else f":{image.tag}"
    for program in PROGRAMS.get(shape, ("oras", "regctl")):
        clients.pull(program, f"{stock}/{repository}{reference}", tmp_path / program)
        assert contents(tmp_path / program) >= closure(image)


@pytest.mark.parametrize("shape", sorted(UNSERVABLE))
def test_artifact_manifests_are_mirrored_and_a_stock_registry_fails_on_them(
    mirror: Mirroring, stock: str, shape: str
) -> None:
    """Docs say so; should a later version take them, this tells."""
    repository = f"stock/{shape}"
    image = mirror.push(repository, SHAPES[shape]())
    mirror.wait_for(1, repository)
    assert mirror.reader.manifest(repository, str(image.root.digest)).raw == image.manifests[0].raw
    path = f"/v2/{repository}/manifests/{image.root.digest}"
    status, _, _ = get(stock, mirror.stack.ca, path, image.root.media_type)
    assert status == 500
    for blob in image.blobs:
        status, _, body = get(stock, mirror.stack.ca, f"/v2/{repository}/blobs/{blob.descriptor.digest}")
        assert (status, body) == (200, blob.content.read())
