"""Manifests and tags, read through the SDK from a registry that real clients push to."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.errors import (
    Denied,
    DigestMismatch,
    Malformed,
    MirrorError,
    NotFound,
    Permanent,
    Refused,
    Throttled,
    TooLarge,
    Unavailable,
)
from acrmirror.moments import to_datetime
from acrmirror.oci import MAX_MANIFEST_SIZE, OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST, parse_manifest
from acrmirror.reference import Digest, Reference
from testkit.images import SHAPES
from tests.integration.registry.conftest import Bed, Trap
from tests.integration.registry.pushing import push


def test_a_tag_is_resolved_with_the_registrys_own_time(bed: Bed) -> None:
    raw, digest = push(bed, "resolve/a")
    bed.control.reset_requests()
    with bed.open() as registry:
        resolved = registry.resolve(Reference("resolve/a", "v1"))
        by_digest = registry.resolve(Reference("resolve/a", None, digest))
    assert resolved.descriptor.digest == digest == by_digest.descriptor.digest
    assert (resolved.descriptor.media_type, resolved.descriptor.size) == (OCI_MANIFEST, len(raw))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000000Z", resolved.at)
    assert bed.calls() == ["HEAD manifest 200"] * 2


def test_a_manifest_is_the_very_bytes_with_the_registrys_content_type(bed: Bed) -> None:
    raw, digest = push(bed, "bytes/a")
    with bed.open() as registry:
        served = registry.manifest("bytes/a", digest)
        assert registry.manifest("bytes/a", registry.resolve(Reference("bytes/a", "v1")).descriptor) == served
    assert (served.raw, served.media_type) == (raw, OCI_MANIFEST)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_of_image_is_read_whole(bed: Bed, shape: str) -> None:
    image = SHAPES[shape]()
    with bed.pusher() as pusher:
        pusher.image(f"shapes/{shape.replace('_', '-')}", image)
    with bed.open() as registry:
        for stored in image.manifests:
            served = registry.manifest(f"shapes/{shape.replace('_', '-')}", stored.descriptor.digest)
            assert served.raw == stored.raw
            parse_manifest(served.raw, served.media_type, stored.descriptor.digest)


def test_a_tag_or_digest_that_is_not_there_is_not_found(bed: Bed) -> None:
    push(bed, "absent/a")
    with bed.open() as registry:
        with pytest.raises(NotFound, match="quarantine"):
            registry.resolve(Reference("absent/a", "none"))
        with pytest.raises(NotFound, match="MANIFEST_UNKNOWN"):
            registry.manifest("absent/a", Digest.of(b"none"))
        with pytest.raises(NotFound):
            registry.resolve(Reference("absent/none", "v1"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, Denied), (404, NotFound), (429, Throttled), (500, Unavailable), (503, Unavailable), (400, Permanent)],
)
def test_what_the_registry_refuses_is_an_error_of_its_own_and_asked_once(
    bed: Bed, status: int, kind: type[MirrorError]
) -> None:
    _, digest = push(bed, "refusals/a")
    with bed.open() as registry:
        registry.resolve(Reference("refusals/a", "v1"))
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"status": status}}])
        bed.control.reset_requests()
        with pytest.raises(kind) as caught:
            registry.resolve(Reference("refusals/a", "v1"))
        assert f"HEAD {bed.control.host}/v2/refusals/a/manifests/v1" in caught.value.asked
        assert str(status) in caught.value.answered
        with pytest.raises(kind):
            registry.manifest("refusals/a", digest)
    assert bed.calls() == [f"HEAD manifest {status}", f"GET manifest {status}"]


@pytest.mark.parametrize(("header", "seconds"), [(7, 7.0), ("0.5", 0.5), ("soon", None)])
@pytest.mark.parametrize("kind", ["manifest", "token"])
def test_a_throttled_answer_says_how_long_to_wait(bed: Bed, header: object, seconds: float | None, kind: str) -> None:
    push(bed, "throttled/a")
    bed.control.set_faults([{"match": {"kind": kind}, "do": {"status": 429, "retry_after": header}}])
    with bed.open() as registry, pytest.raises(Throttled) as caught:
        registry.resolve(Reference("throttled/a", "v1"))
    assert caught.value.retry_after == seconds


def test_a_connection_reset_once_is_tried_again_and_one_reset_for_good_is_unavailable(bed: Bed) -> None:
    _, digest = push(bed, "reset/a")
    with bed.open() as registry:
        registry.resolve(Reference("reset/a", "v1"))
        bed.control.set_faults([{"match": {"kind": "manifest", "count": 1}, "do": {"reset_at": 0}}])
        registry.resolve(Reference("reset/a", "v1"))
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"reset_at": 0}}])
        with pytest.raises(Unavailable, match="connection broke"):
            registry.resolve(Reference("reset/a", "v1"))
        with pytest.raises(Unavailable):
            registry.manifest("reset/a", digest)


def test_a_truncated_manifest_is_unavailable_and_a_corrupt_one_a_mismatch(bed: Bed) -> None:
    _, digest = push(bed, "damage/a")
    with bed.open() as registry:
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"truncate_at": 20}}])
        with pytest.raises(Unavailable):
            registry.manifest("damage/a", digest)
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"corrupt": 30}}])
        with pytest.raises(DigestMismatch) as caught:
            registry.manifest("damage/a", digest)
        assert str(digest) in str(caught.value)
        bed.control.clear_faults()
        registry.manifest("damage/a", digest)


def test_a_manifest_of_4_mib_is_read_and_a_larger_one_is_not_even_fetched(bed: Bed) -> None:
    raw, _ = push(bed, "large/a", annotations={"pad": ""})
    _, digest = push(bed, "large/a", annotations={"pad": "x" * (MAX_MANIFEST_SIZE - len(raw))})
    with bed.open() as registry:
        assert len(registry.manifest("large/a", digest).raw) == MAX_MANIFEST_SIZE
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"headers": {"Content-Length": "4194305"}}}])
        with pytest.raises(TooLarge):
            registry.manifest("large/a", digest)
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"headers": {"Content-Encoding": "gzip"}}}])
        with pytest.raises(Malformed):
            registry.manifest("large/a", digest)


def test_what_an_answer_lacks_is_said(bed: Bed) -> None:
    push(bed, "lacking/a")
    with bed.open() as registry:
        for header in ("Docker-Content-Digest", "Content-Type"):
            bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"headers": {header: None}}}])
            with pytest.raises(Malformed):
                registry.resolve(Reference("lacking/a", "v1"))


@pytest.mark.parametrize("date", [None, "Tue, 19 Jan 2038 03:14:07 GMT", "yesterday"])
def test_an_answer_whose_date_can_not_be_is_dated_here(bed: Bed, date: str | None) -> None:
    _, digest = push(bed, "undated/a")
    with bed.open() as registry:
        assert registry.resolve(Reference("undated/a", "v1")).clock == "registry"
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"headers": {"Date": date}}}])
        resolved = registry.resolve(Reference("undated/a", "v1"))
    assert (resolved.descriptor.digest, resolved.clock) == (digest, "mirror")
    assert abs(to_datetime(resolved.at) - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_digest_that_resolves_to_another_is_a_mismatch(bed: Bed) -> None:
    _, digest = push(bed, "liar/a")
    headers = {"Docker-Content-Digest": str(Digest.of(b"another"))}
    bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"headers": headers}}])
    with bed.open() as registry, pytest.raises(DigestMismatch):
        registry.resolve(Reference("liar/a", None, digest))


def test_a_redirected_manifest_is_refused_and_nothing_sent_there(bed: Bed, trap: Trap) -> None:
    _, digest = push(bed, "redirected/a")
    headers = {"Location": f"https://localhost:{trap.port}/"}
    bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"status": 307, "headers": headers}}])
    with bed.open() as registry:
        with pytest.raises(Refused):
            registry.manifest("redirected/a", digest)
        with pytest.raises(Refused):
            registry.resolve(Reference("redirected/a", "v1"))
    assert trap.visits == []


def test_artifact_manifests_and_indexes_are_served_as_they_are(bed: Bed) -> None:
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    with bed.pusher() as pusher:
        pusher.manifest("kinds/a", raw, OCI_INDEX, "index")
        artifact = json.dumps({"mediaType": OCI_ARTIFACT, "artifactType": "application/vnd.x", "blobs": []}).encode()
        pusher.manifest("kinds/a", artifact, OCI_ARTIFACT, "artifact")
    with bed.open() as registry:
        assert registry.resolve(Reference("kinds/a", "index")).descriptor.media_type == OCI_INDEX
        served = registry.manifest("kinds/a", Digest.of(artifact))
        assert (served.raw, served.media_type) == (artifact, OCI_ARTIFACT)


def test_sha512_manifests_are_judged_from_their_bytes(bed: Bed) -> None:
    raw, _ = push(bed, "sha512/a")
    digest = Digest.of(raw, "sha512")
    with bed.pusher() as pusher:
        pusher.manifest("sha512/a", raw, OCI_MANIFEST, digest=digest)
    with bed.open() as registry:
        assert registry.manifest("sha512/a", digest).raw == raw
        assert registry.resolve(Reference("sha512/a", None, digest)).descriptor.digest == digest
        bed.control.set_faults([{"match": {"kind": "manifest"}, "do": {"corrupt": 40}}])
        with pytest.raises(DigestMismatch, match="sha512:"):
            registry.manifest("sha512/a", digest)
