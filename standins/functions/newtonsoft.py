"""What the host's JSON library, Json.NET, does to an event between the webhook and the worker.

It reads more than JSON: comments, single quotes, names without quotes, trailing commas, hexadecimal and octal numbers,
NaN. And it reads a string that looks like a time as a time (DateParseHandling.DateTime, the default), and writes it
out its own way: trailing zeros of the fraction go, an offset is turned into the server's own time zone, which is UTC.
A fraction of more than seven digits is beyond .NET's ticks, so that such a string stays a string: ACR's timestamps with
nine digits come through as they are. https://www.newtonsoft.com/json/help/html/DatesInJSON.htm
"""

from __future__ import annotations

import codecs
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)T(?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,7}))?(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_OLD_TIME = re.compile(r"/Date\((-?\d{1,14})\)/", re.ASCII)
_BLANK = re.compile(r"(?:\s|/\*.*?\*/|//[^\r\n]*)*", re.DOTALL)
_NAME = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)", re.ASCII)
_OCTAL = re.compile(r"[-+]?0[0-7]+", re.ASCII)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# JsonTextWriter writes these with quotes, so that a worker gets text.
_WORDS: dict[str, object] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
}
_UNDEFINED = "undefined"  # it comes out as this word, which no other reader of JSON takes
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Undefined:
    """The value of that name, which is no JSON: a worker can't read an event that has one."""


def text_of(body: bytes, charset: str = "") -> str:
    """A request's text by its byte order mark, else by the charset of its type, else as UTF-8. Raises ValueError."""
    for mark, encoding in _BOMS.items():
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    try:
        return body.decode(charset or "utf-8", "replace")
    except LookupError as error:
        raise ValueError(str(error)) from error


def parse(text: str) -> Any:
    """Raises ValueError."""
    return _Reader(text).whole()


def write(value: object) -> str:
    """The JSON that the worker gets; one that holds an `Undefined` is none."""
    written = json.dumps(_times(value), separators=(",", ":"), ensure_ascii=False, default=lambda _: "\0undefined")
    # What is half a character becomes the sign for it.
    return (
        written.replace('"\\u0000undefined"', _UNDEFINED).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def displayed(value: object) -> str:
    """A simple value as JValue.ToString() has it; of a time, in the invariant culture's form, which is not ISO 8601."""
    time = _as_time(value) if isinstance(value, str) else None
    return f"{datetime.fromisoformat(time):%m/%d/%Y %H:%M:%S}" if time is not None else str(value)


class _Reader:
    """A recursive reader of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> Any:
        value = self._value()
        self._skip()
        if self._at < len(self._text):
            raise self._wrong()
        return value

    def _skip(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank is not None else self._at

    def _next(self) -> str:
        self._skip()
        return self._text[self._at : self._at + 1]

    def _wrong(self) -> ValueError:
        return ValueError(f"Unexpected character encountered at position {self._at}")

    def _value(self) -> Any:
        first = self._next()
        if first == "{":
            return self._object()
        if first == "[":
            return self._array()
        if first in ("'", '"') and first:
            return self._string(first)
        for word, meaning in _WORDS.items():
            if self._take(word):
                return meaning
        if self._take(_UNDEFINED):
            return Undefined()
        return self._number()

    def _take(self, word: str) -> bool:
        found = self._text.startswith(word, self._at)
        self._at += len(word) if found else 0
        return found

    def _object(self) -> dict[str, Any]:
        self._at += 1
        found: dict[str, Any] = {}
        while self._next() != "}":
            quote = self._next()
            if quote in ("'", '"') and quote:
                name = self._string(quote)
            elif (match := _NAME.match(self._text, self._at)) is not None:
                name, self._at = match[0], match.end()
            else:
                raise self._wrong()
            if self._next() != ":":
                raise self._wrong()
            self._at += 1
            found[name] = self._value()
            self._comma("}")
        self._at += 1
        return found

    def _array(self) -> list[Any]:
        self._at += 1
        found = []
        while self._next() != "]":
            found.append(self._value())
            self._comma("]")
        self._at += 1
        return found

    def _comma(self, end: str) -> None:
        """Also one before the end."""
        if self._next() == ",":
            self._at += 1
        elif self._next() != end:
            raise self._wrong()

    def _string(self, quote: str) -> str:
        self._at += 1
        parts: list[str] = []
        while True:
            character = self._text[self._at : self._at + 1]
            if not character:
                raise self._wrong()
            self._at += 1
            if character == quote:
                # Two halves of a character are one.
                return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
            parts.append(self._escape() if character == "\\" else character)

    def _escape(self) -> str:
        kind = self._text[self._at : self._at + 1]
        self._at += 1
        if kind == "u":
            self._at += 4
            return chr(int(self._text[self._at - 4 : self._at], 16))
        if kind not in (*_ESCAPES, "\\", "/", "'", '"'):
            raise self._wrong()
        return _ESCAPES.get(kind, kind)

    def _number(self) -> int | float:
        match = _NUMBER.match(self._text, self._at)
        if match is None:
            raise self._wrong()
        self._at = match.end()
        text = match[0]
        if text.lower().lstrip("-+").startswith("0x"):
            return int(text, 16)
        if _OCTAL.fullmatch(text):
            return int(text, 8)
        return int(text) if text.lstrip("-+").isdigit() else float(text)


def _times(value: object) -> object:
    if isinstance(value, dict):
        return {name: _times(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_times(item) for item in value]
    return (_as_time(value) or value) if isinstance(value, str) else value


def _as_time(text: str) -> str | None:
    if (match := _TIME.fullmatch(text)) is not None:
        return _time(match)
    match = _OLD_TIME.fullmatch(text)
    return _old_time(int(match[1])) if match is not None else None


def _old_time(milliseconds: int) -> str | None:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    fraction = f".{milliseconds % 1000:03d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _time(match: re.Match[str]) -> str | None:
    clock, later = match["time"], timedelta()
    if clock == "24:00:00":
        clock, later = "00:00:00", timedelta(days=1)
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{clock}").replace(tzinfo=UTC) + later
    except (ValueError, OverflowError):
        return None
    fraction = (match["fraction"] or "").rstrip("0")
    zone = match["zone"] or ""
    if zone not in ("", "Z"):
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        offset = timedelta(hours=hours, minutes=minutes)
        try:
            moment = moment - offset if zone[0] == "+" else moment + offset
        except OverflowError:
            return None
        zone = "+00:00"
    return f"{moment.isoformat()[:19]}{'.' + fraction if fraction else ''}{zone}"
