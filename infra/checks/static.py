"""What can be said of one file without deploying it: names, parameters, resource types, properties, values, roles."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.checks import models, syntax
from infra.checks.functions import ARGUMENTS
from infra.checks.kinds import Kinds
from infra.checks.models import Kind
from infra.checks.parameters import kind_of, limits, unfit
from infra.checks.roles import ROLES

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


def check(file: syntax.File, load: Callable[[Path], syntax.File]) -> Iterator[Finding]:
    """`load` reads the files of modules."""
    return _Checker(file, load).findings()


class _Checker:
    def __init__(self, file: syntax.File, load: Callable[[Path], syntax.File]) -> None:
        self.file = file
        self.load = load
        self.kinds = Kinds(file, load)
        self.used: set[str] = set()

    def findings(self) -> Iterator[Finding]:
        for line, message in self.problems():
            yield Finding(self.file.path, line, message)

    def problems(self) -> Iterator[tuple[int, str]]:
        for declaration in self.file.declarations.values():
            match declaration:
                case syntax.Parameter():
                    yield from self.parameter(declaration)
                case syntax.Variable():
                    yield from self.expression(declaration.value, {})
                    yield from self.role_ids(declaration)
                case syntax.Deployable(is_module=True):
                    yield from self.module(declaration)
                case syntax.Deployable():
                    yield from self.resource(declaration)
        for output in self.file.outputs.values():
            yield from self.expression(output.value, {})
            yield from self.kinds.typed(output.value, Kind(output.type), {}, f"output {output.name}")
        for name, declaration in self.file.declarations.items():
            if name not in self.used and not (isinstance(declaration, syntax.Deployable) and not declaration.existing):
                yield declaration.line, f"{name} is not used"

    # declarations

    def parameter(self, parameter: syntax.Parameter) -> Iterator[tuple[int, str]]:
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
            yield from self.kinds.typed(parameter.default, kind_of(parameter), {}, parameter.name)
            if isinstance(parameter.default, syntax.Literal) and not parameter.decorator("secure"):
                yield from ((parameter.line, text) for text in unfit(parameter, parameter.default.value))

    def role_ids(self, variable: syntax.Variable) -> Iterator[tuple[int, str]]:
        value = variable.value
        if isinstance(value, syntax.Literal) and isinstance(value.value, str) and _GUID.fullmatch(value.value):
            role = ROLES.get(variable.name)
            if role is None:
                yield variable.line, f"{variable.name} is no role that is known here"
            elif role.id != value.value:
                yield variable.line, f"{role.name} is {role.id}"

    def module(self, module: syntax.Deployable) -> Iterator[tuple[int, str]]:
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
        properties = given.properties if isinstance(given, syntax.Object) else ()
        parameters = {parameter.name: parameter for parameter in target.parameters}
        for item in properties:
            parameter = parameters.get(item.name or "")
            if parameter is None:
                yield item.line, f"{module.what} takes no {item.name}"
                continue
            yield from self.kinds.typed(item.value, kind_of(parameter), names, f"{module.name}.{item.name}")
            if isinstance(item.value, syntax.Literal):
                yield from ((item.line, text) for text in unfit(parameter, item.value.value))
        for name, parameter in parameters.items():
            if parameter.default is None and not any(item.name == name for item in properties):
                yield module.line, f"{module.what} needs {name}"
        if self.file.scope == "subscription" and module.body.get("scope") is None:
            yield module.line, f"{module.name} needs a scope: {module.what} deploys into a resource group"
        if target.scope != "resourceGroup":
            yield module.line, f"{module.what} deploys into a {target.scope}"

    def resource(self, resource: syntax.Deployable) -> Iterator[tuple[int, str]]:
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
        body = syntax.Object(
            resource.body.start,
            resource.body.end,
            resource.body.line,
            tuple(item for item in resource.body.properties if item.name not in meta),
        )
        yield from self.kinds.fits(body, shape, names, resource.name)

    def common(self, deployable: syntax.Deployable) -> tuple[dict[str, Kind], list[tuple[int, str]]]:
        """The names that the loop adds, and what is wrong with any expression."""
        names: dict[str, Kind] = {}
        problems: list[tuple[int, str]] = []
        if deployable.condition is not None:
            problems += self.expression(deployable.condition, {})
            problems += self.kinds.typed(deployable.condition, Kind("bool"), {}, f"the condition of {deployable.name}")
        if deployable.loop is not None:
            problems += self.expression(deployable.loop.source, {})
            names = self.kinds.loop_names(deployable.loop, {})
        problems += self.expression(deployable.body, names)
        return names, problems

    def depends(self, deployable: syntax.Deployable) -> Iterator[tuple[int, str]]:
        value = deployable.body.get("dependsOn")
        if value is None:
            return
        for item in value.items if isinstance(value, syntax.Listing) else ():
            target = self.file.declarations.get(item.name) if isinstance(item, syntax.Name) else None
            if not isinstance(target, syntax.Deployable) or target.existing or target is deployable:
                yield value.line, f"{deployable.name} can depend on resources and modules only"

    def parent(self, resource: syntax.Deployable, type_name: str) -> Iterator[tuple[int, str]]:
        parent, scope = resource.body.get("parent"), resource.body.get("scope")
        is_child = type_name.count("/") > 1
        if is_child != (parent is not None):
            yield resource.line, f"{type_name} {'needs a parent' if is_child else 'has no parent'}"
        elif parent is not None:
            found = self.kinds.deployable(parent)
            if found is None or found.what.partition("@")[0] != type_name.rpartition("/")[0]:
                yield parent.line, f"the parent of a {type_name} is a {type_name.rpartition('/')[0]}"
        if type_name in _EXTENSIONS and (scope is None or self.kinds.deployable(scope) is None):
            yield resource.line, f"{resource.name} needs a resource as its scope"
        if scope is not None and type_name not in _EXTENSIONS:
            yield scope.line, f"a {type_name} is no extension, and has no scope of its own here"

    # expressions

    def expression(self, node: syntax.Node, names: dict[str, Kind]) -> list[tuple[int, str]]:
        problems: list[tuple[int, str]] = []
        match node:
            case syntax.Name(name=name):
                if name not in names and name not in self.file.declarations:
                    problems.append((node.line, f"{name} is declared nowhere"))
                self.used.add(name)
            case syntax.Call(name=name, arguments=arguments):
                low, high = ARGUMENTS.get(name, (-1, -1))
                if low < 0:
                    problems.append((node.line, f"there is no function {name}"))
                elif not low <= len(arguments) <= high:
                    problems.append((node.line, f"{name} does not take {len(arguments)} arguments"))
            case syntax.Loop():
                problems += self.expression(node.source, names)
                problems += self.expression(node.body, {**names, **self.kinds.loop_names(node, names)})
                return problems
            case syntax.Literal(value=str(text)) if _GUID.fullmatch(text) and not self.is_role_variable(node):
                problems.append((node.line, "an id belongs into a variable that is named after its role"))
            case syntax.Member():
                problems += self.member(node, names)
        for child in syntax.children(node):
            problems += self.expression(child, names)
        return problems

    def is_role_variable(self, node: syntax.Node) -> bool:
        return any(isinstance(item, syntax.Variable) and item.value is node for item in self.file.declarations.values())

    def member(self, node: syntax.Member, names: dict[str, Kind]) -> list[tuple[int, str]]:
        base = node.base
        if isinstance(base, syntax.Call) and base.name in _BUILT_IN and node.name not in _BUILT_IN[base.name]:
            return [(node.line, f"{base.name}() has no {node.name}")]
        if isinstance(base, syntax.Member) and base.name == "suffixes" and node.name not in _SUFFIXES:
            return [(node.line, f"there is no suffix {node.name}")]
        found = self.kinds.deployable(base)
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
        if isinstance(base, syntax.Member) and base.name == "outputs" and (found := self.kinds.deployable(base.base)):
            path = self.file.path.parent / found.what
            if path.is_file() and node.name not in self.load(path).outputs:
                return [(node.line, f"{found.what} puts out no {node.name}")]
            return []
        kind = self.kinds.infer(base, names)
        if kind.shape is not None and node.name not in kind.shape.fields and node.name not in ("id", "name", "type"):
            return [(node.line, f"{kind.shape.name} has no {node.name}")]
        if kind.name in ("string", "int", "bool", "array"):
            return [(node.line, f"a value of type {kind.name} has no {node.name}")]
        if isinstance(base, syntax.Name) and isinstance(
            declared := self.file.declarations.get(base.name), syntax.Variable
        ):
            value = declared.value
            if isinstance(value, syntax.Object) and value.get(node.name) is None:
                return [(node.line, f"{base.name} has no {node.name}")]
        return []
