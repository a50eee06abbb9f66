"""The three kinds of token: Entra's, which come in; refresh and access tokens, which the registry makes."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

ISSUER = "Azure Container Registry"
# Seen on the wire: refresh tokens live for 195 minutes, anonymous access tokens for 20; the documentation's sample of
# an access token lives for 75.
REFRESH_SECONDS = 11_700
ACCESS_SECONDS = 4_500
ANONYMOUS_SECONDS = 1_200
# The audience that registries take by default (azure-containerregistry 1.2.0 asks for no other).
AUDIENCE = "https://containerregistry.azure.net"
ENTRA_ISSUERS = ("https://sts.windows.net/", "https://login.microsoftonline.com/")
ANONYMOUS = "acr_anon_pull"


class InvalidToken(Exception):
    """Not a token that this registry takes; the message says why."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token speaks for. `name` is what grants are given to: a client id, or a user's name."""

    name: str
    subject: str


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of a token's `access` claim, or of a scope."""

    type: str
    name: str
    actions: tuple[str, ...]

    @classmethod
    def parse(cls, scope: str) -> Access | None:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind not in ("repository", "registry", "artifact-repository") or not name or not actions:
            return None
        return cls(kind, name, tuple(one for one in actions.split(",") if one))

    def covers(self, asked: Access) -> bool:
        if self.type != asked.type or self.name not in (asked.name, "*"):
            return False
        return "*" in self.actions or set(asked.actions) <= set(self.actions)


def _read_key(path: Path) -> tuple[Any, list[str]]:
    """The key that Entra tokens are checked with: a public key in PEM (RS256), else a shared secret (HS256)."""
    data = path.read_bytes()
    if data.startswith(b"-----BEGIN"):
        return serialization.load_pem_public_key(data), ["RS256"]
    return data.strip(), ["HS256"]


@dataclass(slots=True)
class Tokens:
    """`host` is the login server: the audience of what this registry makes. Lifetimes are in seconds."""

    host: str
    identity_key: Path | None = None
    audience: str = AUDIENCE
    refresh_seconds: float = REFRESH_SECONDS
    access_seconds: float = ACCESS_SECONDS
    anonymous_seconds: float = ANONYMOUS_SECONDS
    registry_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def entra(self, token: str) -> Principal:
        if self.identity_key is None:
            raise InvalidToken("this registry takes no Entra tokens: it was started without a key to check them")
        key, algorithms = _read_key(self.identity_key)
        try:
            claims = jwt.decode(
                token, key, algorithms=algorithms, audience=self.audience, options={"require": ["exp", "iss", "aud"]}
            )
        except jwt.InvalidTokenError as problem:
            raise InvalidToken(str(problem)) from None
        if not str(claims["iss"]).startswith(ENTRA_ISSUERS):
            raise InvalidToken("the issuer is not Entra")
        name = str(claims.get("appid") or claims.get("azp") or claims.get("sub") or "")
        return Principal(name, str(claims.get("oid") or claims.get("sub") or name))

    def make_refresh(self, who: Principal) -> str:
        claims = {
            "sub": who.subject,
            "appid": who.name,
            "version": "1.0",
            "grant_type": "refresh_token",
            "rid": self.registry_id,
            "permissions": {"Actions": ["read", "write", "delete", "metadata/read", "metadata/write"]},
        }
        return self._sign(claims, self.refresh_seconds)

    def make_access(self, who: Principal, access: list[Access]) -> str:
        # An anonymous token carries the wildcard, whatever was requested, as seen on the wire.
        anonymous = who.name == ANONYMOUS
        claims = {
            "sub": who.subject,
            "version": "1.0",
            "grant_type": "access_token",
            "rid": self.registry_id,
            "access": [{"Type": one.type, "Name": one.name, "Actions": list(one.actions)} for one in access],
            "roles": [],
        }
        if not anonymous:
            claims["appid"] = who.name
        return self._sign(claims, self.anonymous_seconds if anonymous else self.access_seconds)

    def read_refresh(self, token: str) -> Principal:
        claims = self._verify(token, "refresh_token")
        return Principal(str(claims["appid"]), str(claims["sub"]))

    def read_access(self, token: str) -> tuple[str, list[Access]]:
        """The subject and what it may do."""
        claims = self._verify(token, "access_token")
        access = [Access(one["Type"], one["Name"], tuple(one["Actions"])) for one in claims["access"]]
        return str(claims["sub"]), access

    def _sign(self, claims: Mapping[str, object], seconds: float) -> str:
        now = int(time.time())
        common = {"jti": str(uuid.uuid4()), "iss": ISSUER, "aud": self.host, "iat": now, "nbf": now}
        # A lifetime of a fraction of a second is kept as one: `exp` may be any number (RFC 7519, section 2).
        end = now + int(seconds) if seconds == int(seconds) else time.time() + seconds
        return jwt.encode({**claims, **common, "exp": end}, self._secret, "HS256")

    def _verify(self, token: str, kind: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(token, self._secret, ["HS256"], audience=self.host, issuer=ISSUER)
        except jwt.InvalidTokenError as problem:
            raise InvalidToken(str(problem)) from None
        if claims.get("grant_type") != kind:
            raise InvalidToken(f"not a token of the kind {kind}")
        return claims
