"""Route templates as ASP.NET Core reads them, which is what matches the platform's HTTP triggers, one by one: that a
literal is more specific than a parameter means nothing to the host.

https://learn.microsoft.com/aspnet/core/fundamentals/routing: literals in any case, `{name}`, `{name?}`,
`{name=default}`, `{name:constraint}`, several in one segment, and `{*rest}` (or `{**rest}`) that takes slashes too.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_PARAMETER = re.compile(
    r"\{(?P<stars>\*{0,2})(?P<name>[^:?={}*]+)(?P<constraints>(?::[^{}=?()]+(?:\((?:[^()]|\([^()]*\))*\))?)*)"
    r"(?:=(?P<default>[^{}]*))?(?P<optional>\?)?\}"
)
_CONSTRAINT = re.compile(r":([^():]+)(?:\(((?:[^()]|\([^()]*\))*)\))?")


class InvalidRoute(ValueError):
    """A template that the host would refuse."""


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    constraints: tuple[Callable[[str], bool], ...]
    default: str | None
    optional: bool
    catch_all: bool

    def allows(self, value: str) -> bool:
        return all(constraint(value) for constraint in self.constraints)


@dataclass(frozen=True, slots=True)
class _Segment:
    """Literal text and parameters; `pattern` matches one decoded path segment."""

    pattern: re.Pattern[str]
    parameters: tuple[_Parameter, ...]


class Template:
    """One route, parsed once."""

    def __init__(self, text: str) -> None:
        """Raises `InvalidRoute`."""
        self.text = text.strip("/")
        self._segments = [_parse(segment) for segment in _split(self.text)]
        if any(p.catch_all for segment in self._segments[:-1] for p in segment.parameters):
            raise InvalidRoute(f"{text!r}: a catch-all must come last")

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a request's decoded path, or None.

        One slash at the end is none; of a catch-all it is a part, and so are empty segments after its first.
        """
        parts = path.removeprefix("/").split("/")
        whole = parts.copy()
        if parts[-1] == "":
            parts.pop()
        values: dict[str, str] = {}
        for number, segment in enumerate(self._segments):
            first = segment.parameters[0] if segment.parameters else None
            if number >= len(parts):
                if first is None or not (first.optional or first.catch_all or first.default is not None):
                    return None
                if first.default is not None:
                    values[first.name] = first.default
                continue
            if not parts[number]:
                return None
            if first is not None and first.catch_all:
                rest = "/".join(whole[number:])
                return {**values, first.name: rest} if first.allows(rest) else None
            found = segment.pattern.fullmatch(parts[number])
            if found is None:
                return None
            for parameter, value in zip(segment.parameters, found.groups(), strict=True):
                if not parameter.allows(value):
                    return None
                values[parameter.name] = value
        return values if len(parts) <= len(self._segments) else None


def _split(text: str) -> list[str]:
    """At slashes that are not inside braces (a regex constraint may hold some)."""
    parts, depth, current = [], 0, ""
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "/" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current] if text else []


def _parse(segment: str) -> _Segment:
    pattern, parameters, position = "", [], 0
    for match in _PARAMETER.finditer(segment):
        pattern += re.escape(segment[position : match.start()])
        position = match.end()
        # A parameter takes as little as it can but for the last one, and never nothing.
        pattern += "(.+?)"
        parameters.append(
            _Parameter(
                match["name"],
                tuple(_constraint(name, argument) for name, argument in _CONSTRAINT.findall(match["constraints"])),
                match["default"],
                match["optional"] is not None,
                bool(match["stars"]),
            )
        )
    rest = segment[position:]
    if "{" in rest or "}" in rest:
        raise InvalidRoute(f"{segment!r} is not a route segment")
    return _Segment(re.compile(pattern + re.escape(rest), re.IGNORECASE | re.DOTALL), tuple(parameters))


def _constraint(name: str, argument: str) -> Callable[[str], bool]:
    numbers: Sequence[int] = [int(part) for part in argument.split(",")] if re.fullmatch(r"[-\d, ]+", argument) else ()
    simple: dict[str, Callable[[str], bool]] = {
        "int": lambda value: _number(value, -(2**31), 2**31 - 1),
        "long": lambda value: _number(value, -(2**63), 2**63 - 1),
        "bool": lambda value: value.lower() in ("true", "false"),
        "decimal": _is_float,
        "double": _is_float,
        "float": _is_float,
        "guid": _is_guid,
        "alpha": lambda value: re.fullmatch("[a-zA-Z]*", value) is not None,
        "required": bool,
    }
    if name in simple:
        return simple[name]
    if name == "regex":
        pattern = re.compile(argument.replace("{{", "{").replace("}}", "}"), re.IGNORECASE)
        return lambda value: pattern.search(value) is not None
    if name == "minlength" and len(numbers) == 1:
        return lambda value: len(value) >= numbers[0]
    if name == "maxlength" and len(numbers) == 1:
        return lambda value: len(value) <= numbers[0]
    if name == "length" and len(numbers) in (1, 2):
        return lambda value: numbers[0] <= len(value) <= numbers[-1]
    if name == "min" and len(numbers) == 1:
        return lambda value: _number(value, numbers[0], 2**63 - 1)
    if name == "max" and len(numbers) == 1:
        return lambda value: _number(value, -(2**63), numbers[0])
    if name == "range" and len(numbers) == 2:
        return lambda value: _number(value, numbers[0], numbers[1])
    raise InvalidRoute(f"route constraint {name!r} is not known here")


def _number(value: str, least: int, most: int) -> bool:
    return re.fullmatch(r"[-+]?\d+", value, re.ASCII) is not None and least <= int(value) <= most


def _is_float(value: str) -> bool:
    return re.fullmatch(r"[-+]?[\d,]*\.?\d+(?:[eE][-+]?\d+)?", value, re.ASCII) is not None


def _is_guid(value: str) -> bool:
    try:
        uuid.UUID(value.strip("{}()"))
    except ValueError:
        return False
    return True
