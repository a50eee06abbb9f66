"""A credential of the local identity endpoint, for what runs beside the app: deployment, demo, tests.

The app itself never uses it: it takes `ManagedIdentityCredential`, which finds the same endpoint in its environment.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from azure.core.credentials import AccessToken

from standins.identity import API_VERSION


class LocalCredential:
    """A `TokenCredential` that needs no environment, so that several stacks can be spoken to from one process."""

    def __init__(self, endpoint: str, header: str, client_id: str) -> None:
        self._endpoint = endpoint
        self._header = header
        self._client_id = client_id
        self._tokens: dict[str, AccessToken] = {}

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Raises OSError with the endpoint's own words if it refuses."""
        resource = scopes[0].removesuffix("/.default")
        known = self._tokens.get(resource)
        if known is None or known.expires_on - time.time() < 300:
            known = self._tokens[resource] = self._ask(resource)
        return known

    def _ask(self, resource: str) -> AccessToken:
        query = urlencode({"resource": resource, "api-version": API_VERSION, "client_id": self._client_id})
        request = Request(f"{self._endpoint}?{query}", headers={"X-IDENTITY-HEADER": self._header})
        try:
            with urlopen(request, timeout=10) as response:
                answer = json.load(response)
        except HTTPError as error:
            raise OSError(f"the identity endpoint refused {resource}: {error.read().decode()}") from error
        return AccessToken(answer["access_token"], int(answer["expires_on"]))

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> LocalCredential:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
