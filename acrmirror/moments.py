"""Moments as the mirror writes them: UTC, RFC 3339, exactly nine digits of fraction, so that text order is time order.

The registry's fractions vary in length, and as plain text `…47Z` would sort after `…47.2Z`.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NewType

from acrmirror.errors import Malformed
from acrmirror.reference import shown

Moment = NewType("Moment", str)
"""Text of that form: `nine_digits`, `from_datetime` and `from_http_date` make it."""
EARLIEST = Moment("0001-01-01T00:00:00.000000000Z")

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]{1,32}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)

_SPOKEN = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2})[:.]([0-9]{2})[:.]([0-9]{2})(?:\.([0-9]{1,32}))?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)


def nine_digits(text: str) -> Moment:
    """Any RFC 3339 moment, of any offset and fraction, as `2026-04-25T21:39:47.276585742Z`. Raises Malformed.

    Digits beyond the ninth are cut; a leap second becomes the last instant before it.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise _not_a_moment(text)
    day, minutes, seconds, fraction, offset = match.groups()
    if seconds == "60":
        seconds, fraction = "59", "9" * 9
    try:
        moment = datetime.fromisoformat(f"{day}T{minutes}:{seconds}{'+00:00' if offset in 'Zz' else offset}")
        whole = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _not_a_moment(text) from error
    return Moment(f"{whole:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{(fraction or '')[:9]:0<9}Z")


def end_of(text: str) -> Moment:
    """The last instant that a person means by a time: `2026-11-01` is the end of that day in UTC, and a time to the
    second is the end of that second. RFC 3339 is taken as well as the same in the letters of a path of a registry,
    `2026-11-01t12.00.00z`. Raises Malformed."""
    match = _SPOKEN.fullmatch(text)
    if match is None:
        raise _not_spoken(text)
    day, hours, minutes, seconds, fraction, offset = match.groups()
    try:
        if hours is None:
            return nine_digits(f"{day}T23:59:59.999999999Z")
        return nine_digits(f"{day}T{hours}:{minutes}:{seconds}.{fraction or '9' * 9}{offset}")
    except Malformed:
        raise _not_spoken(text) from None


def from_datetime(moment: datetime) -> Moment:
    """An aware datetime as a nine-digit moment."""
    utc = moment.astimezone(UTC)
    return Moment(f"{utc:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f".{utc.microsecond:06}000Z")


def from_http_date(text: str) -> Moment:
    """A `Date` header (RFC 9110) as a nine-digit moment. Raises Malformed."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise _not_a_moment(text) from error
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def to_datetime(moment: str) -> datetime:
    """A moment as an aware datetime, cut to microseconds. Raises Malformed."""
    exact = nine_digits(moment)
    return datetime.fromisoformat(f"{exact[:26]}+00:00")


def ahead_of(moment: Moment, now: datetime) -> timedelta:
    """How far a moment lies after `now`; negative if before."""
    return to_datetime(moment) - now


def _not_a_moment(text: str) -> Malformed:
    return Malformed(
        f"read the time {shown(text)}",
        "it is not a date and time with an offset",
        "Send RFC 3339, such as 2026-04-25T21:39:47.276585742Z.",
    )


def _not_spoken(text: str) -> Malformed:
    return Malformed(
        f"read the moment {shown(text)}",
        "it is no day, and no date and time with an offset",
        "Give a day (2026-11-01 is its end in UTC) or a time such as 2026-11-01T12:00:00Z, in a path of a registry "
        "2026-11-01t12.00.00z.",
    )
