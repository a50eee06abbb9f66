"""Which kind of value an expression has, and whether it fits where it stands."""

from collections.abc import Callable, Iterator
from pathlib import Path

from infra.checks import models, syntax
from infra.checks.models import ANY, Kind, Shape
from infra.checks.parameters import kind_of

_RESULTS = {
    "split": "array", "concat": "array", "guid": "string", "uniqueString": "string", "toLower": "string",
    "replace": "string", "string": "string", "int": "int", "bool": "bool", "empty": "bool", "resourceId": "string",
    "subscriptionResourceId": "string", "loadTextContent": "string", "cidrSubnet": "string", "union": "object",
    "readEnvironmentVariable": "string",
}  # fmt: skip


class Kinds:
    """Of one file. `names` are those that loops add; problems are (line, message)."""

    def __init__(self, file: syntax.File, load: Callable[[Path], syntax.File]) -> None:
        self.file = file
        self.load = load

    def deployable(self, node: syntax.Node) -> syntax.Deployable | None:
        """The resource or module that an expression names, if it does."""
        if isinstance(node, syntax.Index):
            node = node.base
        found = self.file.declarations.get(node.name) if isinstance(node, syntax.Name) else None
        return found if isinstance(found, syntax.Deployable) else None

    def loop_names(self, loop: syntax.Loop, names: dict[str, Kind]) -> dict[str, Kind]:
        source = self.infer(loop.source, names)
        found = {loop.item: source.item or ANY}
        if loop.index:
            found[loop.index] = Kind("int")
        return found

    def infer(self, node: syntax.Node, names: dict[str, Kind]) -> Kind:
        match node:
            case syntax.Literal(value=value):
                return Kind({str: "string", bool: "bool", int: "int"}.get(type(value), "any"))
            case syntax.Text():
                return Kind("string")
            case syntax.Name(name=name):
                return names[name] if name in names else self.declared(name)
            case syntax.Member(base=base, name=name):
                found = (
                    self.deployable(base.base) if isinstance(base, syntax.Member) and base.name == "outputs" else None
                )
                if found is not None and found.is_module:
                    path = self.file.path.parent / found.what
                    output = self.load(path).outputs.get(name) if path.is_file() else None
                    return Kind(output.type) if output else ANY
                shape = self.infer(base, names).shape
                if shape and name in shape.fields:
                    return shape.fields[name].kind
                return (
                    Kind("string")
                    if shape or (isinstance(base, syntax.Call) and name in ("id", "name", "location"))
                    else ANY
                )
            case syntax.Index(base=base):
                kind = self.infer(base, names)
                return kind.item or ANY if kind.name in ("array", "map") else kind if kind.shape else ANY
            case syntax.Call(name=name):
                return Kind(_RESULTS.get(name, "any"))
            case syntax.Operation(operator=operator, operands=operands):
                if operator in ("!", "&&", "||", "==", "!=", "<", ">", "<=", ">="):
                    return Kind("bool")
                return self.infer(operands[0], names) if operator == "??" else Kind("int")
            case syntax.Choice(yes=yes):
                return self.infer(yes, names)
            case syntax.Listing(items=items):
                return Kind("array", item=self.infer(items[0], names) if items else None)
            case syntax.Object():
                return Kind("object")
            case syntax.Loop():
                return Kind("array")
        return ANY

    def declared(self, name: str) -> Kind:
        match self.file.declarations.get(name):
            case syntax.Parameter() as parameter:
                return kind_of(parameter)
            case syntax.Variable(value=value):
                return self.infer(value, {})
            case syntax.Deployable(is_module=False) as resource:
                type_name, _, version = resource.what.partition("@")
                try:
                    return Kind("resource", shape=models.resource(type_name, version))
                except models.UnknownType:
                    return ANY
        return ANY

    def typed(self, node: syntax.Node, kind: Kind, names: dict[str, Kind], what: str) -> Iterator[tuple[int, str]]:
        """Whether an expression can have a value of this kind."""
        if isinstance(node, syntax.Choice):
            yield from self.typed(node.condition, Kind("bool"), names, f"the condition of {what}")
            yield from self.typed(node.yes, kind, names, what)
            yield from self.typed(node.no, kind, names, what)
            return
        if isinstance(node, syntax.Operation) and node.operator == "??":
            for operand in node.operands:
                yield from self.typed(operand, kind, names, what)
            return
        if kind.name == "array" and isinstance(node, syntax.Listing):
            for item in node.items:
                yield from self.typed(item, kind.item or ANY, names, what)
            return
        if kind.name == "array" and isinstance(node, syntax.Loop):
            inner = {**names, **self.loop_names(node, names)}
            yield from self.typed(node.body, kind.item or ANY, inner, what)
            return
        if kind.name == "map" and isinstance(node, syntax.Object):
            for item in node.properties:
                yield from self.typed(item.value, kind.item or ANY, names, f"{what}.{item.name}")
            return
        if kind.shape is not None and isinstance(node, syntax.Object):
            yield from self.fits(node, kind.shape, names, what)
            return
        if isinstance(node, syntax.Literal):
            yield from self.literal(node, kind, what)
            return
        found = self.infer(node, names)
        if "any" in (found.name, kind.name):
            return
        wanted = {"map": "object", "model": "object"}.get(kind.name, kind.name)
        if found.name != wanted and {found.name, wanted} not in (
            {"number", "int"},
            {"map", "object"},
            {"model", "object"},
        ):
            yield node.line, f"{what} is of type {wanted}, and this is of type {found.name}"
        elif kind.choices and found.choices and not found.choices <= kind.choices:
            yield node.line, f"{what} cannot be {', '.join(sorted(found.choices - kind.choices))}"

    def literal(self, node: syntax.Literal, kind: Kind, what: str) -> Iterator[tuple[int, str]]:
        if node.value is None or kind.name == "any":
            return
        found = {str: "string", bool: "bool", int: "int"}[type(node.value)]
        if found != kind.name and (found, kind.name) != ("int", "number"):
            yield node.line, f"{what} is of type {kind.name}, and not {node.value!r}"
        elif kind.choices and node.value not in kind.choices:
            yield node.line, f"{what} cannot be {node.value!r}, but {', '.join(sorted(kind.choices))}"

    def fits(self, node: syntax.Object, shape: Shape, names: dict[str, Kind], what: str) -> Iterator[tuple[int, str]]:
        """Whether an object is what the model says, property by property."""
        if shape.discriminator and isinstance(value := node.get(shape.discriminator), syntax.Literal):
            found = shape.subtypes.get(str(value.value))
            if found is None:
                known = ", ".join(sorted(shape.subtypes))
                yield value.line, f"{what}.{shape.discriminator} cannot be {value.value!r}, but {known}"
                return
            shape = found
        for item in node.properties:
            yield from self.property(item, shape, names, what)
        for name, field in shape.fields.items():
            if field.required and not field.readonly and node.get(name) is None:
                yield node.line, f"{what} needs {name}"

    def property(
        self, item: syntax.Property, shape: Shape, names: dict[str, Kind], what: str
    ) -> Iterator[tuple[int, str]]:
        if item.name is None:
            return
        field = shape.fields.get(item.name)
        if field is None:
            yield item.line, f"{what}: {shape.name} has no {item.name}"
        elif field.readonly:
            yield item.line, f"{what}.{item.name} can only be read"
        else:
            yield from self.typed(item.value, field.kind, names, f"{what}.{item.name}")
