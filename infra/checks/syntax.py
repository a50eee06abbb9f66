"""Bicep files as values: what is declared, and the expressions in it, each with its place in the file.

`parser` makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Node:
    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: str | int | bool | None


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string with something interpolated."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Name(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    base: Node
    name: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Index(Node):
    base: Node
    index: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Operation(Node):
    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice(Node):
    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Listing(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Property(Node):
    key: Node
    """A Literal, or a Text where the key is interpolated."""
    value: Node

    @property
    def name(self) -> str | None:
        return str(self.key.value) if isinstance(self.key, Literal) else None


@dataclass(frozen=True, slots=True)
class Object(Node):
    properties: tuple[Property, ...]

    def get(self, name: str) -> Node | None:
        return next((item.value for item in self.properties if item.name == name), None)


@dataclass(frozen=True, slots=True)
class Loop(Node):
    item: str
    index: str | None
    source: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Declaration(Node):
    name: str
    decorators: tuple[Call, ...]

    def decorator(self, name: str) -> Call | None:
        return next((call for call in self.decorators if call.name == name), None)


@dataclass(frozen=True, slots=True)
class Parameter(Declaration):
    type: str
    default: Node | None


@dataclass(frozen=True, slots=True)
class Variable(Declaration):
    value: Node


@dataclass(frozen=True, slots=True)
class Output(Declaration):
    type: str
    value: Node


@dataclass(frozen=True, slots=True)
class Deployable(Declaration):
    what: str
    """Type and API version of a resource; path of a module."""
    is_module: bool
    existing: bool
    condition: Node | None
    loop: Loop | None
    body: Object


@dataclass(slots=True)
class File:
    path: Path
    text: str
    scope: str = "resourceGroup"
    using: str | None = None
    declarations: dict[str, Declaration] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)

    @property
    def parameters(self) -> list[Parameter]:
        return [item for item in self.declarations.values() if isinstance(item, Parameter)]

    @property
    def deployables(self) -> list[Deployable]:
        return [item for item in self.declarations.values() if isinstance(item, Deployable)]

    @property
    def resources(self) -> list[Deployable]:
        return [item for item in self.deployables if not item.is_module]

    @property
    def modules(self) -> list[Deployable]:
        return [item for item in self.deployables if item.is_module]


def walk(node: Node) -> Iterator[Node]:
    """The node and all within it."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Text(parts=parts):
            return parts
        case Member(base=base):
            return (base,)
        case Index(base=base, index=index):
            return (base, index)
        case Call(arguments=arguments):
            return arguments
        case Operation(operands=operands):
            return operands
        case Choice(condition=condition, yes=yes, no=no):
            return (condition, yes, no)
        case Listing(items=items):
            return items
        case Object(properties=properties):
            return properties
        case Property(key=key, value=value):
            return (key, value)
        case Loop(source=source, body=body):
            return (source, body)
    return ()
