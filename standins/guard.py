"""What guards the control APIs, which the real services don't have: one header, one variable, one comparison."""

from __future__ import annotations

import hmac
from email.message import Message

HEADER = "X-Standins-Token"
VARIABLE = "STANDINS_CONTROL_TOKEN"
"""In the environment of a stand-in: the token that a caller of its control API has to send."""


def is_allowed(headers: Message, token: str) -> bool:
    """Whether a request carries the token; never where there is none."""
    return bool(token) and hmac.compare_digest(headers.get(HEADER, "").encode(), token.encode())
