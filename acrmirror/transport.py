"""How connections are made: what is trusted, for how long an answer is waited for, and how much of it is read."""

import ssl
import threading
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

from acrmirror.cancel import Cancel, bound_cancel, pause
from acrmirror.deadlines import ANSWER_SECONDS, CONNECT_TIMEOUT, READ_TIMEOUT
from acrmirror.errors import Malformed, TooLarge
from acrmirror.paced import PacedSocket, too_large
from acrmirror.sockets import Pool, shut

MIB = 1024 * 1024
ANSWER_LIMIT = 16 * MIB
"""Bytes of an answer at most, unless another limit is given: storage lists 5,000 blobs in less than half of it."""
ERROR_LIMIT = 64 * 1024
"""Bytes of an error's body that are read; of a longer one the status is enough."""
ENVELOPE = MIB
"""Bytes beside the body that one answer may have: its head, and what its chunks are wrapped in."""
PIECE = 64 * 1024


class JobsSocket(PacedSocket):
    """A paced TLS connection that serves the job that its last user was bound to, and is cut when that one is
    cancelled."""

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
        return super().send(data, flags)


def trust(bundle: Path | None, within: float = READ_TIMEOUT, **bounds: float) -> ssl.SSLContext:
    """The system's certificate authorities, and those of the bundle besides. `within`, `most` and `longest` are as of
    `PacedSocket`."""
    context = ssl.create_default_context()
    context.sslsocket_class = type("JobsSocket", (JobsSocket,), {"within": within, **bounds})
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
                    f"it compressed its answer ({encoding[:20]!r}), which nobody requested",
                    "Check what answers at this address.",
                ),
            )
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length[:20]) > self._limit and request.method != "HEAD" and not stream:
            _give_up(response, too_large(asked, self._limit))
        if not stream:
            body = _read(response, self._limit)
            if body is None:
                _give_up(response, too_large(asked, self._limit))
            _keep(response, body)
        return response


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
