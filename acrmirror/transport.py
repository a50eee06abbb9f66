"""How connections are made: what is trusted, for how long an answer is waited for, and how much of it is read.

What the SDKs' transport needs of a session is here in one piece, however long: requests, answers, and how both break.
"""

import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from acrmirror.cancel import Cancel, bound_cancel, pause
from acrmirror.connections import Connections
from acrmirror.deadlines import ANSWER_SECONDS, CONNECT_TIMEOUT, READ_TIMEOUT
from acrmirror.errors import Malformed, TooLarge
from acrmirror.paced import PacedSocket, too_large
from acrmirror.sockets import shut
from acrmirror.wire import Connection

MIB = 1024 * 1024
ANSWER_LIMIT = 16 * MIB
"""Bytes of an answer at most, unless another limit is given: storage lists 5,000 blobs in less than half of it."""
ERROR_LIMIT = 64 * 1024
"""Bytes of an error's body that are read; of a longer one the status is enough."""
ENVELOPE = MIB
"""Bytes beside the body that one answer may have: its head, and what its chunks are wrapped in."""

_SAFE = re.compile(r"[!#$%&'()*+,./0-9:;=?@A-Z\[\]_a-z~-]*", re.ASCII)
"""What a request's target may have as it is; anything else in it is quoted."""


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

    def leave(self) -> None:
        with self._hands:
            self._served = None

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
    return _Transport(
        session=_Session(Connections(context, connections), limit),
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


class _Session(requests.Session):
    """Sends over connections of this app's own what the SDK has made ready: by no proxy, with no cookie, and trusting
    what the context does. Reads answers up to the bound before anything else sees them, unless they are to be streamed.
    Thread-safe."""

    def __init__(self, connections: Connections, limit: int) -> None:
        super().__init__()
        self._connections = connections
        self._limit = limit

    def close(self) -> None:
        self._connections.close()
        super().close()

    def request(  # type: ignore[override]  # what `RequestsTransport` passes, and nothing else
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Any,
        timeout: tuple[float, float],
        stream: bool = False,
        **_: Any,
    ) -> requests.Response:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname is None:
            raise requests.exceptions.InvalidURL("only https is spoken here")
        target = parts.path or "/"
        if parts.query:
            target = f"{target}?{parts.query}"
        if not _SAFE.fullmatch(target):
            target = requests.utils.requote_uri(target)
        body = _bytes_of(data)
        connection = self._connected(parts.hostname, parts.port or 443, timeout[0])
        try:
            connection.request(method, target, _sent(method, headers, body), body, timeout[1])
            response = _response(connection, url)
            self._read(connection, response, method, f"{method} {parts.netloc}{parts.path}", stream=stream)
        except OSError as error:
            connection.close()
            raise _broken(error) from error
        except BaseException:
            connection.close()
            raise
        if stream and not response._content_consumed:
            response.raw = _Stream(connection, self._connections)
        else:
            self._connections.give(connection)
        return response

    def _connected(self, host: str, port: int, timeout: float) -> Connection:
        try:
            return self._connections.take(host, port, timeout)
        except TimeoutError as error:
            raise requests.exceptions.ConnectTimeout(error) from error
        except OSError as error:
            raise requests.exceptions.ConnectionError(error) from error

    def _read(
        self, connection: Connection, response: requests.Response, method: str, asked: str, *, stream: bool
    ) -> None:
        """Reads the body, unless it is to be streamed. Raises Malformed, TooLarge."""
        encoded = _encoding(response.headers.get("Content-Encoding", ""))
        if connection.status >= 300:
            _keep(response, b"" if encoded else _body_of_an_error(connection))
            return
        asked = asked.replace("%2F", "/").replace("%3A", ":")
        if encoded and method != "HEAD":
            raise Malformed(
                asked,
                f"it compressed its answer ({encoded[:20]!r}), which nobody requested",
                "Check what answers at this address.",
            )
        if not stream:
            body = connection.read(self._limit)
            if body is None:
                raise too_large(asked, self._limit)
            _keep(response, body)


class _Taken:
    """What is left of a body that was read whole."""

    enforce_content_length = True

    def close(self) -> None:
        """Its connection serves others by now."""


class _Stream:
    """A body that its reader takes piece by piece, as the SDK takes it from urllib3."""

    enforce_content_length = True

    def __init__(self, connection: Connection, connections: Connections) -> None:
        self._connection = connection
        self._connections = connections
        self._through = False

    def stream(self, size: int, decode_content: bool = False) -> Iterator[bytes]:  # noqa: ARG002
        try:
            yield from self._connection.pieces(size)
        except TimeoutError as error:
            raise ReadTimeoutError(None, None, str(error)) from error  # type: ignore[arg-type]
        except OSError as error:
            raise ProtocolError(f"the connection broke: {error}", error) from error
        self._through = True
        self._connections.give(self._connection)

    def close(self) -> None:
        if not self._through:
            self._connection.close()

    def release_conn(self) -> None:
        self.close()


def _broken(error: OSError) -> requests.RequestException:
    """What the SDK takes for an answer that did not come; it keeps what is in there as the cause."""
    if isinstance(error, TimeoutError):
        return requests.exceptions.ReadTimeout(error)
    return requests.exceptions.ConnectionError(ProtocolError(f"the connection broke: {error}", error))


def _sent(method: str, headers: Mapping[str, str], body: bytes | memoryview | None) -> dict[str, str]:
    """The headers of a request, which tell how long its body is, and that no compressed answer is wanted."""
    sent = {"Accept-Encoding": "identity"}
    for name, value in headers.items():
        if name.lower() == "accept-encoding":
            sent["Accept-Encoding"] = value
        elif name.lower() not in ("content-length", "connection", "host"):
            sent[name] = str(value)
    if body is not None or method not in ("GET", "HEAD", "DELETE"):
        sent["Content-Length"] = str(len(body) if body is not None else 0)
    return sent


def _bytes_of(data: Any) -> bytes | memoryview | None:
    """The body of a request as it goes out."""
    if data is None or isinstance(data, bytes):
        return data
    if isinstance(data, memoryview):
        return data.cast("B")
    if isinstance(data, bytearray):
        return memoryview(data)
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, Mapping):
        return urlencode(data, doseq=True).encode("ascii")
    if hasattr(data, "read"):
        return bytes(data.read())
    raise TypeError(f"a body of type {type(data).__name__} is not sent")


def _response(connection: Connection, url: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason, response.url = connection.status, connection.reason, url
    response.headers = connection.headers
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.raw = _Taken()
    return response


def _encoding(named: str) -> str:
    """What the body is compressed with; empty if it is not."""
    return "" if all(it.strip().lower() in ("", "identity") for it in named.split(",")) else named


def _body_of_an_error(connection: Connection) -> bytes:
    try:
        return connection.read(ERROR_LIMIT) or b""
    except (OSError, TooLarge):
        return b""


def _keep(response: requests.Response, body: bytes) -> None:
    """Makes `body` the response's content."""
    response._content = body
    response._content_consumed = True
