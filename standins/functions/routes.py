"""Route templates as ASP.NET Core reads them, which is what matches the platform's HTTP triggers.

https://learn.microsoft.com/aspnet/core/fundamentals/routing: literals in any case, `{name}`, `{name?}`,
`{name=default}`, `{name:constraint}`, several in one segment, and `{*rest}` (or `{**rest}`) that takes slashes too.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

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

    @property
    def precedence(self) -> int:
        """RoutePrecedence.ComputeInbound: the smaller, the sooner it is tried."""
        if not self.parameters:
            return 1
        first = self.parameters[0]
        if first.catch_all:
            return 4 if first.constraints else 5
        return 2 if first.constraints or len(self.parameters) > 1 else 3


class Template:
    """One route, parsed once."""

    def __init__(self, text: str) -> None:
        """Raises `InvalidRoute`."""
        self.text = text.strip("/")
        self._segments = [_parse(segment) for segment in _split(self.text)]
        if any(p.catch_all for segment in self._segments[:-1] for p in segment.parameters):
            raise InvalidRoute(f"{text!r}: a catch-all must come last")

    @property
    def precedence(self) -> tuple[int, ...]:
        return tuple(segment.precedence for segment in self._segments)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a request's raw path, or None.

        Kestrel decodes a path but leaves `%2F`, so that a slash within a segment reaches the app still encoded.
        """
        parts = [_decode(part) for part in path.strip("/").split("/")] if path.strip("/") else []
        values: dict[str, str] = {}
        for number, segment in enumerate(self._segments):
            first = segment.parameters[0] if segment.parameters else None
            if first is not None and first.catch_all:
                rest = "/".join(parts[number:])
                if not rest and first.default is not None:
                    rest = first.default
                if rest and not first.allows(rest):
                    return None
                if rest:
                    values[first.name] = rest
                return values
            if number >= len(parts):
                if first is None or not (first.optional or first.default is not None):
                    return None
                if first.default is not None:
                    values[first.name] = first.default
                continue
            found = segment.pattern.fullmatch(parts[number])
            if found is None:
                return None
            for parameter, value in zip(segment.parameters, found.groups(), strict=True):
                if not parameter.allows(value):
                    return None
                values[parameter.name] = value
        return values if len(parts) <= len(self._segments) else None


def by_precedence(templates: Iterable[Template]) -> list[Template]:
    """The most specific first."""
    return sorted(templates, key=lambda template: template.precedence)


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


def _decode(segment: str) -> str:
    return "".join(part if part.lower() == "%2f" else unquote(part) for part in re.split("(%2[fF])", segment))
