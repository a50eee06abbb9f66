"""Who may pull: nobody, everybody, or whoever signs in with a pull credential."""

import base64
import binascii
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime

from acrmirror.serve.access import EVERYTHING, Access
from acrmirror.serve.kept import Kept
from acrmirror.serve.pull_credentials import PullCredential, PullCredentials, hashed
from acrmirror.serve.wire import SpecError

REMEMBERED_SECONDS = 50.0
"""How long a worker takes a credential without asking for it again: one that is revoked fails within a minute."""
REMEMBERED = 1000
CHALLENGE = {"WWW-Authenticate": 'Basic realm="mirror"'}
_NOBODY = hashed("")
"""Compared with where there is no such name, so that the time of an answer does not tell."""


class Closed:
    """Nobody: `MIRROR_SERVE` is `off`."""

    def admit(self, authorization: str | None) -> Access:  # noqa: ARG002
        raise SpecError(404, "UNSUPPORTED", "this mirror does not serve: its setting MIRROR_SERVE is off")


class Open:
    """Everybody may pull everything, whatever they sign in with."""

    def admit(self, authorization: str | None) -> Access:  # noqa: ARG002
        return EVERYTHING


class SignIn:
    """HTTP Basic, which every client has, with the name and the password of a pull credential. Thread-safe."""

    def __init__(
        self,
        credentials: PullCredentials,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._credentials = credentials
        self._known: Kept[str, PullCredential] = Kept(REMEMBERED, REMEMBERED_SECONDS, clock)
        self._now = now

    def admit(self, authorization: str | None) -> Access:
        """Raises SpecError for who sends none, or none that is good; and as the table does where it can't be asked."""
        if authorization is None:
            raise _unauthorized("sign in with a pull credential")
        name, password = _basic(authorization)
        found = self._known.get(name)
        if not _fits(found, password):
            # One that was made anew has another password. And every wrong one costs the same question, so that the
            # time of an answer does not tell which names there are.
            found = self._credentials.find(name)
            if found is not None:
                self._known.put(name, found)
        if not _fits(found, password) or found is None or not found.is_good(self._now()):
            raise _unauthorized("there is no such pull credential, its password is another, or it has expired")
        return Access(found.repositories)


def _fits(credential: PullCredential | None, password: str) -> bool:
    secret = credential.secret if credential is not None else _NOBODY
    return hmac.compare_digest(hashed(password), secret) and credential is not None


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    name, colon, password = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise _unauthorized("only HTTP Basic is taken here, with the name and the password of a pull credential")
    return name, password


def _unauthorized(told: str) -> SpecError:
    return SpecError(401, "UNAUTHORIZED", told, CHALLENGE)
