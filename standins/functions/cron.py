"""Schedules of timer triggers: six-field NCRONTAB in UTC, or a time span.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions:
{second} {minute} {hour} {day} {month} {day-of-week}, each `*`, a value, a range, a list, or any of these with `/step`;
months and days of the week by name too. Unlike in Unix cron a day must satisfy both of its fields. The host also takes
five fields (seconds are then 0), and `hh:mm:ss` for an interval from the start of the host.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from typing import Protocol

from standins.functions.hostjson import InvalidHostJson, time_span

_FIELDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
_MONTHS = [name.lower() for name in calendar.month_name]
_DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
_YEARS = 9  # the longest from one 29 February to the next


class InvalidSchedule(ValueError):
    """An expression that NCrontab refuses."""


class Schedule(Protocol):
    def next(self, after: datetime) -> datetime:
        """The first moment after that one (both in UTC)."""


class Cron:
    def __init__(self, text: str) -> None:
        """Raises `InvalidSchedule`."""
        fields = text.split()
        if len(fields) == 5:
            fields.insert(0, "0")
        if len(fields) != 6:
            raise InvalidSchedule(f"{text!r} has {len(fields)} fields, and not six")
        values = [_field(field, *about) for field, about in zip(fields, _FIELDS, strict=True)]
        self._seconds, self._minutes, self._hours, self._days, self._months, self._weekdays = values

    def next(self, after: datetime) -> datetime:
        """Raises `InvalidSchedule` where there is none, as on 30 February."""
        moment = after.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day, last = moment.date(), moment.date() + timedelta(days=366 * _YEARS)
        while day <= last:
            if day.month in self._months and day.day in self._days and (day.isoweekday() % 7) in self._weekdays:
                for hour in self._hours:
                    for minute in self._minutes:
                        for second in self._seconds:
                            found = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
                            if found >= moment:
                                return found
            day += timedelta(days=1)
        raise InvalidSchedule("never comes")


class Interval:
    def __init__(self, seconds: float) -> None:
        if seconds <= 0:
            raise InvalidSchedule("an interval must be longer than nothing")
        self._every = timedelta(seconds=seconds)

    def next(self, after: datetime) -> datetime:
        return after + self._every


def parse_schedule(text: str) -> Schedule:
    """Raises `InvalidSchedule`."""
    if ":" not in text:
        return Cron(text)
    try:
        return Interval(time_span(text))
    except InvalidHostJson as error:
        raise InvalidSchedule(str(error)) from error


def _field(text: str, name: str, least: int, most: int) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _value(step_text, name, 1, most) if slash else 1
        if span == "*":
            first, last = least, most
        else:
            low, dash, high = span.partition("-")
            first = _value(low, name, least, most)
            last = _value(high, name, least, most) if dash else most if slash else first
        if first > last:
            raise InvalidSchedule(f"{name} {part!r} runs backwards")
        found.update(range(first, last + 1, step))
    return sorted(found)


def _value(text: str, name: str, least: int, most: int) -> int:
    names = {"month": _MONTHS, "weekday": _DAYS}.get(name, [])
    if len(text) >= 3 and text.isalpha():
        matching = [number for number, known in enumerate(names) if known.startswith(text.lower())]
        if len(matching) == 1:
            return matching[0]
    if text.isascii() and text.isdigit() and least <= int(text) <= most:
        return int(text)
    raise InvalidSchedule(f"{name} {text!r} is not from {least} to {most}")
