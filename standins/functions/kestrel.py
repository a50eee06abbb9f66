"""How the platform's web server, Kestrel, reads the head of a request, and what it refuses before the host sees it.

It decodes a path but for `%2F`, leaves what is no escape or no UTF-8 as it is, and resolves dot segments afterwards.
Sources: HttpParser.cs, Http1Connection.cs, UrlDecoder.cs, PathNormalizer.cs of dotnet/aspnetcore.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from io import BufferedIOBase
from urllib.parse import quote

# KestrelServerLimits.cs: bytes of the request line, and of all headers; and how many of these.
LONGEST_LINE = 8192
MOST_HEADER_BYTES = 32768
MOST_HEADERS = 100

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VERSION = re.compile(rb"HTTP/\d\.\d")
_ESCAPES = re.compile("(?:%[0-9a-fA-F]{2})+")
_HOST = re.compile(r"[A-Za-z0-9.\-_~\[\]:%]+")
_BLANKS = b" \t"
# PathString.ToUriComponent: what it leaves as it is, besides letters, digits, "_.-~" and whatever is an escape already.
_PLAIN = "/:@!$&'()*+,;="
_ESCAPE = re.compile("(%[0-9a-fA-F]{2})")


class Refused(Exception):
    """The head is answered with this status alone, and the connection closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """`path` is decoded; `query` is as it came, from the question mark on."""

    method: str
    path: str
    query: str
    version: str
    headers: Message

    @property
    def keeps_connection(self) -> bool:
        wanted = {part.strip().lower() for part in (self.headers.get("Connection") or "").split(",")}
        return "close" not in wanted if self.version == "HTTP/1.1" else "keep-alive" in wanted


def read_head(stream: BufferedIOBase) -> Head | None:
    """None where the connection has ended, also within a head. Raises `Refused`."""
    line = stream.readline(LONGEST_LINE + 1)
    while line in (b"\r\n", b"\n"):
        line = stream.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise Refused(414)
    if not line.endswith(b"\n"):
        return None
    method, target, version = _request_line(line.rstrip(b"\r\n"))
    headers = _headers(stream)
    if headers is None:
        return None
    path, query = _target(method, target, headers)
    _check_host(headers, version)
    return Head(method, path, query, version, headers)


def _request_line(line: bytes) -> tuple[str, str, str]:
    parts = line.split(b" ")
    if len(parts) != 3 or _TOKEN.fullmatch(parts[0]) is None or not parts[1].isascii():
        raise Refused(400)
    if parts[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
        raise Refused(505 if _VERSION.fullmatch(parts[2]) else 400)
    return parts[0].decode(), parts[1].decode(), parts[2].decode()


def _headers(stream: BufferedIOBase) -> Message | None:
    headers, count, size = Message(), 0, 0
    while True:
        line = stream.readline(MOST_HEADER_BYTES + 1)
        size += len(line)
        if size > MOST_HEADER_BYTES:
            raise Refused(431)
        if not line.endswith(b"\n"):
            return None
        if line in (b"\r\n", b"\n"):
            return headers
        count += 1
        if count > MOST_HEADERS:
            raise Refused(431)
        name, colon, value = line.rstrip(b"\r\n").partition(b":")
        if not colon or _TOKEN.fullmatch(name) is None or b"\0" in value:
            raise Refused(400)
        try:
            headers[name.decode()] = value.strip(_BLANKS).decode()
        except UnicodeDecodeError:
            raise Refused(400) from None


def _target(method: str, target: str, headers: Message) -> tuple[str, str]:
    if target == "*" and method == "OPTIONS":
        return "*", ""
    if not target.startswith("/"):
        scheme, separator, rest = target.partition("://")
        host, slash, rest = rest.partition("/")
        if scheme.lower() not in ("http", "https") or not separator or host != headers.get("Host"):
            raise Refused(400)
        target = slash + rest if slash else "/"
    raw, question, query = target.partition("?")
    path = decode_path(raw)
    if "\0" in path:
        raise Refused(400)
    return path, question + query


def _check_host(headers: Message, version: str) -> None:
    hosts = headers.get_all("Host", [])
    if len(hosts) > 1 or (not hosts and version == "HTTP/1.1"):
        raise Refused(400)
    if hosts and hosts[0] and _HOST.fullmatch(hosts[0]) is None:
        raise Refused(400)


def decode_path(raw: str) -> str:
    """A path as the host gets it: `/a/%2e%2e/b%2Fc%ff` is `/b%2Fc%ff`."""
    return _without_dots(unescape(raw, keep="/"))


def unescape(text: str, keep: str = "") -> str:
    """Decodes percent-encoded UTF-8; what is none, or stands for a character of `keep`, stays encoded."""
    return _ESCAPES.sub(lambda match: _decode(match[0], keep), text)


def _decode(escapes: str, keep: str) -> str:
    raw = bytes.fromhex(escapes.replace("%", ""))
    decoded, position = "", 0
    while position < len(raw):
        for length in (1, 2, 3, 4):
            try:
                character = raw[position : position + length].decode()
            except UnicodeDecodeError:
                continue
            if len(character) == 1 and character not in keep:
                decoded += character
                position += length
                break
        else:
            decoded += escapes[3 * position : 3 * position + 3]
            position += 1
    return decoded


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for number, segment in enumerate(segments, 1):
        if segment not in (".", ".."):
            kept.append(segment)
            continue
        if segment == ".." and kept:
            kept.pop()
        if number == len(segments):
            kept.append("")  # a path that ends with dots ends with a slash
    return "/" + "/".join(kept)


def encode_path(path: str) -> str:
    """As it is written into a URL again: PathString.ToUriComponent."""
    return "".join(part if _ESCAPE.fullmatch(part) else quote(part, safe=_PLAIN) for part in _ESCAPE.split(path))
