"""What a deployment would send to Azure, worked out without Azure: conditions, loops, modules, names, ids and roles.

Raises Impossible for what Azure, or the compiler, would refuse.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devtools.bicep.deployment import Deployment, Impossible, Resource, Scope, Target
from devtools.bicep.expressions import Absent, Expressions, Load, Module, plain
from devtools.bicep.parameters import checked
from devtools.bicep.reading import Declaration, Template, read
from devtools.bicep.runtime import Runtime, call, extension_id, full_name, resource_id
from devtools.bicep.syntax import Node


def deploy(path: Path, given: Mapping[str, Any], target: Target | None = None, load: Load = read) -> Deployment:
    """Raises Impossible, and SyntaxFault."""
    aim = target or Target()
    run = _Run(load(path), aim.scope, given, load, aim)
    outputs = {name: run.output(name) for name in run.file.outputs}
    run.everything()
    return Deployment(run.deployed(), {name: plain(value) for name, value in outputs.items()})


def parameters(path: Path, environment: Mapping[str, str] | None = None, load: Load = read) -> dict[str, Any]:
    """What a parameter file gives. Raises Impossible, and SyntaxFault."""
    run = _Run(load(path), Scope(""), {}, load, Target(environment=environment or {}))
    return {item.name: plain(run.named(item.name)) for item in run.file.of("var")}


@dataclass(eq=False)
class _Run(Module):
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
    through: dict[str, set[str]] = field(default_factory=dict)
    """What is touched by whatever uses a variable, by the variable's name."""
    modules: "list[_Run]" = field(default_factory=list)

    expressions: Expressions = field(init=False)

    def __post_init__(self) -> None:
        self.expressions = Expressions(
            self.file, self.scope, self.target.environment, self.load, self.named, self.touch
        )
        known = {item.name for item in self.file.of("param")}
        for name in self.given:
            if name not in known:
                raise Impossible(f"{self.file.path.name} takes no {name}")
        for parameter in self.file.of("param"):
            if parameter.name in self.given:
                value = self.given[parameter.name]
            elif parameter.value is not None:
                value = self.expressions.value(parameter.value, {})
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

    def output(self, name: str) -> Any:
        output = self.file.outputs.get(name)
        if output is None or output.value is None:
            raise Impossible(f"{self.file.path.name} puts out no {name}")
        return self.expressions.value(output.value, {})

    def touch(self, value: Any) -> None:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Resource):
                self.touched |= item.needs if item.existing else {item.key}
            elif isinstance(item, _Run):
                item.everything()
                self.touched |= {resource.key for resource in item.deployed()}

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
                outer, self.touched = self.touched, set()
                self.values[name] = self.expressions.value(declaration.value, {})
                self.through[name], self.touched = self.touched, outer
            else:
                self.values[name] = self.deployable(declaration, declaration.value)
            self.busy.pop()
        self.touched |= self.through.get(name, set())
        return self.values[name]

    def deployable(self, declaration: Declaration, node: Node) -> Any:
        if node.what == "for":
            return [self.one(declaration, node.parts[2], None, names) for names in self.expressions.rounds(node, {})]
        condition: Any = None
        if node.what == "if":
            condition = self.expressions.truth(node.parts[0], {})
            if condition is False:
                return Absent()
            node = node.parts[1]
        return self.one(declaration, node, condition, {})

    def one(self, declaration: Declaration, node: Node, condition: Any, names: dict[str, Any]) -> "Resource | _Run":
        outer, self.touched = self.touched, set()
        body = {str(self.expressions.value(key, names)): value for key, value in node.parts}
        if "dependsOn" in body:
            self.expressions.value(body.pop("dependsOn"), names)
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

    def resource(
        self, declaration: Declaration, body: dict[str, Node], condition: Any, names: dict[str, Any]
    ) -> Resource:
        type_name, _, version = declaration.type.partition("@")
        meta = {key: self.expressions.value(body.pop(key), names) for key in ("name", "parent", "scope") if key in body}
        name = meta.get("name")
        if not name:
            raise self.expressions.fails(declaration, f"{declaration.name} has no name")
        parent, on = meta.get("parent"), meta.get("scope")
        full, place = name, self.scope
        if isinstance(parent, Resource):
            full, place = full_name(parent.full_name, name), parent.scope
        elif isinstance(on, Scope):
            place = on
        elif ("parent" in meta or "scope" in meta) and not isinstance(on, Resource):
            raise self.expressions.fails(declaration, f"{declaration.name} belongs to something that is not deployed")
        if isinstance(on, Resource):
            identity = extension_id(on.id, type_name, name)
        elif type_name == "Microsoft.Resources/resourceGroups":
            identity = f"{self.scope.id}/resourceGroups/{name}"
        else:
            identity = resource_id(place.id, type_name, full)
        values = {key: plain(self.expressions.value(item, names)) for key, item in body.items()}
        applies: bool | Runtime | None = condition if isinstance(condition, Runtime) else None
        if isinstance(self.condition, Runtime) or (applies is not None and self.condition is not None):
            applies = call("and", self.condition, applies) if applies is not None else self.condition
        return Resource(
            declaration.name, self.file.path, declaration.line, type_name, version, identity, name, full, place, values,
            declaration.existing, True if applies is None else applies,
        )  # fmt: skip

    def module(self, declaration: Declaration, body: dict[str, Node], condition: Any, names: dict[str, Any]) -> "_Run":
        scope = self.expressions.value(body["scope"], names) if "scope" in body else self.scope
        if isinstance(scope, Resource):
            scope = Scope(self.scope.subscription, str(scope.name))
        if not isinstance(scope, Scope):
            raise self.expressions.fails(declaration, f"{declaration.name} is deployed into no resource group")
        given = self.expressions.value(body["params"], names) if "params" in body else {}
        path = (self.file.path.parent / declaration.type).resolve()
        return _Run(self.load(path), scope, plain(given), self.load, self.target, condition=condition)
