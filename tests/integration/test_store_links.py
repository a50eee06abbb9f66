"""Links inside the mirror: to whom a blob belongs, and what a manifest's link has to say to be believed."""

import json

import pytest
from azure.storage.blob import ContainerClient

from acrmirror.mirror import Layout, MirrorStore
from acrmirror.oci import OCI_MANIFEST, Descriptor, parse_manifest
from acrmirror.reference import Digest
from standins.foundation import Account
from testkit.stack import CONTAINER

LAYOUT = Layout()

LAYER = Descriptor("application/octet-stream", Digest.of(b"layer"), 5)
SUBJECT = Digest.of(b"subject")
BODY = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(Digest.of(b"{}")), "size": 2},
    "layers": [],
    "subject": {"mediaType": OCI_MANIFEST, "digest": str(SUBJECT), "size": 7},
}
MANIFEST = parse_manifest(json.dumps(BODY).encode(), OCI_MANIFEST)


def test_a_layer_belongs_to_the_repositories_that_link_to_it(store: MirrorStore, account: Account) -> None:
    store.blobs.link("secret/app", LAYER)
    assert store.blobs.linked("secret/app", LAYER.digest)
    for other in ("public/app", "secret", "secret/app/below", "secret/ap"):
        assert not store.blobs.linked(other, LAYER.digest)
    assert not store.blobs.linked("secret/app", Digest.of(b"another"))
    with MirrorStore.open(
        account.blob_endpoint, CONTAINER, account.identity.credential(), prefix="west", trust_bundle=account.ca
    ) as west:
        assert not west.blobs.linked("secret/app", LAYER.digest)


WITHOUT: dict[str, dict[str, str]] = {
    "nothing": {},
    "no size": {"media_type": OCI_MANIFEST},
    "no type": {"size": "7"},
    "a size that is none": {"media_type": OCI_MANIFEST, "size": "seven"},
}


@pytest.mark.parametrize("metadata", WITHOUT.values(), ids=WITHOUT)
def test_a_manifests_link_without_the_mirrors_own_word_promises_nothing(
    store: MirrorStore, container: ContainerClient, metadata: dict[str, str]
) -> None:
    """A stock registry that was let write, or a copy by hand, makes such a link: what it needs may be missing."""
    name = LAYOUT.revision_link("team/app", MANIFEST.digest)
    container.get_blob_client(name).upload_blob(str(MANIFEST.digest).encode(), metadata=metadata)
    assert store.manifests.revision("team/app", MANIFEST.digest) is None
    store.manifests.write("team/app", MANIFEST)
    revision = store.manifests.revision("team/app", MANIFEST.digest)
    assert revision is not None
    assert revision.descriptor == Descriptor(OCI_MANIFEST, MANIFEST.digest, MANIFEST.size)
    assert revision.whole
    assert revision.refers
