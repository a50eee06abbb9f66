"""Access tokens, kept until they expire: one for each repository, as the registry's own challenges ask for them.

ACR's protocol: an Entra token is exchanged for a refresh token (`/oauth2/exchange`), that for an access token
(`/oauth2/token`); for anonymous pulls the latter is requested with no credential. Both tokens say when they expire.
Credentials are sent to the registry's own two addresses only, whatever a challenge names as its realm.
"""

import base64
import binascii
import json
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.rest import HttpRequest, HttpResponse

from acrmirror.cancel import holding
from acrmirror.errors import Denied, Malformed, TooLarge
from acrmirror.registry.failures import CHECK_WHO_ANSWERS, network_failure, refusal

MARGIN = 60.0
"""Seconds before its end at which a token is no longer sent."""
TOKEN_LIMIT = 64 * 1024
"""Bytes of an answer with a token. Those of real registries have a few thousand."""
REMEMBERED = 1000
"""Access tokens kept at most; the one not used for longest goes."""

_PARAMETER = re.compile(r'(?<![a-z_])([a-z_]+)="([^"]*)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: float
    """By the monotonic clock."""

    @property
    def fresh(self) -> bool:
        return time.monotonic() < self.until


class Tokens:
    """Thread-safe. `key` is what a token is good for: a repository's name and what of it is read. `setting` is the one
    that names the registry."""

    def __init__(
        self,
        registry: str,
        credential: TokenCredential | None,
        audience: str,
        pipeline: PipelineClient[HttpRequest, HttpResponse],
        setting: str = "MIRROR_REGISTRY",
    ) -> None:
        self._registry = registry
        self._setting = setting
        self._credential = credential
        self._scope = f"{audience}/.default"
        self._pipeline = pipeline
        self._access: OrderedDict[str, _Token] = OrderedDict()
        self._refresh: _Token | None = None
        self._guard = threading.Lock()
        self._renewal = threading.Lock()

    def remembered(self, key: str) -> str | None:
        """The access token to send straight away, if there is one that lasts."""
        with self._guard:
            token = self._access.get(key)
            if token is None:
                return None
            if not token.fresh:
                del self._access[key]
                return None
            self._access.move_to_end(key)
            return token.text

    def renew(self, key: str, challenge: str | None, refused: str | None) -> str:
        """A new access token after a 401; `refused` is the token that got it, if any was sent.

        Threads that were refused together get one token between them. Raises Denied, Throttled, Unavailable.
        """
        parameters = dict(_PARAMETER.findall(challenge or ""))
        if not (challenge or "").lower().startswith("bearer") or not parameters.get("scope"):
            raise Denied(
                f"log in to {self._registry}",
                "it answered 401 without a challenge for a token that pulls",
                f"Check that {self._setting} is an Azure Container Registry's login server.",
            )
        with holding(self._renewal):
            current = self.remembered(key)
            if current is not None and current != refused:
                return current
            token = self._exchange(parameters.get("service") or self._registry, parameters["scope"])
            with self._guard:
                self._access[key] = token
                while len(self._access) > REMEMBERED:
                    self._access.popitem(last=False)
            return token.text

    def _exchange(self, service: str, scope: str) -> _Token:
        form = {"service": service, "scope": scope}
        if self._credential is None:
            return self._post("/oauth2/token", {"grant_type": "password", **form}, "access_token")
        remembered = self._refresh if self._refresh is not None and self._refresh.fresh else None
        if remembered is not None:
            try:
                return self._access_token(form, remembered)
            except Denied:
                # It may have been revoked before its end: a new one settles it.
                self._refresh = None
        self._refresh = self._refresh_token(service, self._credential)
        return self._access_token(form, self._refresh)

    def _access_token(self, form: dict[str, str], refresh: _Token) -> _Token:
        form = {"grant_type": "refresh_token", **form, "refresh_token": refresh.text}
        return self._post("/oauth2/token", form, "access_token")

    def _refresh_token(self, service: str, credential: TokenCredential) -> _Token:
        asked = f"get an Entra token for {self._registry}"
        try:
            entra = credential.get_token(self._scope).token
        except ClientAuthenticationError as error:
            raise Denied(
                asked,
                f"the identity got none ({type(error).__name__})",
                "Check that the identity of AZURE_CLIENT_ID is assigned to this app, and MIRROR_REGISTRY_AUDIENCE.",
            ) from error
        except AzureError as error:
            raise network_failure(asked, error) from error
        form = {"grant_type": "access_token", "service": service, "access_token": entra}
        return self._post("/oauth2/exchange", form, "refresh_token")

    def _post(self, path: str, form: dict[str, str], field: str) -> _Token:
        asked = f"POST {self._registry}{path}"
        request = HttpRequest(
            "POST", f"https://{self._registry}{path}", params={"api-version": "2021-07-01"}, data=form
        )
        try:
            response = self._pipeline.send_request(request)
        except AzureError as error:
            raise network_failure(asked, error) from error
        body = response.content
        if len(body) > TOKEN_LIMIT:
            raise TooLarge(asked, f"its answer has more than {TOKEN_LIMIT} bytes", CHECK_WHO_ANSWERS)
        if response.status_code != 200:
            raise refusal(asked, response.status_code, response.headers, body)
        try:
            token = json.loads(body)[field]
            if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
                raise ValueError(field)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Malformed(
                asked, f"it answered 200 without a {field}", f"Check that {self._setting} is a container registry."
            ) from None
        return _Token(token, time.monotonic() + max(_lifetime(token) - MARGIN, 0.0))


def _lifetime(token: str) -> float:
    """Seconds that a token is good for by its own claims; a token that says nothing is used once."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        # Its own beginning rather than this machine's clock, which may be wrong; `nbf` lies minutes before it.
        return float(claims["exp"]) - float(claims.get("iat") or time.time())
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, binascii.Error, RecursionError):
        return 0.0
