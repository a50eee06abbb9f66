"""How connections are made: what is trusted, and for how long an answer is waited for."""

import ssl
import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 20.0
"""Seconds without a byte."""
LEAST_PROGRESS = 64 * 1024
"""Bytes of an answer that have to arrive within that time, again and again until it is whole."""
FULL_RECORD = 16 * 1024
"""Bytes of content in a TLS record at most (RFC 8446, 5.1), which is what one read gives."""


class TooSlow(TimeoutError):
    """Bytes keep coming, and next to none."""


class PacedSocket(ssl.SSLSocket):
    """A TLS connection whose reads raise TooSlow once `within` seconds go by with less than `LEAST_PROGRESS`, counted
    anew from whatever is sent: a host that drips would never run into the time-out of a single read."""

    within = READ_TIMEOUT
    _due = float("inf")
    _owed = 0

    def send(self, data: Any, flags: int = 0) -> int:
        self._due, self._owed = time.monotonic() + self.within, LEAST_PROGRESS
        return super().send(data, flags)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        data = super().recv(buflen, flags)
        self._owed -= len(data)
        self._look_at_the_clock()
        return data

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if flags or self._sslobj is None:  # type: ignore[attr-defined]
            return super().recv_into(buffer, nbytes, flags)
        # What the class below comes to as well, with a call less for each record.
        count: int = self.read(nbytes or len(buffer), buffer)  # type: ignore[assignment]
        self._owed -= count
        # Full records come from a host in haste: of those, it is enough to look at the clock now and then.
        if count < FULL_RECORD or self._owed <= 0:
            self._look_at_the_clock()
        return count

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if now > self._due:
            raise TooSlow(f"fewer than {LEAST_PROGRESS} bytes came in {self.within:.0f} s")
        if self._owed <= 0:
            self._due, self._owed = now + self.within, LEAST_PROGRESS


def trust(bundle: Path | None, within: float = READ_TIMEOUT) -> ssl.SSLContext:
    """The system's certificate authorities, and those of the bundle besides. `within` is as of `PacedSocket`."""
    context = ssl.create_default_context()
    context.sslsocket_class = type("PacedSocket", (PacedSocket,), {"within": within})
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if bundle is not None:
        context.load_verify_locations(cafile=bundle)
    return context


def make_transport(context: ssl.SSLContext, connections: int = 64) -> RequestsTransport:
    """The SDK's own transport, over a session that trusts what `context` trusts and takes nothing from the environment.

    Close it when done; several pipelines may share it.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", _Adapter(context, connections))
    return RequestsTransport(
        session=session,
        session_owner=True,
        use_env_settings=False,
        connection_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
    )


class _Adapter(HTTPAdapter):
    """Uses one TLS context for all connections: authorities are read once, and the system's are trusted, too."""

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leaves the context as it is; the default would load another bundle into it."""
