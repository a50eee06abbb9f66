"""How connections are made: what is trusted, for how long an answer is waited for, and how much of it is read."""

import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

from acrmirror.cancel import Cancel, bound_cancel, pause
from acrmirror.errors import Malformed, TooLarge
from acrmirror.sockets import CONNECT_TIMEOUT, Pool, shut

MIB = 1024 * 1024
READ_TIMEOUT = 20.0
"""Seconds without a byte."""
LEAST_PROGRESS = 64 * 1024
"""Bytes of an answer that have to arrive within that time, again and again until it is whole."""
FULL_RECORD = 16 * 1024
"""Bytes of content in a TLS record at most (RFC 8446, 5.1), which is what one read gives."""
ANSWER_LIMIT = 16 * MIB
"""Bytes of an answer at most, unless another limit is given: storage lists 5,000 blobs in less than half of it."""
ANSWER_SECONDS = 120.0
"""Within which an answer of the SDKs has to be whole, however steadily it comes."""
ERROR_LIMIT = 64 * 1024
"""Bytes of an error's body that are read; of a longer one the status is enough."""
ENVELOPE = MIB
"""Bytes beside the body that one answer may have: its head, and what its chunks are wrapped in."""
PIECE = 64 * 1024


class TooSlow(TimeoutError):
    """Bytes keep coming, and next to none; or enough of them to go on for ever."""


class PacedSocket(ssl.SSLSocket):
    """A TLS connection that bounds what it reads, counted anew from whatever is sent.

    Its reads raise TooSlow once `within` seconds go by with less than `LEAST_PROGRESS`, since a host that drips would
    never run into the time-out of a single read; also when an answer takes more than `longest` seconds. They raise
    TooLarge when an answer has more than `most` bytes, whatever they are: heads, interim answers, what chunks are
    wrapped in. `most` is looked at once for every `LEAST_PROGRESS` bytes.

    It serves the job that its last user was bound to, and is cut when that one is cancelled.
    """

    within = READ_TIMEOUT
    longest = float("inf")
    most = float("inf")
    _due = float("inf")
    _end = float("inf")
    _owed = 0
    _read = 0
    _served: Cancel | None = None
    _hands = threading.Lock()

    def do_handshake(self, block: bool = False) -> None:
        self._serve(bound_cancel())
        super().do_handshake(block)

    def cut(self, whose: Cancel) -> None:
        with self._hands:
            if self._served is whose:
                shut(self)

    def _serve(self, cancel: Cancel | None) -> None:
        with self._hands:
            self._served = cancel
        if cancel is not None:
            cancel.attach(self)

    def send(self, data: Any, flags: int = 0) -> int:
        cancel = bound_cancel()
        if cancel is not self._served:
            self._serve(cancel)
        now = time.monotonic()
        self._due, self._end = now + self.within, now + self.longest
        self._owed, self._read = LEAST_PROGRESS, 0
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
        if now > self._end:
            raise TooSlow(f"it was not whole within {self.longest:.0f} s")
        if self._owed <= 0:
            self._read += LEAST_PROGRESS - self._owed
            self._due, self._owed = now + self.within, LEAST_PROGRESS
            if self._read > self.most:
                raise _too_large(f"read what {self.server_hostname} answers", int(self.most))


def trust(bundle: Path | None, within: float = READ_TIMEOUT, **bounds: float) -> ssl.SSLContext:
    """The system's certificate authorities, and those of the bundle besides. `within`, `most` and `longest` are as of
    `PacedSocket`."""
    context = ssl.create_default_context()
    context.sslsocket_class = type("PacedSocket", (PacedSocket,), {"within": within, **bounds})
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if bundle is not None:
        context.load_verify_locations(cafile=bundle)
    return context


def make_transport(
    bundle: Path | None,
    connections: int = 64,
    *,
    limit: int = ANSWER_LIMIT,
    within: float = READ_TIMEOUT,
    longest: float = ANSWER_SECONDS,
) -> RequestsTransport:
    """The SDK's own transport, over a session that trusts the system's authorities and those of `bundle`, and takes
    nothing from the environment.

    An answer of more than `limit` bytes, or one that is compressed, is not read: TooLarge, Malformed. Of answers of 300
    and above, which are read at once, a body that is compressed, broken or over `ERROR_LIMIT` counts as empty.
    `within` and `longest` are as of `PacedSocket`. Close it when done; several pipelines may share it.
    """
    context = trust(bundle, within, most=limit + ENVELOPE, longest=longest)
    session = requests.Session()
    session.trust_env = False
    session.headers["Accept-Encoding"] = "identity"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("https://", _Adapter(context, connections, limit))
    return _Transport(
        session=session,
        session_owner=True,
        use_env_settings=False,
        connection_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
    )


class _Transport(RequestsTransport):  # type: ignore[misc]  # its package shows it as Any
    """Sends nothing for a job that is cancelled, and does not try again for it what was cut."""

    def send(self, request: Any, **options: Any) -> Any:
        cancel = bound_cancel()
        if cancel is None:
            return super().send(request, **options)
        cancel.check()
        try:
            return super().send(request, **options)
        except AzureError:
            cancel.check()
            raise

    def sleep(self, duration: float) -> None:
        pause(duration)


class _Adapter(HTTPAdapter):
    """Uses one TLS context for all connections: authorities are read once, and the system's are trusted, too. Reads
    answers up to the bound before anything else sees them, unless they are to be streamed."""

    def __init__(self, context: ssl.SSLContext, connections: int, limit: int) -> None:
        self._context = context
        self._limit = limit
        super().__init__(pool_connections=4, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": Pool}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leaves the context as it is; the default would load another bundle into it."""

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **kwargs: Any
    ) -> requests.Response:
        response = super().send(request, stream, *args, **kwargs)
        if response.status_code >= 300:
            _keep(response, _body_of_an_error(response))
            return response
        parts = urlsplit(request.url or "")
        asked = f"{request.method} {parts.netloc}{parts.path.replace('%2F', '/').replace('%3A', ':')}"
        encoding = _encoding(response)
        if encoding and request.method != "HEAD":
            _give_up(
                response,
                Malformed(
                    asked,
                    f"it compressed its answer ({encoding[:20]!r}), which nobody asked for",
                    "Check what answers at this address.",
                ),
            )
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:20]) > self._limit and request.method != "HEAD" and not stream:
            _give_up(response, _too_large(asked, self._limit))
        if not stream:
            body = _read(response, self._limit)
            if body is None:
                _give_up(response, _too_large(asked, self._limit))
            _keep(response, body)
        return response


def _too_large(asked: str, limit: int) -> TooLarge:
    return TooLarge(asked, f"its answer has more than {limit} bytes", "Check what answers at this address.")


def _give_up(response: requests.Response, error: Exception) -> NoReturn:
    response.close()
    raise error


def _encoding(response: requests.Response) -> str:
    """What the body is compressed with; empty if it is not."""
    named = response.headers.get("Content-Encoding", "")
    return "" if all(it.strip().lower() in ("", "identity") for it in named.split(",")) else named


def _read(response: requests.Response, limit: int) -> bytes | None:
    """The whole body, or None if it has more than `limit` bytes."""
    body = bytearray()
    for piece in response.iter_content(PIECE):
        body += piece
        if len(body) > limit:
            return None
    return bytes(body)


def _body_of_an_error(response: requests.Response) -> bytes:
    if _encoding(response):
        return b""
    try:
        return _read(response, ERROR_LIMIT) or b""
    except (requests.RequestException, TooLarge):
        return b""


def _keep(response: requests.Response, body: bytes) -> None:
    """Makes `body` the response's content. What has not been read of it ends its connection."""
    if not getattr(response, "_content_consumed", False):
        response.close()
    response._content = body
    response._content_consumed = True
