"""What a snapshot comes to in one place: its expressions worked out, from what is known there of existing resources.

What nobody knows before Azure says it reads `<id of the resource>.properties.principalId`, so that two places can be
compared although neither is known. Works on the compiler's files as on those that are made here.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from devtools.bicep.functions import PURE
from devtools.bicep.runtime import extension_id, resource_id


@dataclass(frozen=True, slots=True)
class Place:
    """`existing` is by id and then by path, such as `properties.loginServer`."""

    existing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    suffixes: Mapping[str, str] = field(
        default_factory=lambda: {"storage": "core.windows.net", "acrLoginServer": ".azurecr.io"}
    )


@dataclass(slots=True)
class Settled:
    """`name` is without those of its parents; `on` is the id of what an extension resource is attached to; `key` is its
    own id as the snapshot has it."""

    id: str
    type: str
    name: str
    key: str
    body: dict[str, Any]
    on: str | None = None


@dataclass(slots=True)
class Whole:
    resources: list[Settled]
    outputs: dict[str, Any]

    def of(self, type_name: str) -> list[Settled]:
        return [item for item in self.resources if item.type == type_name]


def at(body: Any, path: str) -> Any:
    """What is in a body under a path such as `properties/rules/0`; None where there is nothing."""
    for part in path.split("/"):
        if isinstance(body, list):
            body = body[int(part)] if part.isdigit() and int(part) < len(body) else None
        else:
            body = body.get(part) if isinstance(body, Mapping) else None
    return body


def settle(snapshot: Mapping[str, Any], place: Place) -> Whole:
    """Resources whose condition turns out false are left out."""
    resources = []
    for item in snapshot["predictedResources"]:
        body = {name: value for name, value in item.items() if name not in ("id", "type", "name", "apiVersion")}
        if not _value(body.pop("condition", True), place):
            continue
        identity = str(_value(item["id"], place))
        before, _, _ = identity.rpartition(f"/providers/{item['type']}/")
        extends = before if "/providers/" in before else None
        name = identity.rpartition("/")[2]
        resources.append(Settled(identity, item["type"], name, item["id"], _value(body, place), extends))
    return Whole(resources, _value(snapshot["outputs"], place))


def _value(value: Any, place: Place) -> Any:
    match value:
        case dict():
            return {_value(name, place): _value(item, place) for name, item in value.items()}
        case list():
            return [_value(item, place) for item in value]
        case str() if value.startswith("[["):
            return value[1:]
        case str() if value.startswith("[") and value.endswith("]"):
            return _Expression(value[1:-1], place).whole()
    return value


_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|[A-Za-z_]\w*|-?\d+|[().,\[\]])")


class _Unknown(str):
    """What Azure will say: an id and a path."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Reference:
    id: str
    path: tuple[str, ...]
    facts: Mapping[str, Any]

    def get(self, name: str) -> Any:
        path = (*self.path, name)
        if ".".join(path) in self.facts:
            return self.facts[".".join(path)]
        return _Reference(self.id, path, self.facts)

    def __str__(self) -> str:
        return ".".join((self.id, *self.path))


class _Expression:
    """One expression of the template language, worked out while it is read."""

    def __init__(self, text: str, place: Place) -> None:
        self.place = place
        self.tokens = list(self.split(text))
        self.at = 0
        self.variables: dict[str, Any] = {}

    def split(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(f"{text[at:]} is not understood")
            yield found[1]
            at = found.end()

    def whole(self) -> Any:
        value = self.value()
        if self.at != len(self.tokens):
            raise ValueError(f"{self.tokens[self.at :]} are left over")
        return _Unknown(value) if isinstance(value, _Reference) else value

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def takes(self, token: str) -> bool:
        found = self.at < len(self.tokens) and self.tokens[self.at] == token
        self.at += found
        return found

    def value(self) -> Any:
        word = self.next()
        if word.startswith("'"):
            found: Any = word[1:-1].replace("''", "'")
        elif re.fullmatch(r"-?\d+", word):
            found = int(word)
        elif not self.takes("("):
            raise ValueError(f"{word} is not understood")
        elif word == "lambda":
            found = self.function()
        else:
            found = self.call(word, self.arguments())
        while self.at < len(self.tokens):
            if self.takes("."):
                name = self.next()
                found = found.get(name) if isinstance(found, _Reference) else found[name]
            elif self.takes("["):
                found = found[self.value()]
                self.next()
            else:
                break
        return found

    def arguments(self) -> list[Any]:
        found: list[Any] = []
        while not self.takes(")"):
            found.append(self.value())
            self.takes(",")
        return found

    def function(self) -> Callable[[Any], Any]:
        """`lambda('x', …)`: what it is applied to comes later, so its text is read again each time."""
        name = self.next()[1:-1]
        self.takes(",")
        begun, depth = self.at, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self.next(), 0)

        def apply(item: Any) -> Any:
            here = self.at
            self.variables[name], self.at = item, begun
            value, self.at = self.value(), here
            return value

        return apply

    def call(self, name: str, given: list[Any]) -> Any:
        match name:
            case "true" | "false" | "null":
                return {"true": True, "false": False, "null": None}[name]
            case "environment":
                return {"suffixes": self.place.suffixes}
            case "parameters":
                return self.place.parameters[given[0]]
            case "lambdaVariables":
                return self.variables[given[0]]
            case "reference":
                path = () if given[2:] else ("properties",)
                return _Reference(given[0], path, self.place.existing.get(given[0], {}))
            case "tryGet":
                base, key = given
                if isinstance(base, _Reference):
                    found = base.get(key)
                    return None if isinstance(found, _Reference) and base.facts else found
                return base.get(key)
            case "coalesce":
                return next((item for item in given if item is not None), None)
            case "if":
                return given[1] if given[0] else given[2]
            case "equals":
                return _text(given[0]) == _text(given[1])
            case "not":
                return not given[0]
            case "and":
                return all(given)
            case "or":
                return any(given)
            case "filter":
                return [item for item in given[0] if given[1](item)]
            case "resourceId":
                subscription, group, type_name, *names = given
                return resource_id(f"/subscriptions/{subscription}/resourceGroups/{group}", type_name, "/".join(names))
            case "extensionResourceId":
                return extension_id(given[0], given[1], given[2])
        return PURE[name](*map(_text, given))


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, _Reference) else value
