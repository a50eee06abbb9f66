"""Expressions of one file, worked out as far as they can be: what only Azure knows stays an expression of its own."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from devtools.bicep.deployment import Impossible, Resource, Scope
from devtools.bicep.functions import PURE
from devtools.bicep.reading import Declaration, Template
from devtools.bicep.runtime import Runtime, argument, call, depends_on_runtime, full_name, resource_id, text_of
from devtools.bicep.syntax import Node

Load = Callable[[Path], Template]


class Absent:
    """A module or resource whose condition is false."""


class Module(ABC):
    """A module that is deployed."""

    @abstractmethod
    def output(self, name: str) -> Any:
        """Raises Impossible."""


@dataclass(frozen=True, slots=True)
class _Outputs:
    module: Module


@dataclass(frozen=True, slots=True)
class _Properties:
    resource: Resource

    def reference(self, *rest: Any) -> Runtime:
        return call("reference", self.resource.id, self.resource.version, *rest)


@dataclass(frozen=True, slots=True)
class Expressions:
    """`named` gives the value of what is declared in the file, and `seen` is told of each such value that is used."""

    file: Template
    scope: Scope
    environment: Mapping[str, str]
    load: Load
    named: Callable[[str], Any]
    seen: Callable[[Any], object]

    def fails(self, node: Node | Declaration, why: str) -> Impossible:
        return Impossible(f"{self.file.path.name}:{node.line}: {why}")

    def truth(self, node: Node, names: dict[str, Any]) -> bool | Runtime:
        value = self.value(node, names)
        if not isinstance(value, bool | Runtime):
            raise self.fails(node, f"{value!r} is neither true nor false")
        return value

    def value(self, node: Node, names: dict[str, Any]) -> Any:
        parts = node.parts
        match node.what:
            case "literal":
                return parts[0]
            case "text":
                return text_of([plain(self.value(part, names)) for part in parts])
            case "name":
                value = names[parts[0]] if parts[0] in names else self.named(parts[0])
                self.seen(value)
                return value
            case "list":
                return [self.value(item, names) for item in parts]
            case "object":
                return {self.value(key, names): self.value(value, names) for key, value in parts}
            case "for":
                return [self.value(parts[2], inner) for inner in self.rounds(node, names)]
            case "choose":
                condition = self.truth(parts[0], names)
                if isinstance(condition, Runtime):
                    return call("if", condition, *(plain(self.value(part, names)) for part in parts[1:]))
                return self.value(parts[1] if condition else parts[2], names)
            case "member":
                return self.member(self.value(parts[0], names), parts[1], parts[2], node)
            case "index":
                found, at = self.value(parts[0], names), self.value(parts[1], names)
                if isinstance(found, Runtime):
                    return Runtime(f"{found.text}[{argument(at)}]")
                try:
                    return found[at]
                except (IndexError, KeyError, TypeError) as error:
                    raise self.fails(node, f"there is no [{at}]") from error
            case "call":
                return self.call(parts[0], [plain(self.value(item, names)) for item in parts[1:]], node)
        return self.operation(node, names)

    def rounds(self, loop: Node, names: dict[str, Any]) -> list[dict[str, Any]]:
        variables, source, _ = loop.parts
        items = self.value(source, names)
        if not isinstance(items, list):
            raise self.fails(loop, "only lists can be looped over")
        return [{**names, **dict(zip(variables, (item, at), strict=False))} for at, item in enumerate(items)]

    def member(self, base: Any, name: str, safe: bool, node: Node) -> Any:
        if isinstance(base, Absent) or base is None:
            if safe or (base is None and _within_safe(node)):
                return None
            raise self.fails(node, f".{name} of what is not deployed")
        match base:
            case Runtime():
                return call("tryGet", base, name) if safe else Runtime(f"{base.text}.{name}")
            case Module():
                return _Outputs(base)
            case _Outputs(module=module):
                return module.output(name)
            case Resource():
                if name in ("id", "name", "type"):
                    return getattr(base, name)
                properties = _Properties(base)
                return properties if name == "properties" else Runtime(f"{properties.reference('full').text}.{name}")
            case _Properties():
                return self.member(base.reference(), name, safe, node)
            case Mapping() if name in base or safe:
                return base.get(name)
        raise self.fails(node, f"there is no .{name}")

    def call(self, name: str, arguments: list[Any], node: Node) -> Any:
        match name:
            case "subscription":
                return {"id": self.scope.id.partition("/resourceGroups")[0], "subscriptionId": self.scope.subscription}
            case "resourceGroup":
                if not arguments:
                    return {"id": self.scope.id, "name": self.scope.group}
                return Scope(*arguments) if len(arguments) == 2 else Scope(self.scope.subscription, arguments[0])
            case "fail":
                raise self.fails(node, arguments[0])
            case "environment":
                return Runtime("environment()")
            case "resourceId" | "subscriptionResourceId":
                base = self.scope.id if name == "resourceId" else f"/subscriptions/{self.scope.subscription}"
                return resource_id(base, arguments[0], functools.reduce(full_name, arguments[1:]))
            case "loadTextContent":
                path = self.file.path.parent / arguments[0]
                if not path.is_file():
                    raise self.fails(node, f"there is no {arguments[0]}")
                return path.read_text(encoding="utf-8")
            case "readEnvironmentVariable":
                value = self.environment.get(arguments[0], arguments[1] if arguments[1:] else None)
                if value is None:
                    raise self.fails(node, f"{arguments[0]} is not set")
                return value
        own = self.function(name)
        if own is not None:
            return own(arguments)
        if name not in PURE:
            raise self.fails(node, f"there is no function {name}")
        if depends_on_runtime(arguments):
            return call(name, *arguments)
        try:
            return PURE[name](*arguments)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise self.fails(node, f"{name} fails: {error}") from error

    def function(self, name: str) -> Callable[[list[Any]], Any] | None:
        """One that is declared here or imported. It sees what it is given, and other functions."""
        imported = self.file.imports.get(name)
        file = self.load((self.file.path.parent / imported).resolve()) if imported else self.file
        declaration = file.declarations.get(name)
        if declaration is None or declaration.kind != "func" or declaration.value is None:
            return None

        def undeclared(name: str) -> NoReturn:
            raise Impossible(f"{file.path.name}: {name} is not known within a function")

        inner = Expressions(file, self.scope, self.environment, self.load, undeclared, id)
        value, names = declaration.value, declaration.arguments
        return lambda arguments: inner.value(value, dict(zip(names, arguments, strict=True)))

    def operation(self, node: Node, names: dict[str, Any]) -> Any:
        operator = node.what
        left = self.value(node.parts[0], names)
        if operator == "??":
            return self.value(node.parts[1], names) if left is None else self.coalesced(left, node.parts[1], names)
        if (operator == "&&" and left is False) or (operator == "||" and left is True):
            return left
        values = [plain(left), *(plain(self.value(part, names)) for part in node.parts[1:])]
        known, function = _OPERATIONS[operator]
        if any(isinstance(value, Runtime) for value in values):
            made = call(function, *values)
            return call("not", made) if operator == "!=" else made
        try:
            return known(*values)
        except TypeError as error:
            raise self.fails(node, f"{operator} does not work on {values}") from error

    def coalesced(self, left: Any, right: Node, names: dict[str, Any]) -> Any:
        return call("coalesce", left, plain(self.value(right, names))) if isinstance(left, Runtime) else left


_OPERATIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "not": (lambda value: not value, "not"),
    "&&": (lambda left, right: left and right, "and"),
    "||": (lambda left, right: left or right, "or"),
    "==": (lambda left, right: left == right, "equals"),
    "!=": (lambda left, right: left != right, "equals"),
    ">": (lambda left, right: left > right, "greater"),
    ">=": (lambda left, right: left >= right, "greaterOrEquals"),
    "<": (lambda left, right: left < right, "less"),
    "<=": (lambda left, right: left <= right, "lessOrEquals"),
    "+": (lambda left, right: left + right, "add"),
    "*": (lambda left, right: left * right, "mul"),
}


def _within_safe(node: Node) -> bool:
    """`a.?b.c`: what follows a safe access is safe as well."""
    while node.what == "member":
        if node.parts[2]:
            return True
        node = node.parts[0]
    return False


def plain(value: Any) -> Any:
    """What may be sent: the id in place of a resource."""
    match value:
        case Resource():
            return value.id
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return value
