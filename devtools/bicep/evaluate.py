"""What a deployment would send to Azure, worked out without Azure: conditions, loops, modules, names, ids and roles.

Raises Impossible for what Azure, or the compiler, would refuse.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devtools.bicep.deployment import Deployment, Impossible, Resource, Scope, Target
from devtools.bicep.functions import PURE
from devtools.bicep.parameters import checked
from devtools.bicep.reading import Declaration, Node, Template, read
from devtools.bicep.runtime import (
    Runtime,
    argument,
    call,
    depends_on_runtime,
    extension_id,
    full_name,
    resource_id,
    text_of,
)  # fmt: skip

Load = Callable[[Path], Template]


def deploy(path: Path, given: Mapping[str, Any], target: Target | None = None, load: Load = read) -> Deployment:
    """Raises Impossible, and SyntaxFault."""
    aim = target or Target()
    run = _Run(load(path), aim.scope, given, load, aim)
    outputs = {name: run.value(output.value, {}) for name, output in run.file.outputs.items() if output.value}
    run.everything()
    return Deployment(run.deployed(), {name: plain(value) for name, value in outputs.items()})


def parameters(path: Path, environment: Mapping[str, str] | None = None, load: Load = read) -> dict[str, Any]:
    """What a parameter file gives. Raises Impossible, and SyntaxFault."""
    run = _Run(load(path), Scope(""), {}, load, Target(environment=environment or {}))
    return {item.name: plain(run.named(item.name)) for item in run.file.of("var")}


class _Absent:
    """A module or resource whose condition is false."""


@dataclass(frozen=True, slots=True)
class _Properties:
    resource: Resource

    def reference(self, *rest: Any) -> Runtime:
        return call("reference", self.resource.id, self.resource.version, *rest)


@dataclass(frozen=True, slots=True)
class _Outputs:
    run: "_Run"


@dataclass(eq=False)
class _Run:
    """One file, deployed into one scope. `condition` is its module's, None without one."""

    file: Template
    scope: Scope
    given: Mapping[str, Any]
    load: Load
    target: Target
    outer_needs: set[str] = field(default_factory=set)
    condition: bool | Runtime | None = None
    values: dict[str, Any] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    modules: "list[_Run]" = field(default_factory=list)

    def __post_init__(self) -> None:
        known = {item.name for item in self.file.of("param")}
        for name in self.given:
            if name not in known:
                raise Impossible(f"{self.file.path.name} takes no {name}")
        for parameter in self.file.of("param"):
            if parameter.name in self.given:
                value = self.given[parameter.name]
            elif parameter.value is not None:
                value = self.value(parameter.value, {})
            else:
                raise Impossible(f"{self.file.path.name} needs {parameter.name}")
            self.values[parameter.name] = checked(parameter, value, self.file.path.name)

    def everything(self) -> None:
        for declaration in (*self.file.of("resource"), *self.file.of("module")):
            self.named(declaration.name)
        for module in self.modules:
            module.everything()

    def deployed(self) -> list[Resource]:
        found: list[Resource] = []
        for declaration in self.file.of("resource"):
            value = self.values[declaration.name]
            found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Resource)]
        for item in found:
            item.needs |= self.outer_needs
        order = [item.name for item in self.file.of("module")]
        modules = [self.values[name] for name in order if isinstance(self.values[name], _Run)]
        return [item for item in found if not item.existing] + [
            item for module in modules for item in module.deployed()
        ]

    def fails(self, node: Node | Declaration, why: str) -> Impossible:
        return Impossible(f"{self.file.path.name}:{node.line}: {why}")

    # declarations

    def named(self, name: str) -> Any:
        if name not in self.values:
            declaration = self.file.declarations.get(name)
            if declaration is None or declaration.kind == "func":
                raise Impossible(f"{self.file.path.name}: {name} is declared nowhere")
            if name in self.busy:
                raise Impossible(f"{self.file.path.name}: {' needs '.join((*self.busy, name))}")
            self.busy.append(name)
            assert declaration.value is not None
            if declaration.kind == "var":
                self.values[name] = self.value(declaration.value, {})
            else:
                self.values[name] = self.deployable(declaration, declaration.value)
            self.busy.pop()
        return self.values[name]

    def deployable(self, declaration: Declaration, node: Node) -> Any:
        if node.what == "for":
            return [self.one(declaration, node.parts[2], None, names) for names in self.rounds(node, {})]
        condition: Any = None
        if node.what == "if":
            condition = self.truth(node.parts[0], {})
            if condition is False:
                return _Absent()
            node = node.parts[1]
        return self.one(declaration, node, condition, {})

    def one(self, declaration: Declaration, node: Node, condition: Any, names: dict[str, Any]) -> "Resource | _Run":
        outer, self.touched = self.touched, set()
        body = {str(self.value(key, names)): value for key, value in node.parts}
        if "dependsOn" in body:
            self.value(body.pop("dependsOn"), names)
        made: Resource | _Run
        if declaration.kind == "module":
            made = self.module(declaration, body, condition, names)
        else:
            made = self.resource(declaration, body, condition, names)
        needs, self.touched = self.touched, outer
        if isinstance(made, Resource):
            made.needs |= needs
        else:
            made.outer_needs |= needs | self.outer_needs
            self.modules.append(made)
        return made

    def rounds(self, loop: Node, names: dict[str, Any]) -> list[dict[str, Any]]:
        variables, source, _ = loop.parts
        items = self.value(source, names)
        if not isinstance(items, list):
            raise self.fails(loop, "only lists can be looped over")
        return [{**names, **dict(zip(variables, (item, at), strict=False))} for at, item in enumerate(items)]

    def resource(
        self, declaration: Declaration, body: dict[str, Node], condition: Any, names: dict[str, Any]
    ) -> Resource:
        type_name, _, version = declaration.type.partition("@")
        meta = {key: self.value(body.pop(key), names) for key in ("name", "parent", "scope") if key in body}
        name = meta.get("name")
        if not name:
            raise self.fails(declaration, f"{declaration.name} has no name")
        parent, on = meta.get("parent"), meta.get("scope")
        full, place = name, self.scope
        if isinstance(parent, Resource):
            full, place = full_name(parent.full_name, name), parent.scope
        elif isinstance(on, Scope):
            place = on
        elif ("parent" in meta or "scope" in meta) and not isinstance(on, Resource):
            raise self.fails(declaration, f"{declaration.name} belongs to something that is not deployed")
        if isinstance(on, Resource):
            identity = extension_id(on.id, type_name, name)
        elif type_name == "Microsoft.Resources/resourceGroups":
            identity = f"{self.scope.id}/resourceGroups/{name}"
        else:
            identity = resource_id(place.id, type_name, full)
        values = {key: plain(self.value(item, names)) for key, item in body.items()}
        applies: bool | Runtime | None = condition if isinstance(condition, Runtime) else None
        if isinstance(self.condition, Runtime) or (applies is not None and self.condition is not None):
            applies = call("and", self.condition, applies) if applies is not None else self.condition
        return Resource(
            declaration.name, self.file.path, declaration.line, type_name, version, identity, name, full, place, values,
            declaration.existing, True if applies is None else applies,
        )  # fmt: skip

    def module(self, declaration: Declaration, body: dict[str, Node], condition: Any, names: dict[str, Any]) -> "_Run":
        scope = self.value(body["scope"], names) if "scope" in body else self.scope
        if isinstance(scope, Resource):
            scope = Scope(self.scope.subscription, str(scope.name))
        if not isinstance(scope, Scope):
            raise self.fails(declaration, f"{declaration.name} is deployed into no resource group")
        given = self.value(body["params"], names) if "params" in body else {}
        path = (self.file.path.parent / declaration.type).resolve()
        return _Run(self.load(path), scope, plain(given), self.load, self.target, condition=condition)

    # expressions

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
                self.touch(value)
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

    def touch(self, value: Any) -> None:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Resource):
                self.touched |= item.needs if item.existing else {item.key}
            elif isinstance(item, _Run):
                item.everything()
                self.touched |= {resource.key for resource in item.deployed()}

    def member(self, base: Any, name: str, safe: bool, node: Node) -> Any:
        if isinstance(base, _Absent) or base is None:
            if safe or (base is None and _within_safe(node)):
                return None
            raise self.fails(node, f".{name} of what is not deployed")
        match base:
            case Runtime():
                return call("tryGet", base, name) if safe else Runtime(f"{base.text}.{name}")
            case _Run():
                return _Outputs(base)
            case _Outputs(run=run):
                output = run.file.outputs.get(name)
                if output is None or output.value is None:
                    raise self.fails(node, f"{run.file.path.name} puts out no {name}")
                return run.value(output.value, {})
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
                value = self.target.environment.get(arguments[0], arguments[1] if arguments[1:] else None)
                if value is None:
                    raise self.fails(node, f"{arguments[0]} is not set")
                return value
        own = self.function(name)
        if own is not None:
            return own.value_of(arguments)
        if name not in PURE:
            raise self.fails(node, f"there is no function {name}")
        if depends_on_runtime(arguments):
            return call(name, *arguments)
        try:
            return PURE[name](*arguments)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise self.fails(node, f"{name} fails: {error}") from error

    def function(self, name: str) -> "_Function | None":
        if name in self.file.imports:
            file = self.load((self.file.path.parent / self.file.imports[name]).resolve())
        else:
            file = self.file
        declaration = file.declarations.get(name)
        if declaration is None or declaration.kind != "func":
            return None
        return _Function(declaration, _Run(file, self.scope, {}, self.load, self.target))

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


@dataclass(frozen=True, slots=True)
class _Function:
    declaration: Declaration
    run: _Run

    def value_of(self, arguments: list[Any]) -> Any:
        assert self.declaration.value is not None
        return self.run.value(self.declaration.value, dict(zip(self.declaration.arguments, arguments, strict=True)))


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
