"""The identity endpoint, as `ManagedIdentityCredential` and as a stranger see it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential

from standins.identity import HEADER_VARIABLE, ISSUER, check_token, make_key, read_key, sign
from standins.process import Service

HEADER = "a-secret-of-this-run"
CLIENT = "0f4e1c2d-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity") / "identity.key"


@pytest.fixture(scope="module")
def endpoint(key: Path) -> Iterator[str]:
    arguments = ["--key", str(key), "--client-id", CLIENT, "--lifetime", "7200"]
    service = Service.module(
        "standins.identity", arguments, key.with_suffix(".log"), {**os.environ, HEADER_VARIABLE: HEADER}
    )
    try:
        yield service.ready()["identity_endpoint"]
    finally:
        assert service.stop() == 0


@pytest.fixture
def app_service(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that App Service gives an app."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", HEADER)


def ask(endpoint: str, header: str | None = HEADER, **query: str) -> tuple[int, dict[str, Any]]:
    query = {"resource": "https://storage.azure.com", "api-version": "2019-08-01", "client_id": CLIENT} | query
    given = {name: value for name, value in query.items() if value}
    request = Request(f"{endpoint}?{urlencode(given)}", headers={} if header is None else {"X-IDENTITY-HEADER": header})
    try:
        with urlopen(request) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


def test_the_real_credential_gets_a_token_for_the_audience_it_asks_for(app_service: None, key: Path) -> None:
    with ManagedIdentityCredential(client_id=CLIENT) as credential:
        token = credential.get_token("https://containerregistry.azure.net/.default")
    claims = check_token(token.token, read_key(key), "https://containerregistry.azure.net")
    assert claims["iss"] == ISSUER
    assert claims["aud"] == "https://containerregistry.azure.net"
    assert claims["appid"] == CLIENT
    assert claims["exp"] - claims["iat"] == 7200
    assert claims["exp"] == pytest.approx(token.expires_on, abs=5)


def test_the_real_credential_of_another_identity_is_refused(app_service: None) -> None:
    with ManagedIdentityCredential(client_id="0f4e1c2d-0000-4000-8000-00000000dead") as credential:
        with pytest.raises(ClientAuthenticationError, match="No User Assigned"):
            credential.get_token("https://storage.azure.com/.default")


def test_the_real_credential_without_a_client_id_is_refused(app_service: None) -> None:
    with ManagedIdentityCredential() as credential, pytest.raises(ClientAuthenticationError, match="No User Assigned"):
        credential.get_token("https://storage.azure.com/.default")


def test_the_answer_has_the_fields_of_the_protocol(endpoint: str) -> None:
    status, answer = ask(endpoint)
    assert status == 200
    assert set(answer) == {"access_token", "client_id", "expires_on", "resource", "token_type"}
    assert answer["token_type"] == "Bearer"
    assert answer["resource"] == "https://storage.azure.com"
    assert answer["expires_on"].isdigit()


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("another secret", {}, 401),
        (None, {}, 401),
        (HEADER, {"client_id": "0f4e1c2d-0000-4000-8000-00000000dead"}, 400),
        (HEADER, {"client_id": ""}, 400),
        (HEADER, {"resource": ""}, 400),
        (HEADER, {"api-version": "2017-09-01"}, 400),
    ],
)
def test_what_the_protocol_does_not_allow_gets_no_token(
    endpoint: str, header: str | None, query: dict[str, str], status: int
) -> None:
    answered, body = ask(endpoint, header, **query)
    assert (answered, body["statusCode"]) == (status, status)
    assert "access_token" not in body
    assert body["message"]


def test_a_token_is_good_for_its_own_audience_key_and_time_only(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    claims = {"iss": ISSUER, "aud": "https://one.example", "nbf": 0, "exp": 2**40}
    assert check_token(sign(claims, key), key, "https://one.example") == claims
    for wrong, error in (
        (sign(claims, b"another key that is long enough, too"), jwt.InvalidSignatureError),
        (sign(claims | {"aud": "https://two.example"}, key), jwt.InvalidAudienceError),
        (sign(claims | {"iss": "https://sts.windows.net/other/"}, key), jwt.InvalidIssuerError),
        (sign(claims | {"exp": 1}, key), jwt.ExpiredSignatureError),
        (sign(claims | {"nbf": 2**39}, key), jwt.ImmatureSignatureError),
        (sign({"iss": ISSUER}, key), jwt.MissingRequiredClaimError),
        ("no token at all", jwt.DecodeError),
    ):
        with pytest.raises(error):
            check_token(wrong, key, "https://one.example")


def test_the_key_file_is_readable_by_its_owner_only(endpoint: str, key: Path) -> None:
    assert key.stat().st_mode & 0o077 == 0


def test_it_does_not_start_without_the_secret(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != HEADER_VARIABLE}
    command = [sys.executable, "-m", "standins.identity", "--key", str(tmp_path / "key")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert HEADER_VARIABLE in ended.stderr
