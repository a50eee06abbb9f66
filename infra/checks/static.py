"""What can be said of one file without deploying it: names, parameters, resource types, properties, values, roles."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.checks import models
from infra.checks.functions import ARGUMENTS
from infra.checks.models import ANY, Kind, Shape
from infra.checks.roles import ROLES
from infra.checks.syntax import (
    Call,
    Choice,
    Deployable,
    File,
    Index,
    Listing,
    Literal,
    Loop,
    Member,
    Name,
    Node,
    Object,
    Operation,
    Parameter,
    Property,
    Text,
    Variable,
    children,
)

_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_EXTENSIONS = ("Microsoft.Authorization/roleAssignments",)
_TYPES = ("string", "int", "bool", "object", "array")
_DECORATORS = {
    "description": _TYPES,
    "allowed": ("string", "int"),
    "secure": ("string", "object"),
    "minLength": ("string", "array"),
    "maxLength": ("string", "array"),
    "minValue": ("int",),
    "maxValue": ("int",),
}
_BUILT_IN = {
    "subscription": {"id", "subscriptionId", "tenantId", "displayName"},
    "resourceGroup": {"id", "name", "location", "tags"},
    "environment": {"suffixes", "name", "authentication", "resourceManager"},
}
_SUFFIXES = {"storage", "acrLoginServer", "sqlServerHostname", "keyvaultDns"}


@dataclass(frozen=True, slots=True)
class Finding:
    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}: {self.message}"


def check(file: File, load: Callable[[Path], File]) -> Iterator[Finding]:
    """`load` reads the files of modules."""
    return _Checker(file, load).findings()


class _Checker:
    def __init__(self, file: File, load: Callable[[Path], File]) -> None:
        self.file = file
        self.load = load
        self.used: set[str] = set()

    def findings(self) -> Iterator[Finding]:
        for line, message in self.problems():
            yield Finding(self.file.path, line, message)

    def problems(self) -> Iterator[tuple[int, str]]:
        for declaration in self.file.declarations.values():
            match declaration:
                case Parameter():
                    yield from self.parameter(declaration)
                case Variable():
                    yield from self.expression(declaration.value, {})
                    yield from self.role_ids(declaration)
                case Deployable(is_module=True):
                    yield from self.module(declaration)
                case Deployable():
                    yield from self.resource(declaration)
        for output in self.file.outputs.values():
            yield from self.expression(output.value, {})
            yield from self.typed(output.value, Kind(output.type), {}, f"output {output.name}")
        for name, declaration in self.file.declarations.items():
            if name not in self.used and not (isinstance(declaration, Deployable) and not declaration.existing):
                yield declaration.line, f"{name} is not used"

    # declarations

    def parameter(self, parameter: Parameter) -> Iterator[tuple[int, str]]:
        if parameter.type not in _TYPES:
            yield parameter.line, f"{parameter.type} is no type"
            return
        if parameter.decorator("description") is None:
            yield parameter.line, f"{parameter.name} has no description"
        for call in parameter.decorators:
            if parameter.type not in _DECORATORS.get(call.name, ()):
                yield call.line, f"@{call.name} does not fit a parameter of type {parameter.type}"
        low, high = limits(parameter)
        if low is not None and high is not None and low > high:
            yield parameter.line, f"{parameter.name} can have no value: {low} is more than {high}"
        if parameter.default is not None:
            yield from self.expression(parameter.default, {})
            yield from self.typed(parameter.default, self.kind_of(parameter), {}, parameter.name)
            if isinstance(parameter.default, Literal) and not parameter.decorator("secure"):
                yield from ((parameter.line, text) for text in unfit(parameter, parameter.default.value))

    def kind_of(self, parameter: Parameter) -> Kind:
        allowed = allowed_values(parameter)
        return Kind(
            parameter.type, frozenset(map(str, allowed)) if allowed and parameter.type == "string" else frozenset()
        )

    def role_ids(self, variable: Variable) -> Iterator[tuple[int, str]]:
        value = variable.value
        if isinstance(value, Literal) and isinstance(value.value, str) and _GUID.fullmatch(value.value):
            role = ROLES.get(variable.name)
            if role is None:
                yield variable.line, f"{variable.name} is no role that is known here"
            elif role.id != value.value:
                yield variable.line, f"{role.name} is {role.id}"

    def module(self, module: Deployable) -> Iterator[tuple[int, str]]:
        path = self.file.path.parent / module.what
        if not path.is_file():
            yield module.line, f"there is no {module.what}"
            return
        target = self.load(path)
        scope = self.common(module)
        yield from scope[1]
        for item in module.body.properties:
            if item.name not in ("name", "scope", "params", "dependsOn"):
                yield item.line, f"a module has no {item.name}"
        yield from self.depends(module)
        given = module.body.get("params")
        names = scope[0]
        properties = given.properties if isinstance(given, Object) else ()
        parameters = {parameter.name: parameter for parameter in target.parameters}
        for item in properties:
            parameter = parameters.get(item.name or "")
            if parameter is None:
                yield item.line, f"{module.what} takes no {item.name}"
                continue
            yield from self.typed(item.value, self.kind_of(parameter), names, f"{module.name}.{item.name}")
            if isinstance(item.value, Literal):
                yield from ((item.line, text) for text in unfit(parameter, item.value.value))
        for name, parameter in parameters.items():
            if parameter.default is None and not any(item.name == name for item in properties):
                yield module.line, f"{module.what} needs {name}"
        if self.file.scope == "subscription" and module.body.get("scope") is None:
            yield module.line, f"{module.name} needs a scope: {module.what} deploys into a resource group"
        if target.scope != "resourceGroup":
            yield module.line, f"{module.what} deploys into a {target.scope}"

    def resource(self, resource: Deployable) -> Iterator[tuple[int, str]]:
        names, problems = self.common(resource)
        yield from problems
        type_name, _, version = resource.what.partition("@")
        try:
            shape = models.resource(type_name, version)
        except models.UnknownType as error:
            yield resource.line, str(error)
            return
        if resource.body.get("name") is None:
            yield resource.line, f"{resource.name} has no name"
        yield from self.parent(resource, type_name)
        yield from self.depends(resource)
        meta = {"name", "parent", "scope", "dependsOn"}
        if resource.existing:
            extra = [item.name for item in resource.body.properties if item.name not in meta]
            yield from ((resource.line, f"{resource.name} exists and cannot be given {name}") for name in extra)
            return
        body = Object(
            resource.body.start,
            resource.body.end,
            resource.body.line,
            tuple(item for item in resource.body.properties if item.name not in meta),
        )
        yield from self.fits(body, shape, names, resource.name)

    def common(self, deployable: Deployable) -> tuple[dict[str, Kind], list[tuple[int, str]]]:
        """The names that the loop adds, and what is wrong with any expression."""
        names: dict[str, Kind] = {}
        problems: list[tuple[int, str]] = []
        if deployable.condition is not None:
            problems += self.expression(deployable.condition, {})
            problems += self.typed(deployable.condition, Kind("bool"), {}, f"the condition of {deployable.name}")
        if deployable.loop is not None:
            problems += self.expression(deployable.loop.source, {})
            names = self.loop_names(deployable.loop, {})
        problems += self.expression(deployable.body, names)
        return names, problems

    def depends(self, deployable: Deployable) -> Iterator[tuple[int, str]]:
        value = deployable.body.get("dependsOn")
        if value is None:
            return
        for item in value.items if isinstance(value, Listing) else ():
            target = self.file.declarations.get(item.name) if isinstance(item, Name) else None
            if not isinstance(target, Deployable) or target.existing or target is deployable:
                yield value.line, f"{deployable.name} can depend on resources and modules only"

    def parent(self, resource: Deployable, type_name: str) -> Iterator[tuple[int, str]]:
        parent, scope = resource.body.get("parent"), resource.body.get("scope")
        is_child = type_name.count("/") > 1
        if is_child != (parent is not None):
            yield resource.line, f"{type_name} {'needs a parent' if is_child else 'has no parent'}"
        elif parent is not None:
            found = self.deployable(parent)
            if found is None or found.what.partition("@")[0] != type_name.rpartition("/")[0]:
                yield parent.line, f"the parent of a {type_name} is a {type_name.rpartition('/')[0]}"
        if type_name in _EXTENSIONS and (scope is None or self.deployable(scope) is None):
            yield resource.line, f"{resource.name} needs a resource as its scope"
        if scope is not None and type_name not in _EXTENSIONS:
            yield scope.line, f"a {type_name} is no extension, and has no scope of its own here"

    def deployable(self, node: Node) -> Deployable | None:
        """The resource or module that an expression names, if it does."""
        if isinstance(node, Index):
            node = node.base
        found = self.file.declarations.get(node.name) if isinstance(node, Name) else None
        return found if isinstance(found, Deployable) else None

    # expressions

    def expression(self, node: Node, names: dict[str, Kind]) -> list[tuple[int, str]]:
        problems: list[tuple[int, str]] = []
        match node:
            case Name(name=name):
                if name not in names and name not in self.file.declarations:
                    problems.append((node.line, f"{name} is declared nowhere"))
                self.used.add(name)
            case Call(name=name, arguments=arguments):
                low, high = ARGUMENTS.get(name, (-1, -1))
                if low < 0:
                    problems.append((node.line, f"there is no function {name}"))
                elif not low <= len(arguments) <= high:
                    problems.append((node.line, f"{name} does not take {len(arguments)} arguments"))
            case Loop():
                problems += self.expression(node.source, names)
                problems += self.expression(node.body, {**names, **self.loop_names(node, names)})
                return problems
            case Literal(value=str(text)) if _GUID.fullmatch(text) and not self.is_role_variable(node):
                problems.append((node.line, "an id belongs into a variable that is named after its role"))
            case Member():
                problems += self.member(node, names)
        for child in children(node):
            problems += self.expression(child, names)
        return problems

    def is_role_variable(self, node: Node) -> bool:
        return any(isinstance(item, Variable) and item.value is node for item in self.file.declarations.values())

    def loop_names(self, loop: Loop, names: dict[str, Kind]) -> dict[str, Kind]:
        source = self.infer(loop.source, names)
        found = {loop.item: source.item or ANY}
        if loop.index:
            found[loop.index] = Kind("int")
        return found

    def member(self, node: Member, names: dict[str, Kind]) -> list[tuple[int, str]]:
        base = node.base
        if isinstance(base, Call) and base.name in _BUILT_IN and node.name not in _BUILT_IN[base.name]:
            return [(node.line, f"{base.name}() has no {node.name}")]
        if isinstance(base, Member) and base.name == "suffixes" and node.name not in _SUFFIXES:
            return [(node.line, f"there is no suffix {node.name}")]
        found = self.deployable(base)
        if found is not None and found.is_module:
            if node.name != "outputs":
                return [(node.line, f"of a module only outputs can be read, not {node.name}")]
            if (found.condition is not None) != node.safe:
                return [
                    (
                        node.line,
                        f"{found.name} {'may not be there: write .?outputs' if found.condition else 'is there'}",
                    )
                ]
            return []
        if isinstance(base, Member) and base.name == "outputs" and (found := self.deployable(base.base)):
            path = self.file.path.parent / found.what
            if path.is_file() and node.name not in self.load(path).outputs:
                return [(node.line, f"{found.what} puts out no {node.name}")]
            return []
        kind = self.infer(base, names)
        if kind.shape is not None and node.name not in kind.shape.fields and node.name not in ("id", "name", "type"):
            return [(node.line, f"{kind.shape.name} has no {node.name}")]
        if kind.name in ("string", "int", "bool", "array"):
            return [(node.line, f"a value of type {kind.name} has no {node.name}")]
        if isinstance(base, Name) and isinstance(declared := self.file.declarations.get(base.name), Variable):
            value = declared.value
            if isinstance(value, Object) and value.get(node.name) is None:
                return [(node.line, f"{base.name} has no {node.name}")]
        return []

    # types

    def infer(self, node: Node, names: dict[str, Kind]) -> Kind:
        match node:
            case Literal(value=value):
                return Kind({str: "string", bool: "bool", int: "int"}.get(type(value), "any"))
            case Text():
                return Kind("string")
            case Name(name=name):
                return names[name] if name in names else self.declared(name)
            case Member(base=base, name=name):
                found = self.deployable(base.base) if isinstance(base, Member) and base.name == "outputs" else None
                if found is not None and found.is_module:
                    path = self.file.path.parent / found.what
                    output = self.load(path).outputs.get(name) if path.is_file() else None
                    return Kind(output.type) if output else ANY
                shape = self.infer(base, names).shape
                if shape and name in shape.fields:
                    return shape.fields[name].kind
                return (
                    Kind("string") if shape or (isinstance(base, Call) and name in ("id", "name", "location")) else ANY
                )
            case Index(base=base):
                kind = self.infer(base, names)
                return kind.item or ANY if kind.name in ("array", "map") else kind if kind.shape else ANY
            case Call(name=name):
                return Kind(_RESULTS.get(name, "any"))
            case Operation(operator=operator, operands=operands):
                if operator in ("!", "&&", "||", "==", "!=", "<", ">", "<=", ">="):
                    return Kind("bool")
                return self.infer(operands[0], names) if operator == "??" else Kind("int")
            case Choice(yes=yes):
                return self.infer(yes, names)
            case Listing(items=items):
                return Kind("array", item=self.infer(items[0], names) if items else None)
            case Object():
                return Kind("object")
            case Loop():
                return Kind("array")
        return ANY

    def declared(self, name: str) -> Kind:
        match self.file.declarations.get(name):
            case Parameter() as parameter:
                return self.kind_of(parameter)
            case Variable(value=value):
                return self.infer(value, {})
            case Deployable(is_module=False) as resource:
                type_name, _, version = resource.what.partition("@")
                try:
                    return Kind("resource", shape=models.resource(type_name, version))
                except models.UnknownType:
                    return ANY
        return ANY

    def typed(self, node: Node, kind: Kind, names: dict[str, Kind], what: str) -> Iterator[tuple[int, str]]:
        """Whether an expression can have a value of this kind."""
        if isinstance(node, Choice):
            yield from self.typed(node.condition, Kind("bool"), names, f"the condition of {what}")
            yield from self.typed(node.yes, kind, names, what)
            yield from self.typed(node.no, kind, names, what)
            return
        if isinstance(node, Operation) and node.operator == "??":
            for operand in node.operands:
                yield from self.typed(operand, kind, names, what)
            return
        if kind.name == "array" and isinstance(node, Listing):
            for item in node.items:
                yield from self.typed(item, kind.item or ANY, names, what)
            return
        if kind.name == "array" and isinstance(node, Loop):
            inner = {**names, **self.loop_names(node, names)}
            yield from self.typed(node.body, kind.item or ANY, inner, what)
            return
        if kind.name == "map" and isinstance(node, Object):
            for item in node.properties:
                yield from self.typed(item.value, kind.item or ANY, names, f"{what}.{item.name}")
            return
        if kind.shape is not None and isinstance(node, Object):
            yield from self.fits(node, kind.shape, names, what)
            return
        if isinstance(node, Literal):
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

    def literal(self, node: Literal, kind: Kind, what: str) -> Iterator[tuple[int, str]]:
        if node.value is None or kind.name == "any":
            return
        found = {str: "string", bool: "bool", int: "int"}[type(node.value)]
        if found != kind.name and (found, kind.name) != ("int", "number"):
            yield node.line, f"{what} is of type {kind.name}, and not {node.value!r}"
        elif kind.choices and node.value not in kind.choices:
            yield node.line, f"{what} cannot be {node.value!r}, but {', '.join(sorted(kind.choices))}"

    def fits(self, node: Object, shape: Shape, names: dict[str, Kind], what: str) -> Iterator[tuple[int, str]]:
        """Whether an object is what the model says, property by property."""
        if shape.discriminator and isinstance(value := node.get(shape.discriminator), Literal):
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

    def property(self, item: Property, shape: Shape, names: dict[str, Kind], what: str) -> Iterator[tuple[int, str]]:
        if item.name is None:
            return
        field = shape.fields.get(item.name)
        if field is None:
            yield item.line, f"{what}: {shape.name} has no {item.name}"
        elif field.readonly:
            yield item.line, f"{what}.{item.name} can only be read"
        else:
            yield from self.typed(item.value, field.kind, names, f"{what}.{item.name}")


_RESULTS = {
    "split": "array", "concat": "array", "guid": "string", "uniqueString": "string", "toLower": "string",
    "replace": "string", "string": "string", "int": "int", "bool": "bool", "empty": "bool", "resourceId": "string",
    "subscriptionResourceId": "string", "loadTextContent": "string", "cidrSubnet": "string", "union": "object",
    "readEnvironmentVariable": "string",
}  # fmt: skip


def allowed_values(parameter: Parameter) -> list[str | int | bool | None]:
    call = parameter.decorator("allowed")
    items = call.arguments[0] if call else None
    return [item.value for item in items.items if isinstance(item, Literal)] if isinstance(items, Listing) else []


def limits(parameter: Parameter) -> tuple[int | None, int | None]:
    """Lowest and highest, of the value or of the length."""
    found: list[int | None] = []
    for names in (("minValue", "minLength"), ("maxValue", "maxLength")):
        calls = [call for call in parameter.decorators if call.name in names]
        value = calls[0].arguments[0] if calls else None
        found.append(value.value if isinstance(value, Literal) and isinstance(value.value, int) else None)
    return found[0], found[1]


def unfit(parameter: Parameter, value: object) -> Iterator[str]:
    """Why a value is not one that the parameter's decorators let pass."""
    allowed = allowed_values(parameter)
    if allowed and value not in allowed:
        yield f"{parameter.name} cannot be {value!r}"
    low, high = limits(parameter)
    size = value if isinstance(value, int) else len(value) if isinstance(value, str | list) else None
    if size is not None and ((low is not None and size < low) or (high is not None and size > high)):
        yield f"{parameter.name} cannot be {value!r}: between {low} and {high}"
