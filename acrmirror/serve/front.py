"""Whatever happens, a client gets an answer of the specification (rule V8): the host's own have no body."""

import logging
from collections.abc import Callable
from typing import Protocol

from acrmirror.errors import (
    Damaged,
    DigestMismatch,
    Malformed,
    MirrorError,
    NotFound,
    Throttled,
    Transient,
)
from acrmirror.serve.distribution import Distribution
from acrmirror.serve.wire import RETRY_SECONDS, Asked, Reply, SpecError, away, refusal

_log = logging.getLogger(__name__)


class Parts(Protocol):
    """What of the app is asked."""

    @property
    def distribution(self) -> Distribution: ...


class Front:
    """Over a way to get the app, which is not opened before the first call."""

    def __init__(self, app: Callable[[], Parts]) -> None:
        self._app = app

    def answer(self, asked: Asked) -> Reply:
        try:
            reply = self._distribution().answer(asked)
        except SpecError as error:
            reply = error.reply
        except MirrorError as error:
            reply = _failed(error)
        except Exception:  # noqa: BLE001 - whatever it is, the client is answered
            _log.exception("%s of a registry client failed", asked.method)
            reply = refusal(500, "UNKNOWN", "the mirror failed, and its log says how")
        return reply.sent(asked.method)

    def _distribution(self) -> Distribution:
        """Why there is none, as where settings are wrong, is nothing that somebody is told who has not signed in."""
        try:
            return self._app().distribution
        except Exception as error:
            _log.error("registry clients are not served: %s", error, exc_info=not isinstance(error, MirrorError))
            raise away(RETRY_SECONDS) from error


def _failed(error: MirrorError) -> Reply:
    """Content that is damaged is missing, for a client: it may have it from elsewhere, and looks there after a 404
    alone (rule V1)."""
    _log.warning("a registry client was not served: %s", error)
    told = f"{error.asked}: {error.answered}"
    if isinstance(error, (Damaged, DigestMismatch, Malformed, NotFound)):
        return refusal(404, "MANIFEST_UNKNOWN", told)
    after = error.retry_after if isinstance(error, Transient) else None
    headers = {"Retry-After": str(max(1, round(after or RETRY_SECONDS)))}
    if isinstance(error, Throttled):
        return refusal(429, "TOOMANYREQUESTS", told, headers)
    return refusal(503, "UNAVAILABLE", told, headers)
