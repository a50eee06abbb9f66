"""How the queue extension asks storage: six tries at what may pass, 0.8, 1.6, 3.2, 6.4 and 12.8 s apart; and what it
makes of the answers. Of most, that it can't go on: the host stops.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.storage.queue import ExponentialRetry

DELAY = 0.8
"""Seconds before the first try more."""
NETWORK_TIMEOUT = 100
"""Seconds after which a try is given up that is held (Azure.Core's RetryOptions.NetworkTimeout)."""
_MORE_TRIES = 5
# Codes of a message that another receiver has by now, or that is gone with its queue.
_GONE = {(404, "MessageNotFound"), (404, "QueueNotFound"), (400, "PopReceiptMismatch"), (409, "QueueBeingDeleted")}


class HostStops(Exception):
    """A listener can't go on, and with it the host."""


class Cancelled(AzureError):
    """Whoever asked does not wait for the answer any more."""

    def __init__(self) -> None:
        super().__init__("cancelled")


class HostRetry(ExponentialRetry):
    """A call's option `cancelled`, an event, ends its waiting between two tries."""

    def __init__(self, delay: float) -> None:
        more = _MORE_TRIES
        super().__init__(retry_total=more, retry_connect=more, retry_read=more, retry_status=more)
        self._delay = delay

    def configure_retries(self, request: Any) -> dict[str, Any]:
        cancelled = request.context.options.pop("cancelled", None)
        return {**super().configure_retries(request), "cancelled": cancelled or threading.Event()}

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        return float(self._delay * 2 ** (settings["count"] - 1))

    def sleep(self, settings: dict[str, Any], transport: object) -> None:
        del transport
        if settings["cancelled"].wait(self.get_backoff_time(settings)):
            raise Cancelled


def code_of(error: AzureError) -> tuple[int, str]:
    """The status and storage's code; 0 where there was no answer."""
    if not isinstance(error, HttpResponseError):
        return 0, ""
    code = getattr(error, "error_code", None)
    return int(error.status_code or 0), str(getattr(code, "value", code) or "")


def is_gone(error: AzureError) -> bool:
    """Whether a message is not ours any more."""
    return code_of(error) in _GONE


def is_passing(error: AzureError) -> bool:
    """Whether a poll may be tried again later: the server's fault, or a queue that is not there."""
    status, code = code_of(error)
    if isinstance(error, ClientAuthenticationError):
        return False
    return status >= 500 or (status, code) in ((404, "QueueNotFound"), (409, "QueueBeingDeleted"))


def insist(operation: Callable[[], object], ignored: Callable[[AzureError], bool], what: str) -> AzureError | None:
    """Does it; the error where one is ignored. Raises `HostStops` for any other."""
    try:
        operation()
    except AzureError as error:
        if not ignored(error):
            raise HostStops(f"{what}: {brief(error)}") from error
        return error
    return None


def brief(error: Exception) -> str:
    return str(error).partition("\n")[0]
