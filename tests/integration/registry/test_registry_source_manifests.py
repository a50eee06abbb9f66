"""Manifests, tags, referrers and listings, read through the SDK from a registry that real clients push to."""

import json
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from acrmirror.credentials import make_credential, registry_credential
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
from acrmirror.settings import Settings
from standins.foundation import Foundation
from testkit.images import SHAPES, oci_image
from tests.integration.registry.conftest import Bed, Trap
from tests.registries import registry_of


def push(bed: Bed, repository: str, tag: str = "v1", **more: object) -> tuple[bytes, Digest]:
    """An image without layers, tagged; its bytes and digest."""
    with bed.pusher() as pusher:
        config = pusher.blob(repository, b"{}")
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.test", "digest": str(config.digest), "size": 2},
            "layers": [],
            **more,
        }
        raw = json.dumps(body, indent=1).encode()
        return raw, pusher.manifest(repository, raw, OCI_MANIFEST, tag).digest


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


def test_the_challenge_comes_once_for_each_repository(bed: Bed) -> None:
    for name in ("dance/a", "dance/b"):
        push(bed, name)
    bed.control.reset_requests()
    with bed.open() as registry:
        for name in ("dance/a", "dance/b", "dance/a", "dance/b"):
            digest = registry.resolve(Reference(name, "v1")).descriptor.digest
            registry.manifest(name, digest)
            list(registry.referrers(name, digest))
    seen = bed.control.requests()
    statuses = [entry["status"] for entry in seen if entry["path"].startswith("/v2/")]
    assert statuses.count(401) == 2
    assert len([entry for entry in seen if entry["kind"] == "exchange"]) == 1
    assert len([entry for entry in seen if entry["kind"] == "token"]) == 2


def test_threads_that_begin_together_share_one_token(bed: Bed) -> None:
    _, digest = push(bed, "together/a")
    bed.control.reset_requests()
    with bed.open() as registry, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: registry.manifest("together/a", digest), range(24)))
    kinds = [entry["kind"] for entry in bed.control.requests()]
    assert kinds.count("exchange") == 1
    assert kinds.count("token") == 1


def test_an_access_token_that_is_no_longer_taken_is_renewed_once(started: Callable[..., Bed]) -> None:
    # Its claims say that it lasts; the registry forgot it.
    bed = started("--access-seconds", "1")
    push(bed, "expiry/a")
    headers = {
        "WWW-Authenticate": f'Bearer realm="https://{bed.control.host}/oauth2/token",service="{bed.control.host}",'
        'scope="repository:expiry/a:pull"'
    }
    with bed.open() as registry:
        registry.resolve(Reference("expiry/a", "v1"))
        once = {"match": {"kind": "manifest", "count": 1}, "do": {"status": 401, "headers": headers}}
        bed.control.set_faults([once])
        registry.resolve(Reference("expiry/a", "v1"))
        bed.control.set_faults([{**once, "match": {"kind": "manifest"}}])
        with pytest.raises(Denied):
            registry.resolve(Reference("expiry/a", "v1"))


def test_a_401_that_asks_for_no_token_is_denied(bed: Bed) -> None:
    push(bed, "basic/a")
    for header in (None, "Basic realm=x"):
        bed.control.set_faults(
            [{"match": {"kind": "manifest"}, "do": {"status": 401, "headers": {"WWW-Authenticate": header}}}]
        )
        with bed.open() as registry, pytest.raises(Denied, match="without asking for a token"):
            registry.resolve(Reference("basic/a", "v1"))


def test_tokens_are_asked_for_again_before_their_own_end(started: Callable[..., Bed]) -> None:
    # Both are good for less than the margin: never sent twice, and never a failure.
    bed = started("--access-seconds", "30", "--refresh-seconds", "30")
    push(bed, "short/a")
    bed.control.reset_requests()
    with bed.open() as registry:
        for _ in range(3):
            registry.resolve(Reference("short/a", "v1"))
    kinds = [entry["kind"] for entry in bed.control.requests()]
    assert (kinds.count("exchange"), kinds.count("token")) == (3, 3)


def test_anonymous_pulls_need_no_credential(started: Callable[..., Bed]) -> None:
    bed = started("--anonymous")
    raw, digest = push(bed, "public/a")
    bed.control.reset_requests()
    with bed.open(anonymous=True) as registry:
        assert registry.manifest("public/a", digest).raw == raw
        assert registry.resolve(Reference("public/a", "v1")).descriptor.digest == digest
    kinds = [entry["kind"] for entry in bed.control.requests()]
    assert (kinds.count("exchange"), kinds.count("token")) == (0, 1)


def test_the_managed_identity_is_what_logs_in(
    bed: Bed, foundation: Foundation, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, digest = push(bed, "identity/a")
    environment = foundation.identity.environment() | {
        "MIRROR_REGISTRY": bed.control.host,
        "MIRROR_BLOB_ENDPOINT": "https://blob.invalid",
        "MIRROR_TABLE_ENDPOINT": "https://table.invalid",
        "MIRROR_QUEUE__queueServiceUri": "https://queue.invalid",
        "MIRROR_TRUST_BUNDLE": str(bed.control.ca),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment(environment)
    with make_credential(settings) as credential:
        with registry_of(settings, registry_credential(settings, credential)) as registry:
            assert registry.resolve(Reference("identity/a", "v1")).descriptor.digest == digest


def test_an_identity_without_a_role_is_denied_and_told_which(bed: Bed, foundation: Foundation) -> None:
    push(bed, "denied/a")
    bed.control.set_grants({foundation.identity.client_id: {"repositories": ["other/*"], "actions": ["pull"]}})
    try:
        with bed.open() as registry, pytest.raises(Denied, match=r"AcrPull.*Repository Reader"):
            registry.resolve(Reference("denied/a", "v1"))
    finally:
        bed.control.set_grants({})


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


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [("exchange", 401, Denied), ("exchange", 500, Unavailable), ("token", 403, Denied), ("token", 503, Unavailable)],
)
def test_token_endpoints_fail_with_errors_of_their_own(
    bed: Bed, kind: str, status: int, error: type[MirrorError]
) -> None:
    push(bed, "tokens/a")
    bed.control.set_faults([{"match": {"kind": kind}, "do": {"status": status}}])
    with bed.open() as registry, pytest.raises(error, match=f"/oauth2/{kind}"):
        registry.resolve(Reference("tokens/a", "v1"))


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


# --- referrers


def refer(bed: Bed, repository: str, subject: tuple[bytes, Digest], count: int) -> set[Digest]:
    descriptor = {"mediaType": OCI_MANIFEST, "digest": str(subject[1]), "size": len(subject[0])}
    return {
        push(bed, repository, f"r{number}", subject=descriptor, artifactType=f"application/vnd.r{number}")[1]
        for number in range(count)
    }


def test_referrers_are_listed_page_by_page(bed: Bed) -> None:
    subject = push(bed, "referred/a")
    expected = refer(bed, "referred/a", subject, 5)
    bed.control.reset_requests()
    with bed.open() as registry:
        found = list(registry.referrers("referred/a", subject[1]))
        assert {descriptor.digest for descriptor in found} == expected
        assert {descriptor.artifact_type for descriptor in found} == {f"application/vnd.r{n}" for n in range(5)}
        assert bed.calls() == ["GET referrers 200"]
        bed.control.set_faults([{"match": {"kind": "referrers"}, "do": {"page_size": 2}}])
        bed.control.reset_requests()
        assert {descriptor.digest for descriptor in registry.referrers("referred/a", subject[1])} == expected
    assert bed.calls() == ["GET referrers 200"] * 3


def test_an_image_without_referrers_or_a_registry_without_the_api_gives_none(bed: Bed) -> None:
    _, digest = push(bed, "alone/a")
    with bed.open() as registry:
        assert list(registry.referrers("alone/a", digest)) == []
        bed.control.set_faults([{"match": {"kind": "referrers"}, "do": {"status": 404}}])
        assert list(registry.referrers("alone/a", digest)) == []
        bed.control.set_faults([{"match": {"kind": "referrers"}, "do": {"status": 503}}])
        with pytest.raises(Unavailable):
            list(registry.referrers("alone/a", digest))


def test_a_next_page_elsewhere_is_refused_and_nothing_sent_there(bed: Bed, trap: Trap) -> None:
    subject = push(bed, "elsewhere/a")
    refer(bed, "elsewhere/a", subject, 1)
    for link in (
        f"https://localhost:{trap.port}/v2/elsewhere/a/referrers/{subject[1]}?last=x",
        f"http://{bed.control.host}/v2/elsewhere/a/referrers/{subject[1]}?last=x",
        "/v2/elsewhere/b/referrers/x?last=x",
        f"/v2/elsewhere/a/referrers/{subject[1]}",
    ):
        headers = {"Link": f'<{link}>; rel="next"'}
        bed.control.set_faults([{"match": {"kind": "referrers"}, "do": {"headers": headers}}])
        with bed.open() as registry, pytest.raises((Malformed, TooLarge)):
            list(registry.referrers("elsewhere/a", subject[1]))
    assert trap.visits == []


def test_a_page_that_repeats_for_ever_ends(bed: Bed) -> None:
    subject = push(bed, "forever/a")
    refer(bed, "forever/a", subject, 1)
    link = f'</v2/forever/a/referrers/{subject[1]}?last=x>; rel="next"'
    bed.control.set_faults([{"match": {"kind": "referrers"}, "do": {"headers": {"Link": link}}}])
    with bed.open() as registry, pytest.raises(Malformed, match="same page"):
        list(registry.referrers("forever/a", subject[1]))


# --- listings


def test_listings_follow_every_page(bed: Bed) -> None:
    digests = {tag: push(bed, "listed/a", tag, annotations={"n": tag})[1] for tag in ("t1", "t2", "t3")}
    push(bed, "listed/b")
    bed.control.set_faults([{"match": {"path": "^/acr/v1/"}, "do": {"page_size": 2}}])
    with bed.open() as registry:
        assert {"listed/a", "listed/b"} <= set(registry.list_repositories())
        tags = {line.tag: line for line in registry.list_tags("listed/a")}
        manifests = {line.digest: line for line in registry.list_manifests("listed/a")}
    assert {tag: line.digest for tag, line in tags.items()} == digests
    assert {digest: line.tags for digest, line in manifests.items()} == {d: (t,) for t, d in digests.items()}
    for line in (*tags.values(), *manifests.values()):
        assert line.updated is not None
        assert line.updated.endswith("Z")
        assert len(line.updated) == 30


def test_a_listings_next_page_elsewhere_is_refused_and_nothing_sent_there(bed: Bed, trap: Trap) -> None:
    push(bed, "astray/a")
    headers = {"Link": f'<https://localhost:{trap.port}/acr/v1/_catalog?last=x>; rel="next"'}
    bed.control.set_faults([{"match": {"path": "^/acr/v1/"}, "do": {"headers": headers}}])
    with bed.open() as registry, pytest.raises(Refused, match="next page"):
        list(registry.list_repositories())
    assert trap.visits == []


def test_listings_fail_with_the_same_errors(bed: Bed) -> None:
    push(bed, "unlisted/a")
    with bed.open() as registry:
        bed.control.set_faults([{"match": {"path": "^/acr/v1/"}, "do": {"status": 429, "retry_after": 3}}])
        for listing in (registry.list_repositories(), registry.list_tags("unlisted/a"), registry.list_manifests("x")):
            with pytest.raises(Throttled) as caught:
                next(listing)
            assert caught.value.retry_after == 3
        bed.control.set_faults([{"match": {"path": "^/acr/v1/"}, "do": {"reset_at": 0}}])
        with pytest.raises(Unavailable):
            next(registry.list_repositories())


# --- what is counted, and what is never said


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
