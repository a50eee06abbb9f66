"""What the host's JSON library, Json.NET, does to an event between the webhook and the worker.

It reads a string that looks like an ISO 8601 time as a time (DateParseHandling.DateTime, the default), and writes it
out its own way: trailing zeros of the fraction go, an offset is turned into the server's own time zone, which is UTC.
A fraction of more than seven digits is beyond .NET's ticks, so that such a string stays a string: ACR's timestamps with
nine digits come through as they are. https://www.newtonsoft.com/json/help/html/DatesInJSON.htm
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

_TIME = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)T(?P<time>\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d{1,7}))?(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def parse(text: str | bytes) -> Any:
    """Raises ValueError."""
    return json.loads(text)


def write(value: object) -> str:
    """The JSON that the worker gets."""
    return json.dumps(_times(value), separators=(",", ":"), ensure_ascii=False)


def _times(value: object) -> object:
    if isinstance(value, dict):
        return {name: _times(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_times(item) for item in value]
    if isinstance(value, str) and (match := _TIME.fullmatch(value)) is not None:
        return _time(match) or value
    return value


def _time(match: re.Match[str]) -> str | None:
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}").replace(tzinfo=UTC)
    except ValueError:
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
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' + fraction if fraction else ''}{zone}"
