"""Access keys: https://learn.microsoft.com/azure/azure-functions/function-keys-how-to.

A key comes as `x-functions-key` or as `code` in the query, the header first (AuthenticationLevelHandler.cs). The
function key opens functions of level *function*; the system key opens an extension's webhook; the master key all.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from standins.request import Request

HEADER = "x-functions-key"
PARAMETER = "code"


@dataclass(frozen=True, slots=True)
class Keys:
    """Made anew for each run of the host."""

    function: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    system: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    master: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def allow_function(self, request: Request[bytes], level: str) -> bool:
        """`level` is the trigger's authLevel, in any case; function is its default."""
        level = level.lower()
        if level == "anonymous":
            return True
        return self._is(request, self.master, *([] if level == "admin" else [self.function]))

    def allow_webhook(self, request: Request[bytes]) -> bool:
        return self._is(request, self.master, self.system)

    def allow_admin(self, request: Request[bytes]) -> bool:
        return self._is(request, self.master)

    def _is(self, request: Request[bytes], *keys: str) -> bool:
        given = request.headers.get(HEADER) or first_value(request, PARAMETER)
        return any([hmac.compare_digest(given.encode(), key.encode()) for key in keys])


def first_value(request: Request[bytes], name: str) -> str:
    """What the query has first for a name, in any case, as the host reads it; or nothing."""
    return next((values[0] for key, values in request.query.items() if key.lower() == name.lower()), "")
