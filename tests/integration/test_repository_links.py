"""One repository's content is never given out under another's name (rule L10): links in storage, and signed ones."""

import json
from collections.abc import Iterator

import pytest

from acrmirror.app import App
from acrmirror.errors import NotFound
from acrmirror.mirror import Layout, MirrorStore
from acrmirror.mirror.blobs import ASKED_OVER
from acrmirror.oci import OCI_MANIFEST, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest, Reference
from testkit.images import Image, oci_image
from testkit.images.build import OCI_CONFIG, PLATFORMS, image_config
from testkit.images.values import Draft, entries, entry
from testkit.reader import verify_repository
from testkit.stack import CONTAINER
from tests.integration.mirroring import Mirroring
from tests.integration.running import app_of, job_for

LAYOUT = Layout()

FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"


@pytest.fixture
def mirror(bare_mirror: Mirroring) -> Mirroring:
    return bare_mirror


@pytest.fixture
def app(mirror: Mirroring) -> Iterator[App]:
    with app_of(mirror) as opened:
        yield opened


@pytest.fixture
def store(mirror: Mirroring) -> Iterator[MirrorStore]:
    stack = mirror.stack
    with MirrorStore.open(stack.blob_endpoint, CONTAINER, stack.identity.credential(), trust_bundle=stack.ca) as opened:
        yield opened


def mirrored(mirror: Mirroring, app: App, repository: str, image: Image) -> Image:
    mirror.push(repository, image)
    app.dispatch.run(job_for(repository, image).to_json(), 1)
    assert mirror.tagged(repository, "latest") == image.root.digest
    return image


def layers(image: Image) -> list[Descriptor]:
    (stored,) = image.manifests
    return list(parse_manifest(stored.raw, stored.descriptor.media_type).layers)


def claiming(seed: str, listed: Descriptor, media_type: str = FOREIGN) -> Image:
    """An image that lists another's layer as one that its registry need not have."""
    draft = Draft()
    own = draft.blob(f"a layer of {seed}".encode(), "application/vnd.oci.image.layer.v1.tar")
    foreign = Descriptor(media_type, listed.digest, listed.size, urls=("https://example.com/layer",))
    config = image_config(seed, PLATFORMS[0], [str(listed.digest), str(own.digest)])
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": entry(draft.blob(config, OCI_CONFIG))}
    return draft.image(draft.manifest(body | {"layers": entries([foreign, own])}, "latest"))


def asked_about(mirror: Mirroring, digest: Digest) -> list[tuple[str, int]]:
    asked = [it for it in mirror.stack.registry.requests(kind="blob") if it["digest"] == str(digest)]
    return [(it["method"], it["status"]) for it in asked if it["status"] != 401]


@pytest.mark.parametrize(
    ("size", "way"), [(60_000, "GET"), (300_000, "HEAD"), (9_000_000, "HEAD")], ids=["small", "one block", "two blocks"]
)
@pytest.mark.parametrize("force", [False, True])
def test_another_repositorys_layer_is_neither_linked_nor_signed(
    mirror: Mirroring, app: App, size: int, way: str, force: bool
) -> None:
    """Of a small layer its bytes are requested, and not had; any other is asked about alone."""
    secret, public = f"secret/n{size}-{int(force)}", f"public/n{size}-{int(force)}"
    (layer,) = layers(mirrored(mirror, app, secret, oci_image(secret, layers=[size])))
    image = claiming(public, layer)
    mirror.push(public, image)
    mirror.stack.registry.reset_requests()
    job = job_for(public, image)
    message = json.loads(job.to_json()) | {"force": force}
    app.dispatch.run(json.dumps(message), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert (record.state, list(record.fields["left_out"])) == ("done", [str(layer.digest)])
    assert asked_about(mirror, layer.digest) == [("HEAD" if force else way, 404)]
    assert not list(mirror.reader.names(LAYOUT.layer_link(public, layer.digest)))
    content = app.images.content(Reference(public, "latest"), None)
    assert [it.digest for it in content.absent] == [layer.digest]
    assert layer.digest not in {blob.digest for blob, _ in content.blobs}
    assert len(content.blobs) == 2
    assert layer.digest in {blob.digest for blob, _ in app.images.content(Reference(secret, "latest"), None).blobs}
    for repository in (secret, public):
        report = verify_repository(mirror.reader, repository)
        assert report.is_whole, str(report)


def test_the_size_of_another_repositorys_layer_is_not_told_either(mirror: Mirroring, app: App) -> None:
    (layer,) = layers(mirrored(mirror, app, "secret/size", oci_image("secret size", layers=[54_321])))
    image = claiming("public/size", Descriptor(layer.media_type, layer.digest, 7))
    mirror.push("public/size", image)
    job = job_for("public/size", image)
    app.dispatch.run(job.to_json(), 1)
    record = mirror.records.get(job.id)
    assert record is not None
    assert record.state == "done"
    assert "54321" not in str(record.fields)


def test_a_known_layer_costs_one_question_in_each_repository_and_no_copy(mirror: Mirroring, app: App) -> None:
    """But for small blobs, such as configs: these are read again, which costs no more than to look for them."""

    def asked(repository: str, image: Image) -> list[list[tuple[str, int]]]:
        mirror.push(repository, image)
        mirror.stack.registry.reset_requests()
        app.dispatch.run(job_for(repository, image, str(image.root.digest)).to_json(), 1)
        assert mirror.tagged(repository, "latest") == image.root.digest
        return [asked_about(mirror, blob.descriptor.digest) for blob in image.blobs]

    sizes = [300_000, 400_000, 20_000]
    image = oci_image("shared links", layers=sizes)
    ways = ["HEAD" if blob.descriptor.size > ASKED_OVER else "GET" for blob in image.blobs]
    assert sorted(ways) == ["GET", "GET", "HEAD", "HEAD"]
    assert asked("shared/first", image) == [[("GET", 307)]] * 4
    assert asked("shared/second", image) == [[(way, 200 if way == "HEAD" else 307)] for way in ways]
    larger = oci_image("shared links", layers=[*sizes, 5_000])
    known = {blob.descriptor.digest for blob in image.blobs}
    assert [it for it, blob in zip(asked("shared/second", larger), larger.blobs, strict=True) if it] == [
        [("GET", 307)] for blob in larger.blobs if blob.descriptor.digest not in known
    ]


def unlinked(mirror: Mirroring, store: MirrorStore, app: App, repository: str, body: dict[str, object]) -> Manifest:
    """A manifest that was written into the mirror without its blobs' links, as none of ours is."""
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST} | body).encode()
    manifest = parse_manifest(raw, OCI_MANIFEST)
    store.manifests.write(repository, manifest)
    return manifest


def test_a_link_is_signed_for_nothing_that_the_repository_has_no_link_to(
    mirror: Mirroring, app: App, store: MirrorStore
) -> None:
    secret = mirrored(mirror, app, "secret/signed", oci_image("secret signed"))
    (stored,) = secret.manifests
    body = {key: json.loads(stored.raw)[key] for key in ("config", "layers")}
    root = unlinked(mirror, store, app, "public/signed", body)
    with pytest.raises(NotFound, match="force") as caught:
        app.images.content(Reference("public/signed", None, root.digest), None)
    assert str(root.blobs[0].digest) in str(caught.value)


def test_another_repositorys_config_is_not_read_for_its_platform(
    mirror: Mirroring, app: App, store: MirrorStore
) -> None:
    secret = mirrored(mirror, app, "secret/config", oci_image("secret config"))
    (stored,) = secret.manifests
    body = json.loads(stored.raw)
    root = unlinked(
        mirror, store, app, "public/config", {"config": body["config"] | {"mediaType": FOREIGN}, "layers": []}
    )
    (variant,) = app.images.image(Reference("public/config", None, root.digest)).variants
    assert variant.platform is None
    (variant,) = app.images.image(Reference("secret/config", "latest")).variants
    assert variant.platform is not None
