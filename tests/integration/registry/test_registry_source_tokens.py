"""Tokens: how often they are requested, with which credential, and who is denied one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from acrmirror.credentials import make_credential, registry_credential
from acrmirror.errors import Denied, MirrorError, Unavailable
from acrmirror.reference import Reference
from acrmirror.settings import Settings
from standins.foundation import Foundation
from tests.integration.registry.conftest import Bed
from tests.integration.registry.pushing import push
from tests.registries import registry_of


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
        with bed.open() as registry, pytest.raises(Denied, match="without a challenge for a token"):
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
