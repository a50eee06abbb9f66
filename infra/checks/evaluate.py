"""What a deployment would send to Azure, worked out without Azure: conditions, loops, modules, names, ids and roles.

Raises Impossible for what Azure would refuse.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.checks import syntax
from infra.checks.deployment import Deployed, Deployment, Impossible, Later, Scope, Surroundings, plain
from infra.checks.functions import PURE, SUFFIXES
from infra.checks.parameters import unfit


def deploy(
    path: Path,
    parameters: Mapping[str, Any],
    load: Callable[[Path], syntax.File],
    surroundings: Surroundings | None = None,
    group: str | None = None,
) -> Deployment:
    """Raises Impossible."""
    around = surroundings or Surroundings()
    run = _Run(load(path), Scope(around.subscription, group), parameters, load, around)
    outputs = {name: run.value(output.value, {}) for name, output in run.file.outputs.items()}
    run.everything()
    return Deployment(run.deployed(), {name: plain(value) for name, value in outputs.items()})


class _Absent:
    """A module or resource whose condition is false."""


class _Run:
    """One file, deployed into one scope."""

    def __init__(
        self,
        file: syntax.File,
        scope: Scope,
        given: Mapping[str, Any],
        load: Callable[[Path], syntax.File],
        around: Surroundings,
        needs: set[str] | None = None,
    ) -> None:
        self.file, self.scope, self.load, self.around = file, scope, load, around
        self.outer_needs = needs or set()
        self.values: dict[str, Any] = {}
        self.busy: list[str] = []
        self.touched: set[str] = set()
        self.modules: list[_Run] = []
        for name in given:
            if not isinstance(file.declarations.get(name), syntax.Parameter):
                raise Impossible(f"{file.path.name} takes no {name}")
        for parameter in file.parameters:
            if parameter.name in given:
                value = given[parameter.name]
            elif parameter.default is not None:
                value = self.value(parameter.default, {})
            else:
                raise Impossible(f"{file.path.name} needs {parameter.name}")
            wanted = {"string": str, "int": int, "bool": bool, "object": dict, "array": list}[parameter.type]
            if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
                raise Impossible(f"{parameter.name} of {file.path.name} is of type {parameter.type}, not {value!r}")
            if not isinstance(value, Later):
                for problem in unfit(parameter, value):
                    raise Impossible(f"{file.path.name}: {problem}")
            self.values[parameter.name] = value

    def everything(self) -> None:
        for declaration in self.file.deployables:
            self.named(declaration.name)
        for module in self.modules:
            module.everything()

    def deployed(self) -> list[Deployed]:
        found: list[Deployed] = []
        for declaration in self.file.resources:
            value = self.values[declaration.name]
            found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Deployed)]
        for item in found:
            item.needs |= self.outer_needs
        return found + [item for module in self.modules for item in module.deployed()]

    # declarations

    def named(self, name: str) -> Any:
        if name not in self.values:
            declaration = self.file.declarations.get(name)
            if declaration is None:
                raise Impossible(f"{self.file.path.name}: {name} is declared nowhere")
            if name in self.busy:
                raise Impossible(f"{self.file.path.name}: {' needs '.join((*self.busy, name))}")
            self.busy.append(name)
            if isinstance(declaration, syntax.Variable):
                self.values[name] = self.value(declaration.value, {})
            elif isinstance(declaration, syntax.Deployable):
                self.values[name] = self.deployable(declaration)
            self.busy.pop()
        return self.values[name]

    def deployable(self, declaration: syntax.Deployable) -> Any:
        if declaration.condition is not None and not self.truth(declaration.condition, {}):
            return _Absent()
        make = self.module if declaration.is_module else self.resource
        if declaration.loop is None:
            return make(declaration, {})
        loop = declaration.loop
        return [make(declaration, names) for names in self.rounds(loop, {})]

    def rounds(self, loop: syntax.Loop, names: dict[str, Any]) -> list[dict[str, Any]]:
        source = self.value(loop.source, names)
        if not isinstance(source, list):
            raise Impossible(f"{self.file.path.name}:{loop.line}: only lists can be looped over")
        return [
            {**names, loop.item: item, **({loop.index: at} if loop.index else {})} for at, item in enumerate(source)
        ]

    def resource(self, declaration: syntax.Deployable, names: dict[str, Any]) -> Deployed:
        outer, self.touched = self.touched, set()
        type_name = declaration.what.partition("@")[0]
        meta = {key: declaration.body.get(key) for key in ("name", "parent", "scope", "dependsOn")}
        name = str(self.value(meta["name"] or syntax.Literal(0, 0, declaration.line, ""), names))
        parent = self.value(meta["parent"], names) if meta["parent"] is not None else None
        on = self.value(meta["scope"], names) if meta["scope"] is not None else None
        if isinstance(parent, Deployed):
            base, segment = parent.id, type_name.rpartition("/")[2]
        elif isinstance(on, Deployed):
            base, segment = f"{on.id}/providers/{type_name.rpartition('/')[0]}", type_name.rpartition("/")[2]
        elif parent is not None or on is not None:
            raise Impossible(f"{declaration.name} belongs to something that is not deployed")
        elif type_name == "Microsoft.Resources/resourceGroups":
            base, segment = self.scope.id, "resourceGroups"
        else:
            base, segment = f"{self.scope.id}/providers/{type_name.rpartition('/')[0]}", type_name.rpartition("/")[2]
        if not name:
            raise Impossible(f"{declaration.name} has no name")
        body = {
            self.key(item.key, names): self.value(item.value, names)
            for item in declaration.body.properties
            if item.name not in meta
        }
        if meta["dependsOn"] is not None:
            self.value(meta["dependsOn"], names)
        needs, self.touched = self.touched, outer
        attached = on if isinstance(on, Deployed) else None
        return Deployed(
            declaration.name,
            self.file.path,
            declaration.line,
            type_name,
            f"{base}/{segment}/{name}",
            name,
            plain(body),
            declaration.existing,
            attached,
            needs,
        )

    def module(self, declaration: syntax.Deployable, names: dict[str, Any]) -> "_Run":
        outer, self.touched = self.touched, set()
        target = declaration.body.get("scope")
        scope = self.value(target, names) if target is not None else self.scope
        if isinstance(scope, Deployed):
            scope = Scope(self.scope.subscription, scope.name)
        if not isinstance(scope, Scope):
            raise Impossible(f"{declaration.name} is deployed into no resource group")
        given = declaration.body.get("params")
        parameters = {
            str(item.name): plain(self.value(item.value, names))
            for item in (given.properties if isinstance(given, syntax.Object) else ())
        }
        depends = declaration.body.get("dependsOn")
        if depends is not None:
            self.value(depends, names)
        needs, self.touched = self.touched, outer
        path = (self.file.path.parent / declaration.what).resolve()
        run = _Run(self.load(path), scope, parameters, self.load, self.around, needs | self.outer_needs)
        self.modules.append(run)
        return run

    # expressions

    def truth(self, node: syntax.Node, names: dict[str, Any]) -> bool:
        value = self.value(node, names)
        if not isinstance(value, bool):
            raise Impossible(f"{self.file.path.name}:{node.line}: {value!r} is neither true nor false")
        return value

    def key(self, node: syntax.Node, names: dict[str, Any]) -> str:
        return str(self.value(node, names))

    def value(self, node: syntax.Node, names: dict[str, Any]) -> Any:
        match node:
            case syntax.Literal(value=value):
                return value
            case syntax.Text(parts=parts):
                return self.joined([self.value(part, names) for part in parts])
            case syntax.Name(name=name):
                value = names[name] if name in names else self.named(name)
                self.touch(value)
                return value
            case syntax.Listing(items=items):
                return [self.value(item, names) for item in items]
            case syntax.Object(properties=properties):
                return {self.key(item.key, names): self.value(item.value, names) for item in properties}
            case syntax.Loop(body=body):
                return [self.value(body, inner) for inner in self.rounds(node, names)]
            case syntax.Choice(condition=condition, yes=yes, no=no):
                return self.value(yes if self.truth(condition, names) else no, names)
            case syntax.Member(base=base, name=name, safe=safe):
                return self.member(self.value(base, names), name, safe, node)
            case syntax.Index(base=base, index=index):
                found, at = self.value(base, names), self.value(index, names)
                try:
                    return found[at]
                except (IndexError, KeyError, TypeError) as error:
                    raise Impossible(f"{self.file.path.name}:{node.line}: there is no [{at}]") from error
            case syntax.Call(name=name, arguments=arguments):
                return self.call(name, [self.value(item, names) for item in arguments], node)
            case syntax.Operation(operator=operator, operands=operands):
                return self.operation(operator, operands, names)
        raise Impossible(f"{node} cannot be worked out")

    def joined(self, parts: list[Any]) -> str:
        text = "".join(plain(part) if isinstance(part, str | Deployed) else PURE["string"](part) for part in parts)
        return Later(text) if any(isinstance(part, Later) for part in parts) else text

    def touch(self, value: Any) -> None:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Deployed) and not item.existing:
                self.touched.add(item.id)
            elif isinstance(item, Deployed):
                self.touched |= item.needs
            elif isinstance(item, _Run):
                self.touched |= {resource.id for resource in item.all_resources()}

    def all_resources(self) -> list[Deployed]:
        self.everything()
        return [item for item in self.deployed() if not item.existing]

    def member(self, base: Any, name: str, safe: bool, node: syntax.Node) -> Any:
        if isinstance(base, _Absent) or base is None:
            if safe or (base is None and _within_safe(node)):
                return None
            raise Impossible(f"{self.file.path.name}:{node.line}: .{name} of what is not deployed")
        if isinstance(base, _Run):
            return _Outputs(base)
        if isinstance(base, _Outputs):
            return base.run.value(base.run.file.outputs[name].value, {}) if name in base.run.file.outputs else None
        if isinstance(base, Deployed):
            return self.of_resource(base, name)
        if isinstance(base, Later):
            return Later(f"{base}.{name}")
        if isinstance(base, _Promise):
            return base.get(name)
        if isinstance(base, Mapping) and name in base:
            return base[name]
        raise Impossible(f"{self.file.path.name}:{node.line}: there is no .{name}")

    def of_resource(self, resource: Deployed, name: str) -> Any:
        if name in ("id", "name", "type"):
            return getattr(resource, name)
        facts = self.around.existing.get(resource.id, {}) if resource.existing else {}
        return _Promise(resource, facts).get(name)

    def call(self, name: str, arguments: list[Any], node: syntax.Node) -> Any:
        arguments = [plain(item) for item in arguments]
        match name:
            case "subscription":
                return {"id": self.scope.id.partition("/resourceGroups")[0], "subscriptionId": self.scope.subscription}
            case "resourceGroup":
                if not arguments:
                    return {"id": self.scope.id, "name": self.scope.group}
                return Scope(*arguments) if len(arguments) == 2 else Scope(self.scope.subscription, arguments[0])
            case "environment":
                return {"name": "AzureCloud", "suffixes": dict(SUFFIXES)}
            case "resourceId" | "subscriptionResourceId":
                base = self.scope.id if name == "resourceId" else f"/subscriptions/{self.scope.subscription}"
                namespace, *types = arguments[0].split("/")
                pairs = (f"{kind}/{item}" for kind, item in zip(types, arguments[1:], strict=True))
                return f"{base}/providers/{namespace}/{'/'.join(pairs)}"
            case "loadTextContent":
                path = self.file.path.parent / arguments[0]
                if not path.is_file():
                    raise Impossible(f"{self.file.path.name}:{node.line}: there is no {arguments[0]}")
                return path.read_text(encoding="utf-8")
        try:
            value = PURE[name](*arguments)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise Impossible(f"{self.file.path.name}:{node.line}: {name} fails: {error}") from error
        later = any(isinstance(item, Later) for item in arguments) and isinstance(value, str)
        return Later(value) if later else value

    def operation(self, operator: str, operands: tuple[syntax.Node, ...], names: dict[str, Any]) -> Any:
        match operator:
            case "!":
                return not self.truth(operands[0], names)
            case "&&":
                return self.truth(operands[0], names) and self.truth(operands[1], names)
            case "||":
                return self.truth(operands[0], names) or self.truth(operands[1], names)
            case "??":
                found = self.value(operands[0], names)
                return self.value(operands[1], names) if found is None else found
        left, right = (self.value(operand, names) for operand in operands)
        try:
            return _ARITHMETIC[operator](left, right)
        except TypeError as error:
            raise Impossible(f"{self.file.path.name}: {left!r} {operator} {right!r}") from error


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    "+": lambda left, right: left + right,
}


def _within_safe(node: syntax.Node) -> bool:
    """`a.?b.c`: what follows a safe access is safe as well."""
    while isinstance(node, syntax.Member):
        if node.safe:
            return True
        node = node.base
    return False


@dataclass(frozen=True, slots=True)
class _Outputs:
    run: _Run


@dataclass(frozen=True, slots=True)
class _Promise:
    """What a resource answers: as it was sent, as it is known to be there, or as it will be."""

    resource: Deployed
    facts: Mapping[str, Any]
    path: tuple[str, ...] = ()

    def get(self, name: str) -> Any:
        path = (*self.path, name)
        sent: Any = self.resource.body
        for part in path:
            sent = sent.get(part) if isinstance(sent, Mapping) else None
        if isinstance(sent, str | int | bool):
            return sent
        if ".".join(path) in self.facts:
            return self.facts[".".join(path)]
        if name in ("properties", "identity", "configuration", "ingress"):
            return _Promise(self.resource, self.facts, path)
        return Later(f"{self.resource.id}.{'.'.join(path)}")
