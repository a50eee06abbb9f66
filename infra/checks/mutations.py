"""Seeded mistakes: each property, value, reference, role, condition and resource of the templates, changed once.

Left out is what has no effect on what stands in Azure: the names of nested deployments, which only label the history,
descriptions of parameters, and the words of what people read (that there are any is held all the same).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from infra.checks import syntax, templates
from infra.checks.deployment import Impossible
from infra.checks.parser import read
from infra.checks.requirements import check as requirements
from infra.checks.roles import ROLES
from infra.checks.scenarios import SCENARIOS, Loader, run, subscribe
from infra.checks.static import check
from infra.checks.tokens import SyntaxFault

PROSE = ("description", "displayName", "what")


@dataclass(frozen=True, slots=True)
class Mutation:
    path: Path
    line: int
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}: {self.what}"


def mutations() -> Iterator[Mutation]:
    for path in templates():
        yield from of_file(read(path))


def of_file(file: syntax.File) -> Iterator[Mutation]:
    for declaration in file.declarations.values():
        match declaration:
            case syntax.Deployable(body=body):
                yield from _changes(file, body, declaration)
                if declaration.condition is not None:
                    negated = f"!({_source(file, declaration.condition)})"
                    yield _put(file, declaration.condition, negated, f"{declaration.name}: the condition negated")
                if not declaration.existing:
                    yield Mutation(
                        file.path, declaration.line, f"{declaration.name} left out", _without(file, declaration)
                    )
            case syntax.Variable(value=value):
                yield from _changes(file, value, None)
            case syntax.Parameter(default=default) if default is not None:
                yield from _changes(file, default, None)
    for output in file.outputs.values():
        yield from _changes(file, output.value, None)


def _changes(file: syntax.File, body: syntax.Node, deployable: syntax.Deployable | None) -> Iterator[Mutation]:
    labels = {id(value) for value in _labels(body, deployable)}
    for node in syntax.walk(body):
        if isinstance(node, syntax.Property) and not (deployable and deployable.is_module and node.name == "name"):
            if isinstance(node.key, syntax.Literal):
                quoted = file.text[node.key.start] == "'"
                name = f"'{node.name}x'" if quoted else f"{node.name}x"
                yield _put(file, node.key, name, f"{node.name} misspelt")
            if not (isinstance(body, syntax.Object) and node in body.properties and node.name in ("name", "parent")):
                yield Mutation(file.path, node.line, f"{node.name} left out", _cut(file, node))
        elif isinstance(node, syntax.Literal) and id(node) not in labels and not _is_key(body, node):
            yield from _of_literal(file, node)
        elif isinstance(node, syntax.Name) and id(node) not in labels:
            yield from _of_name(file, node)
        elif isinstance(node, syntax.Choice):
            swapped = f"!({_source(file, node.condition)})"
            yield _put(file, node.condition, swapped, f"the choice {_source(file, node.condition)} negated")


def _labels(body: syntax.Node, deployable: syntax.Deployable | None) -> Iterator[syntax.Node]:
    if deployable is not None and deployable.is_module:
        name = deployable.body.get("name")
        yield from syntax.walk(name) if name is not None else ()
    for node in syntax.walk(body):
        if isinstance(node, syntax.Property) and node.name in PROSE:
            yield node.value


def _is_key(body: syntax.Node, literal: syntax.Literal) -> bool:
    return any(isinstance(node, syntax.Property) and node.key is literal for node in syntax.walk(body))


def _of_literal(file: syntax.File, node: syntax.Literal) -> Iterator[Mutation]:
    source = _source(file, node)
    if isinstance(node.value, bool):
        yield _put(file, node, "false" if node.value else "true", f"{source} turned round")
    elif isinstance(node.value, int):
        yield _put(file, node, str(node.value + 1), f"{node.value} became {node.value + 1}")
    elif isinstance(node.value, str) and node.value:
        quoted = source.startswith("'")
        role = next((role for role in ROLES.values() if role.id == node.value), None)
        if role is not None:
            other = next(item for item in ROLES.values() if item is not role)
            yield _put(file, node, f"'{other.id}'", f"{role.name} became {other.name}")
        yield _put(file, node, source[:-1] + "x'" if quoted else source + "x", f"{source} misspelt")


def _of_name(file: syntax.File, node: syntax.Name) -> Iterator[Mutation]:
    """Something else of the same kind in its place: another parameter of that type, another resource of that type."""
    declared = file.declarations.get(node.name)
    for other in file.declarations.values():
        if other is declared or type(other) is not type(declared):
            continue
        same = (
            other.type == declared.type
            if isinstance(other, syntax.Parameter) and isinstance(declared, syntax.Parameter)
            else isinstance(other, syntax.Deployable)
            and isinstance(declared, syntax.Deployable)
            and other.what == declared.what
        )
        if same:
            yield _put(file, node, other.name, f"{node.name} became {other.name}")
            return


def _source(file: syntax.File, node: syntax.Node) -> str:
    return file.text[node.start : node.end]


def _put(file: syntax.File, node: syntax.Node, text: str, what: str) -> Mutation:
    return Mutation(file.path, node.line, what, file.text[: node.start] + text + file.text[node.end :])


def _cut(file: syntax.File, node: syntax.Property) -> str:
    before, after = file.text[: node.start], file.text[node.end :]
    if match := re.match(r"[ \t]*,[ \t]*", after):
        after = after[match.end() :]
    elif match := re.search(r",[ \t]*$", before):
        before = before[: match.start()]
    return before + after


def _without(file: syntax.File, deployable: syntax.Deployable) -> str:
    return file.text[: deployable.start] + file.text[deployable.end :]


def problems(changed: Mutation | None = None) -> list[str]:
    """What the checks say of the templates, as they are or with one file changed. Stops at the first that objects."""
    load = Loader({changed.path: changed.text} if changed else None)
    paths = [changed.path, *_callers(changed.path)] if changed else templates()
    try:
        findings = (str(finding) for path in paths for finding in check(load(path), load))
        found = list(islice(findings, 1 if changed else None))
    except SyntaxFault as error:
        return [str(error)]
    for scenario in SCENARIOS if not found else ():
        try:
            deployment = run(scenario, load)
            found += requirements(scenario, deployment, subscribe(deployment, load))
        except Impossible as error:
            found.append(f"{scenario.name}: {error}")
        except (KeyError, TypeError, IndexError, AttributeError, StopIteration) as error:
            if changed is None:
                raise
            # A requirement that looks for something in what is no longer there.
            found.append(f"{scenario.name}: {error!r}")
        if found:
            break
    return found


@cache
def _callers(path: Path) -> list[Path]:
    return [item for item in templates() if item != path and path.name in item.read_text(encoding="utf-8")]
