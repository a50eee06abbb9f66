"""What a registry is asked is counted; what it answers is told without secrets, and why nothing answers."""

import logging

import pytest

from acrmirror.errors import MirrorError, NotFound, Unavailable
from acrmirror.oci import parse_manifest
from acrmirror.reference import Digest, Reference
from testkit.images import oci_image
from tests.integration.registry.conftest import Bed, Trap


def test_requests_are_counted_by_kind_and_status_and_without_the_challenges(bed: Bed) -> None:
    image = oci_image("counted")
    with bed.pusher() as pusher:
        pusher.image("counted/a", image)
    bed.control.reset_requests()
    seen: list[tuple[str, int]] = []
    with bed.open() as registry:
        counted = registry.counted(lambda kind, status: seen.append((kind, status)))
        digest = counted.resolve(Reference("counted/a", image.manifests[-1].tag or "latest")).descriptor.digest
        manifest = counted.manifest("counted/a", digest)
        list(counted.referrers("counted/a", digest))
        with counted.blob("counted/a", parse_manifest(manifest.raw, manifest.media_type).layers[0]):
            pass
        with pytest.raises(NotFound):
            counted.manifest("counted/a", Digest.of(b"none"))
        registry.resolve(Reference("counted/a", image.manifests[-1].tag or "latest"))
    assert seen == [("manifest", 200), ("manifest", 200), ("referrers", 200), ("blob", 307), ("manifest", 404)]
    assert len(bed.calls()) == len(seen) + 1


def test_no_log_line_or_message_has_a_token_or_a_signature(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    image = oci_image("secret")
    with bed.pusher() as pusher:
        pusher.image("secret/a", image)
    messages: list[str] = []
    with caplog.at_level(logging.DEBUG), bed.open(patience=0.2) as registry:
        for faults in (
            [],
            [{"match": {"kind": "data"}, "do": {"status": 500}}],
            [{"match": {"kind": "blob"}, "do": {"status": 403}}],
            [{"match": {"kind": "token"}, "do": {"status": 401}}],
        ):
            bed.control.set_faults(faults)
            blob = image.blobs[-1].descriptor
            try:
                with bed.open(patience=0.2) as other, other.blob("secret/a", blob) as reader:
                    reader.read_into(0, memoryview(bytearray(blob.size)))
            except MirrorError as error:
                messages.append(f"{error} {error!r} {error.__cause__!r} {error.__context__!r}")
        bed.control.clear_faults()
        registry.resolve(Reference("secret/a", image.manifests[-1].tag or "latest"))
    assert len(messages) == 3
    for text in (*messages, caplog.text):
        assert "sig=" not in text
        assert "Bearer" not in text
        assert "eyJ" not in text


def test_an_authority_that_is_not_trusted_is_named_as_the_reason(bed: Bed) -> None:
    with bed.open(trust_bundle=None) as registry, pytest.raises(Unavailable, match="MIRROR_TRUST_BUNDLE"):
        registry.resolve(Reference("tls/a", "v1"))


def test_a_registry_that_is_not_there_is_unavailable(bed: Bed, trap: Trap) -> None:
    with bed.open(registry="registry.invalid") as registry, pytest.raises(Unavailable, match="does not resolve"):
        registry.resolve(Reference("gone/a", "v1"))
    with bed.open(registry="localhost:1") as registry, pytest.raises(Unavailable, match="nothing listens"):
        registry.resolve(Reference("gone/a", "v1"))
