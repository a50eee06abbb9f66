"""Referrers, and listings of repositories, tags and manifests, page by page."""

import pytest

from acrmirror.errors import Malformed, Refused, Throttled, TooLarge, Unavailable
from acrmirror.oci import OCI_MANIFEST
from acrmirror.reference import Digest
from tests.integration.registry.conftest import Bed, Trap
from tests.integration.registry.pushing import push

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
    for updated in (*(it.updated for it in tags.values()), *(it.updated for it in manifests.values())):
        assert updated is not None
        assert updated.endswith("Z")
        assert len(updated) == 30


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
