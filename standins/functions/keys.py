"""Access keys: https://learn.microsoft.com/azure/azure-functions/function-keys-how-to.

A key comes as `x-functions-key` or as `code` in the query, the header first (AuthenticationLevelHandler.cs). The
function key opens functions of level *function*; the system key opens an extension's webhook; the master key all.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from standins.functions.request import HostRequest
from standins.functions.server import Response

HEADER = "x-functions-key"
PARAMETER = "code"


@dataclass(frozen=True, slots=True)
class Keys:
    """Made anew for each run of the host."""

    function: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    system: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    master: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _used: set[str] = field(default_factory=set, repr=False)

    def allow_function(self, request: HostRequest, level: str) -> bool:
        """`level` is the trigger's authLevel, in any case; function is its default."""
        level = level.lower()
        if level == "anonymous":
            return True
        return self._is(given(request), self.master, *([] if level == "admin" else [self.function]))

    def refuse_webhook(self, request: HostRequest) -> Response | None:
        """None for the system key and the master key; else what the host answers."""
        key = given(request)
        if self._is(key, self.master, self.system):
            return None
        if self._is(key, self.function):
            return Response(403)
        return Response(401, headers=[("WWW-Authenticate", "Bearer")] if key else [])

    def refuse_admin(self, request: HostRequest) -> Response | None:
        """None for the master key; else what the host answers."""
        key = given(request)
        if self._is(key, self.master):
            return None
        return Response(403 if self._is(key, self.function, self.system) else 401)

    def _is(self, key: str, *keys: str) -> bool:
        """A key that was right once is remembered, and from then on taken in any case."""
        for right in keys:
            if hmac.compare_digest(key.encode(), right.encode()):
                self._used.add(right)
                return True
            if right in self._used and hmac.compare_digest(key.lower().encode(), right.lower().encode()):
                return True
        return False


def given(request: HostRequest) -> str:
    """The key of a request: of its headers the first, which counts even if it is empty; else of its query."""
    header = request.headers.get(HEADER)
    return str(header) if header is not None else request.parameter(PARAMETER)
