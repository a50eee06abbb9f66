"""Credentials for the benchmark's own servers, which take any token, and for Azurite, which reads a token's claims."""

import base64
import json
import time
from typing import Any

from azure.core.credentials import AccessToken

_LIFE = 24 * 3600
_ISSUER = "https://sts.windows.net/5eed0000-0000-4000-8000-00000000ac1d/"


class AnyToken:
    """A token credential whose tokens nobody signed: Azurite checks issuer, audience and times alone."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        now = int(time.time())
        audience = scopes[0].removesuffix("/.default") if scopes else ""
        claims = {"iss": _ISSUER, "aud": audience, "iat": now, "nbf": now - 300, "exp": now + _LIFE}
        parts = ({"typ": "JWT", "alg": "HS256"}, claims)
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        return AccessToken(f"{text}.{'bench'}", now + _LIFE)
