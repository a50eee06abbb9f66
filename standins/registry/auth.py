"""Who may do what: challenges, token requests, and the check of every other request."""

from __future__ import annotations

import base64
import binascii
import hmac
import random
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .errors import RegistryError
from .tokens import ANONYMOUS, Access, InvalidToken, Principal, Tokens
from .wire import RegistryRequest, Response, json_response

# With this name, docker clients log in by a refresh token as the password (az acr login does).
TOKEN_USER = "00000000-0000-0000-0000-000000000000"
CATALOG = Access("registry", "catalog", ("*",))
# The text as Azure Container Registry was seen to answer.
_MESSAGE = "authentication required, visit https://aka.ms/acr/authorization for more information."


@dataclass(frozen=True, slots=True)
class Grant:
    """What a principal may do at most: patterns of repositories (`*` crosses slashes), actions, the catalogue."""

    repositories: tuple[str, ...]
    actions: tuple[str, ...]
    catalog: bool = False

    @property
    def nothing(self) -> bool:
        return not self.actions and not self.catalog

    def allowed(self, asked: Access) -> Access:
        if asked.type == "registry":
            return Access(asked.type, asked.name, asked.actions if self.catalog else ())
        if not any(fnmatchcase(asked.name, pattern) for pattern in self.repositories):
            return Access(asked.type, asked.name, ())
        return Access(asked.type, asked.name, tuple(one for one in asked.actions if one in self.actions))


@dataclass(slots=True)
class Auth:
    """`grants` narrows single principals, by client id or user name; who is not in it may do everything."""

    tokens: Tokens
    username: str | None = None
    password: str | None = None
    anonymous: bool = False
    _grants: dict[str, Grant] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set_grants(self, grants: dict[str, Grant]) -> None:
        with self._lock:
            self._grants = grants

    # Requests that need a token

    def require(self, request: RegistryRequest, needed: list[Access]) -> None:
        """401 with a challenge unless the request's credential allows all of `needed`."""
        scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() == "basic" and value:
            who = self._basic(value)
            if who is None or who.name == ANONYMOUS:
                raise self._challenge(needed, None)
            granted = [self._narrow(who, one) for one in needed]
        elif scheme.lower() == "bearer" and value:
            try:
                subject, granted = self.tokens.read_access(value.strip())
            except InvalidToken:
                raise self._challenge(needed, "invalid_token") from None
            if subject == ANONYMOUS:
                # Anonymous tokens name only `pull`, and were seen to read metadata, too.
                granted += [Access(one.type, one.name, (*one.actions, "metadata_read")) for one in granted]
        else:
            raise self._challenge(needed, None)
        if not all(any(have.covers(one) for have in granted) for one in needed):
            raise self._challenge(needed, "insufficient_scope")

    def allows(self, request: RegistryRequest, needed: Access) -> bool:
        try:
            self.require(request, [needed])
        except RegistryError:
            return False
        return True

    def _challenge(self, needed: list[Access], error: str | None) -> RegistryError:
        host = self.tokens.host
        value = f'Bearer realm="https://{host}/oauth2/token",service="{host}"'
        if needed:
            scope = " ".join(f"{one.type}:{one.name}:{','.join(one.actions)}" for one in needed)
            value += f',scope="{scope}"'
        if error:
            value += f',error="{error}"'
        detail = [{"Type": one.type, "Name": one.name, "Action": action} for one in needed for action in one.actions]
        return RegistryError("UNAUTHORIZED", _MESSAGE, detail or None, headers=[("WWW-Authenticate", value)])

    # Token requests

    def exchange(self, request: RegistryRequest) -> Response:
        """POST /oauth2/exchange: an Entra token for a refresh token."""
        form = request.form()
        self._check_service(form)
        if _first(form, "grant_type") not in ("access_token", "access_token_refresh_token"):
            raise RegistryError("BAD_REQUEST", "grant_type must be access_token")
        try:
            who = self.tokens.entra(_first(form, "access_token"))
        except InvalidToken as problem:
            raise RegistryError("UNAUTHORIZED", f"the access token is not accepted: {problem}") from None
        # Who has no permission at all gets no refresh token: "CONNECTIVITY_REFRESH_TOKEN_ERROR" in
        # https://learn.microsoft.com/azure/container-registry/container-registry-health-error-reference
        with self._lock:
            grant = self._grants.get(who.name)
        if grant is not None and grant.nothing:
            raise RegistryError("UNAUTHORIZED", _MESSAGE)
        return json_response({"refresh_token": self.tokens.make_refresh(who)}, headers=self.rate_limit())

    def token_by_post(self, request: RegistryRequest) -> Response:
        """POST /oauth2/token, with grant_type refresh_token or password (without a user: anonymous)."""
        form = request.form()
        self._check_service(form)
        grant_type, scopes = _first(form, "grant_type"), form.get("scope", [])
        if grant_type == "refresh_token":
            try:
                return self._answer(self.tokens.read_refresh(_first(form, "refresh_token")), scopes)
            except InvalidToken as problem:
                raise RegistryError("UNAUTHORIZED", f"the refresh token is not accepted: {problem}") from None
        if grant_type == "password":
            return self._answer(self._login(_first(form, "username"), _first(form, "password")), scopes)
        raise RegistryError("BAD_REQUEST", "grant_type must be refresh_token or password")

    def token_by_get(self, request: RegistryRequest) -> Response:
        """GET /oauth2/token with basic authentication, as docker clients ask (distribution's token specification)."""
        if request.parameter("service", self.tokens.host) != self.tokens.host:
            raise RegistryError("UNAUTHORIZED", "the service is another registry")
        scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
        scopes = list(request.query.get("scope", []))
        if scheme.lower() == "basic":
            who = self._basic(value)
            if who is None:
                raise self._challenge([], None)
            return self._answer(who, scopes)
        return self._answer(self._login("", ""), scopes)

    def _answer(self, who: Principal | None, scopes: list[str]) -> Response:
        if who is None:
            raise RegistryError("UNAUTHORIZED", _MESSAGE)
        asked = [one for scope in scopes for one in map(Access.parse, scope.split()) if one is not None]
        if who.name == ANONYMOUS:
            access = [Access("repository", "*", ("pull",))]
        else:
            access = [narrowed for one in asked if (narrowed := self._narrow(who, one)).actions]
        return json_response({"access_token": self.tokens.make_access(who, access)}, headers=self.rate_limit())

    def rate_limit(self) -> list[tuple[str, str]]:
        # Seen on answers of the token endpoints and the metadata API.
        return [("x-ms-ratelimit-remaining-calls-per-second", f"166.{random.randrange(10, 100)}")]

    def _check_service(self, form: dict[str, list[str]]) -> None:
        if _first(form, "service") != self.tokens.host:
            raise RegistryError("UNAUTHORIZED", "the service is another registry")

    def _narrow(self, who: Principal, asked: Access) -> Access:
        with self._lock:
            grant = self._grants.get(who.name)
        return grant.allowed(asked) if grant else asked

    def _login(self, username: str, password: str) -> Principal | None:
        if not username and not password:
            return Principal(ANONYMOUS, ANONYMOUS) if self.anonymous else None
        if username == TOKEN_USER:
            try:
                return self.tokens.read_refresh(password)
            except InvalidToken:
                return None
        if self.username is None or self.password is None:
            return None
        if hmac.compare_digest(f"{username}\0{password}".encode(), f"{self.username}\0{self.password}".encode()):
            return Principal(username, username)
        return None

    def _basic(self, value: str) -> Principal | None:
        try:
            username, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._login(username, password)


def _first(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]
