"""Who may do what at the local registry: every way in, and every way of being refused."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from standins import guard
from standins.tests.registry_process import AUDIENCE, RegistryProcess, digest_of

Start = Callable[..., RegistryProcess]


def test_the_base_asks_for_a_token_without_a_scope(local_registry: RegistryProcess) -> None:
    answer = local_registry.ask("GET", "/v2/", auth=None)
    host = local_registry.host
    expected = f'Bearer realm="https://{host}/oauth2/token",service="{host}"'
    assert (answer.status, answer.header("WWW-Authenticate")) == (401, expected)
    assert local_registry.ask("GET", "/v2/", auth=local_registry.access_token("")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v2/{}/manifests/v1", "repository:{}:pull"),
        ("HEAD", "/v2/{}/manifests/v1", "repository:{}:pull"),
        ("PUT", "/v2/{}/manifests/v1", "repository:{}:pull,push"),
        ("DELETE", "/v2/{}/manifests/v1", "repository:{}:delete"),
        ("GET", "/v2/{}/blobs/sha256:00", "repository:{}:pull"),
        ("DELETE", "/v2/{}/blobs/sha256:00", "repository:{}:delete"),
        ("POST", "/v2/{}/blobs/uploads/", "repository:{}:pull,push"),
        ("PATCH", "/v2/{}/blobs/uploads/1", "repository:{}:pull,push"),
        ("GET", "/v2/{}/tags/list", "repository:{}:pull"),
        ("GET", "/v2/{}/referrers/sha256:00", "repository:{}:pull"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
        ("GET", "/acr/v1/_catalog", "registry:catalog:*"),
        ("GET", "/acr/v1/{}", "repository:{}:metadata_read"),
        ("GET", "/acr/v1/{}/_tags", "repository:{}:metadata_read"),
        ("GET", "/acr/v1/{}/_tags/v1", "repository:{}:metadata_read"),
        ("DELETE", "/acr/v1/{}/_tags/v1", "repository:{}:delete"),
        ("PATCH", "/acr/v1/{}/_tags/v1", "repository:{}:metadata_write"),
        ("DELETE", "/acr/v1/{}", "repository:{}:delete"),
    ],
)
def test_the_scope_of_a_challenge_opens_what_it_was_asked_for_and_no_other_repository(
    local_registry: RegistryProcess, repository: str, method: str, path: str, scope: str
) -> None:
    challenge = local_registry.ask(method, path.format(repository), auth=None)
    assert challenge.status == 401
    assert f'scope="{scope.format(repository)}"' in (challenge.header("WWW-Authenticate") or "")
    right = local_registry.access_token(scope.format(repository))
    assert local_registry.ask(method, path.format(repository), auth=right).status != 401
    if "{}" in scope:
        other = local_registry.access_token(scope.format(f"{repository}x"))
        refused = local_registry.ask(method, path.format(repository), auth=other)
        assert refused.status == 401
        assert (refused.header("WWW-Authenticate") or "").endswith(',error="insufficient_scope"')


def test_a_slash_in_a_repository_may_come_encoded(local_registry: RegistryProcess, repository: str) -> None:
    local_registry.push_image(repository, "v1")
    plain = local_registry.access_token(f"repository:{repository}:pull")
    assert local_registry.ask("GET", f"/v2/{quote(repository, safe='')}/manifests/v1", auth=plain).status == 200


def test_one_token_carries_all_scopes_that_were_asked_for(local_registry: RegistryProcess) -> None:
    token = local_registry.access_token("repository:a:pull repository:b/c:push,pull nonsense")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["access"] == [
        {"Type": "repository", "Name": "a", "Actions": ["pull"]},
        {"Type": "repository", "Name": "b/c", "Actions": ["push", "pull"]},
    ]


# The Entra token


def exchange(registry: RegistryProcess, token: str, service: str | None = None) -> int:
    return registry.post_form(
        "/oauth2/exchange", grant_type="access_token", service=service or registry.host, access_token=token
    ).status


def test_an_entra_token_is_taken_for_the_registrys_audience_alone(local_registry: RegistryProcess) -> None:
    assert exchange(local_registry, local_registry.entra()) == 200
    assert exchange(local_registry, local_registry.entra("https://management.azure.com")) == 401
    assert exchange(local_registry, local_registry.entra(lifetime=-1)) == 401
    assert exchange(local_registry, local_registry.entra() + "x") == 401
    assert exchange(local_registry, "") == 401
    assert exchange(local_registry, local_registry.entra(), service="other.azurecr.io") == 401


@pytest.mark.parametrize(
    "wrong",
    [{"iss": "https://evil.example/"}, {"exp": None}, {"iss": None}, {"aud": None}],
    ids=["issuer", "no expiry", "no issuer", "no audience"],
)
def test_an_entra_token_has_to_have_its_claims(local_registry: RegistryProcess, wrong: dict[str, object]) -> None:
    claims = {"iss": "https://sts.windows.net/t/", "aud": AUDIENCE, "exp": int(time.time()) + 60, "appid": "x"} | wrong
    kept = {name: value for name, value in claims.items() if value is not None}
    assert exchange(local_registry, jwt.encode(kept, local_registry.identity.key, "HS256")) == 401


def test_entra_tokens_may_be_signed_by_a_private_key(start_registry: Start, tmp_path: Path) -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = tmp_path / "public.pem"
    public.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    registry = start_registry("--identity-key", str(public))
    claims = {"iss": "https://sts.windows.net/t/", "aud": AUDIENCE, "exp": int(time.time()) + 60, "appid": "x"}
    assert exchange(registry, jwt.encode(claims, private, "RS256")) == 200
    # The public key as a shared secret: the algorithm is never the token's choice.
    assert exchange(registry, local_signature(claims, public.read_bytes())) == 401


def local_signature(claims: dict[str, object], key: bytes) -> str:
    """By hand, since PyJWT does not lend itself to this."""

    def encoded(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    text = encoded(b'{"alg":"HS256","typ":"JWT"}') + b"." + encoded(json.dumps(claims).encode())
    return (text + b"." + encoded(hmac.digest(text, key, "sha256"))).decode()


# Tokens that the registry makes


def test_the_kinds_of_token_are_not_mistaken_for_each_other(local_registry: RegistryProcess, repository: str) -> None:
    refresh, access = local_registry.refresh_token(), local_registry.access_token(f"repository:{repository}:pull")
    assert local_registry.ask("GET", f"/v2/{repository}/tags/list", auth=refresh).status == 401
    assert local_registry.ask("GET", f"/v2/{repository}/tags/list", auth=local_registry.entra()).status == 401
    form = {"grant_type": "refresh_token", "service": local_registry.host, "scope": f"repository:{repository}:pull"}
    assert local_registry.post_form("/oauth2/token", **form, refresh_token=access).status == 401
    assert local_registry.post_form("/oauth2/token", **form, refresh_token=refresh).status == 200
    assert local_registry.post_form("/oauth2/token", **form | {"service": "x"}, refresh_token=refresh).status == 401
    assert local_registry.post_form("/oauth2/token", **form | {"grant_type": "x"}).status == 400


def test_lifetimes_are_the_recorded_ones_and_can_be_chosen(
    local_registry: RegistryProcess, start_registry: Start
) -> None:
    def lifetime(token: str) -> float:
        claims = jwt.decode(token, options={"verify_signature": False})
        return float(claims["exp"] - claims["nbf"])

    assert lifetime(local_registry.refresh_token()) == 11_700
    assert lifetime(local_registry.access_token("repository:a:pull")) == 4_500
    # Long enough that a slow machine asks with it in time.
    short = start_registry("--access-seconds", "5", "--refresh-seconds", "5")
    refresh, access = short.refresh_token(), short.access_token("repository:a:pull")
    assert short.ask("GET", "/v2/a/tags/list", auth=access).status == 404
    time.sleep(5.1)
    expired = short.ask("GET", "/v2/a/tags/list", auth=access)
    assert expired.status == 401
    assert (expired.header("WWW-Authenticate") or "").endswith('error="invalid_token"')
    form = {"grant_type": "refresh_token", "service": short.host, "scope": "repository:a:pull"}
    assert short.post_form("/oauth2/token", **form, refresh_token=refresh).status == 401


def test_another_registrys_tokens_are_not_taken(local_registry: RegistryProcess, start_registry: Start) -> None:
    token = start_registry().access_token("repository:a:pull")
    assert local_registry.ask("GET", "/v2/a/tags/list", auth=token).status == 401


# User and password


def test_docker_clients_log_in_with_user_and_password(local_registry: RegistryProcess) -> None:
    host = local_registry.host
    query = f"/oauth2/token?service={host}&scope=repository:a:pull,push&account=pusher"

    def get(username: str, password: str) -> int:
        basic = {"Authorization": f"Basic {local_registry.basic(username, password)}"}
        return local_registry.ask("GET", query, auth=None, headers=basic).status

    assert get(local_registry.username, local_registry.password) == 200
    assert get(local_registry.username, "wrong") == 401
    assert get("", "") == 401
    assert get("00000000-0000-0000-0000-000000000000", local_registry.refresh_token()) == 200
    assert get("00000000-0000-0000-0000-000000000000", "wrong") == 401
    assert local_registry.ask("GET", query, auth=None).status == 401
    assert local_registry.ask("GET", query.replace(host, "x"), auth="basic").status == 401
    form = {"grant_type": "password", "service": host, "scope": "repository:a:pull", "username": "pusher"}
    assert local_registry.post_form("/oauth2/token", **form, password=local_registry.password).status == 200
    assert local_registry.post_form("/oauth2/token", **form, password="wrong").status == 401


def test_basic_authentication_works_on_every_request_and_nonsense_does_not(local_registry: RegistryProcess) -> None:
    assert local_registry.ask("GET", "/v2/_catalog").status == 200
    for value in ("Basic", "Basic !!!", "Basic Og==", "Bearer", "Bearer x.y.z", "Digest x", f"Basic {'A' * 5}"):
        answer = local_registry.ask("GET", "/v2/_catalog", auth=None, headers={"Authorization": value})
        assert answer.status == 401, value


# Anonymous


def test_anonymous_pull_reads_everything_but_the_catalogue_and_writes_nothing(start_registry: Start) -> None:
    registry = start_registry("--anonymous")
    digest = registry.push_image("team/app", "v1")
    form = {"grant_type": "password", "service": registry.host, "scope": "repository:team/app:pull,push"}
    token = str(registry.post_form("/oauth2/token", **form).json()["access_token"])
    assert registry.ask("GET", "/v2/team/app/manifests/v1", auth=token).status == 200
    assert registry.ask("GET", "/acr/v1/team%2Fapp/_tags", auth=token).status == 200
    assert registry.ask("GET", "/v2/_catalog", auth=token).status == 401
    assert registry.ask("POST", "/v2/team/app/blobs/uploads/", auth=token).status == 401
    assert registry.ask("DELETE", f"/v2/team/app/manifests/{digest}", auth=token).status == 401
    # Without any token there is still the challenge, as on the real one.
    assert registry.ask("GET", "/v2/team/app/manifests/v1", auth=None).status == 401
    assert registry.ask("GET", f"/oauth2/token?service={registry.host}&scope=x", auth=None).status == 200


def test_without_anonymous_pull_there_is_no_anonymous_token(local_registry: RegistryProcess) -> None:
    form = {"grant_type": "password", "service": local_registry.host, "scope": "repository:a:pull"}
    assert local_registry.post_form("/oauth2/token", **form).status == 401


# Grants


def test_a_grant_narrows_one_principal_to_what_its_role_would_allow(
    local_registry: RegistryProcess, repository: str
) -> None:
    local_registry.push_image(repository, "v1")
    grant = {"repositories": [f"{repository}*"], "actions": ["pull"]}
    local_registry.control.set_grants({local_registry.identity.client_id: grant})
    allowed = local_registry.access_token(f"repository:{repository}:pull,push")
    assert local_registry.ask("GET", f"/v2/{repository}/tags/list", auth=allowed).status == 200
    assert local_registry.ask("POST", f"/v2/{repository}/blobs/uploads/", auth=allowed).status == 401
    other = local_registry.access_token("repository:elsewhere:pull")
    assert local_registry.ask("GET", "/v2/elsewhere/tags/list", auth=other).status == 401
    catalogue = local_registry.access_token("registry:catalog:*")
    assert local_registry.ask("GET", "/v2/_catalog", auth=catalogue).status == 401
    assert local_registry.ask("GET", "/v2/_catalog").status == 200  # the pusher is someone else


def test_the_control_api_needs_its_own_token(local_registry: RegistryProcess) -> None:
    assert local_registry.ask("GET", "/_local/requests").status == 403
    wrong = {guard.HEADER: "wrong"}
    assert local_registry.ask("GET", "/_local/requests", headers=wrong).status == 403
    assert local_registry.ask("GET", "/_local/nothing", headers={guard.HEADER: "control"}).status == 404


def test_a_mount_needs_to_be_allowed_to_pull_from_where_it_comes(
    local_registry: RegistryProcess, repository: str
) -> None:
    digest = local_registry.push_blob(f"{repository}/source", json.dumps({"a": repository}).encode())
    path = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={repository}/source"
    challenge = local_registry.ask("POST", path, auth=None).header("WWW-Authenticate") or ""
    both = f"repository:{repository}:pull,push repository:{repository}/source:pull"
    assert f'scope="{both}"' in challenge
    assert local_registry.ask("POST", path, auth=local_registry.access_token(both)).status == 201
    assert digest_of(json.dumps({"a": repository}).encode()) == digest
