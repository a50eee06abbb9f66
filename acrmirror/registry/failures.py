"""What a registry, or the storage behind it, refused or failed to answer, as the errors of this project.

Messages carry no token and no signed URL: addresses are written without their query, and texts from outside are quoted,
cut, and cleared of what looks like a secret.
"""

import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from azure.core.exceptions import AzureError

from acrmirror.errors import Denied, Malformed, MirrorError, NotFound, Permanent, Refused, Throttled, Unavailable
from acrmirror.moments import from_http_date, to_datetime
from acrmirror.paced import TooSlow
from acrmirror.reference import shown
from acrmirror.transport import ERROR_LIMIT

LONGEST_WAIT = 24 * 3600.0
CHECK_WHO_ANSWERS = "Check what answers as this registry."

_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_SECRETS = re.compile(r"eyJ[\w.-]{8,}|(?<=sig=)[^&\s\"'<>]+|(?<=Bearer )\S+")
"""None of the three can fail at its end, so that a text is read once, however long it is."""

_GIVE_A_ROLE = (
    "Give the function's identity {plain}, or Container Registry Repository {role} if the registry uses ABAC, and let "
    "its network through; role assignments take minutes to arrive."
)
_PLAIN_ROLES = {"Writer": "AcrPush"}
"""Of a registry without ABAC, where that is not AcrPull."""


class Headers(Protocol):
    """Response headers of either client: looked up ignoring case."""

    def get(self, name: str, /) -> str | None: ...


def refusal(asked: str, status: int, headers: Headers, body: bytes = b"", role: str = "Reader") -> MirrorError:
    """The error that an answer of 300 and above means. `role` is what a registry that uses ABAC wants for this: a
    Container Registry Repository …"""
    answered = f"it answered {status}{_reason(body)}"
    if status < 400:
        return Refused(
            asked, f"{answered}, a redirect, which is not followed here", "Check what answers at this address."
        )
    if status == 404:
        return NotFound(
            asked,
            answered,
            "Soon after a push it may not have reached this replica, or be in quarantine; later it is gone there.",
        )
    if status in (401, 403):
        return Denied(asked, answered, _GIVE_A_ROLE.format(plain=_PLAIN_ROLES.get(role, "AcrPull"), role=role))
    if status == 429:
        return Throttled(
            asked, answered, "Its limit will pass by itself; a larger tier raises it.", retry_after(headers)
        )
    if status == 408 or status >= 500:
        return Unavailable(asked, answered, "It is tried again later.", retry_after(headers))
    return Permanent(asked, answered, "It will not answer otherwise by itself: look the code up in its documentation.")


def network_failure(asked: str, error: BaseException) -> Unavailable:
    """The error that no answer, or half of one, means."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unavailable(
                asked,
                f"its certificate is not trusted ({getattr(cause, 'verify_message', None) or 'verification failed'})",
                "If it is signed by an authority of your own, name that in MIRROR_TRUST_BUNDLE.",
            )
        if isinstance(cause, socket.gaierror):
            return Unavailable(asked, "its name does not resolve", "Check the name, and this network's DNS.")
        if isinstance(cause, ConnectionRefusedError):
            return Unavailable(asked, "nothing listens there", "Check the address, and that the service runs.")
    for cause in _causes(error):
        if isinstance(cause, TooSlow):
            return Unavailable(asked, f"it did not answer in time: {cause}", "It is tried again later.")
    for cause in _causes(error):
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return Unavailable(asked, "it did not answer in time", "It is tried again later.")
    kind = type(list(_causes(error))[-1]).__name__
    return Unavailable(asked, f"the connection broke ({kind})", "It is tried again later.")


def unreadable(asked: str) -> Malformed:
    """The error that an answer means in which the SDK does not find what it looks for."""
    return Malformed(asked, "its answer can not be read", CHECK_WHO_ANSWERS)


@contextmanager
def told_as_ours(asked: str) -> Iterator[None]:
    """Around a call of the SDK: what that raises becomes an error of this project."""
    try:
        yield
    except AzureError as error:
        raise network_failure(asked, error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise unreadable(asked) from None


def retry_after(headers: Headers) -> float | None:
    """Seconds to wait, from a `Retry-After` in either of its forms (RFC 9110), or None."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    if _SECONDS.fullmatch(text.strip()):
        return min(float(text), LONGEST_WAIT)
    try:
        until = to_datetime(from_http_date(text))
        date = headers.get("Date")
        now = to_datetime(from_http_date(date)) if date else datetime.now(UTC)
    except Malformed:
        return None
    return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)


def _reason(body: bytes) -> str:
    """The distribution specification's error code and message, if the body has them."""
    try:
        document = json.loads(body[:ERROR_LIMIT])
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, Mapping):
        return ""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else document
    if not isinstance(first, Mapping):
        return ""
    code = first.get("code") or first.get("error")
    message = first.get("message") or first.get("error_description")
    parts = [_SECRETS.sub("…", part) for part in (code, message) if isinstance(part, str) and part]
    return f" ({', '.join(shown(part, 200) for part in parts)})" if parts else ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of; the SDKs keep causes in arguments as well."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        item = queue.pop(0)
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            yield item
            queue += [item.__cause__, item.__context__, *item.args]
            queue += [getattr(item, "inner_exception", None), getattr(item, "reason", None)]
