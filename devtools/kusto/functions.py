"""Operators and functions of KQL on plain values, as https://learn.microsoft.com/kusto/query/ defines them: those that
this project's queries use, and no others.

A value is str, bool, int (Kusto's int and long), float (real), datetime, timedelta (timespan), None (null), or for
`dynamic` what JSON has. What is not settled for null is refused rather than guessed.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

Value = Any


class Unsupported(Exception):
    """The query has what is not evaluated here."""


def _defined(operation: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    """Null where a side is null."""
    return lambda left, right: None if left is None or right is None else operation(left, right)


def _equal(left: Value, right: Value) -> bool:
    if left is None or right is None:
        raise Unsupported("a comparison with null by == or !=")
    return bool(left == right)


def _divide(left: Value, right: Value) -> Value:
    if isinstance(left, int) and isinstance(right, int):
        return int(left / right)
    return left / right


def _has(text: str, term: str) -> bool:
    """Whether the term is there with no letter or digit beside it, in any case of letters."""
    whole, wanted = text.lower(), term.lower()
    at = whole.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not whole[at - 1 : at].isalnum() and not whole[end : end + 1].isalnum():
            return True
        at = whole.find(wanted, at + 1)
    return False


OPERATORS: Mapping[str, Callable[[Value, Value], Value]] = {
    "EqualExpression": _equal,
    "NotEqualExpression": lambda left, right: not _equal(left, right),
    "EqualTildeExpression": lambda left, right: left.lower() == right.lower(),
    "LessThanExpression": _defined(lambda left, right: left < right),
    "LessThanOrEqualExpression": _defined(lambda left, right: left <= right),
    "GreaterThanExpression": _defined(lambda left, right: left > right),
    "GreaterThanOrEqualExpression": _defined(lambda left, right: left >= right),
    "AddExpression": _defined(lambda left, right: left + right),
    "SubtractExpression": _defined(lambda left, right: left - right),
    "MultiplyExpression": _defined(lambda left, right: left * right),
    "DivideExpression": _defined(_divide),
    "HasExpression": _has,
    "ContainsExpression": lambda left, right: right.lower() in left.lower(),
    "StartsWithExpression": lambda left, right: left.lower().startswith(right.lower()),
}


def _bin(value: Value, step: Value) -> Value:
    if isinstance(value, datetime):
        begin = datetime.min.replace(tzinfo=UTC)
        return begin + (value - begin) // step * step
    return value // step * step


def _tostring(value: Value) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Unsupported(f"tostring of {value!r}")


def _todouble(value: Value) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "bin": _bin,
    "isempty": lambda value: value is None or value == "",
    "isnotempty": lambda value: value is not None and value != "",
    "max_of": lambda *values: None if None in values else max(values),
    "substring": lambda text, begin: text[begin:],
    "todouble": _todouble,
    "tostring": _tostring,
}
"""By the names that the language service gives them; `iff`, `now` and `prev` need more than values."""


def _known(values: Sequence[Value]) -> list[Value]:
    return [value for value in values if value is not None]


def _percentile(values: Sequence[Value], part: float) -> Value:
    """The nearest rank; Kusto's own is an estimate from 4,000 values on."""
    ordered = sorted(_known(values))
    return ordered[max(0, ceil(len(ordered) * part / 100) - 1)] if ordered else None


def _sum(values: Sequence[Value]) -> Value:
    known = _known(values)
    return sum(known[1:], known[0]) if known else 0


AGGREGATES: Mapping[str, Callable[..., Value]] = {
    "count": lambda values: len(values),
    "max": lambda values: max(_known(values), default=None),
    "min": lambda values: min(_known(values), default=None),
    "percentile": _percentile,
    "sum": _sum,
    # Any of them will do for the caller, so the test takes one that is always the same.
    "take_any": lambda values: min(_known(values), default=None),
}
"""Of the values of a group; `arg_max` needs its rows."""


def span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)
