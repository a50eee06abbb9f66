"""Bicep files as values: what each declares. Of parameter files, which `pycep-parser`'s grammar does not know, `using`
is left out and each `param` is read as a variable.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from lark import Token, Tree

from devtools.bicep.syntax import Node, SyntaxFault, expression, literal, parse


@dataclass(frozen=True, slots=True)
class Declaration:
    """`type` is a parameter's or output's, a resource's with its API version, a module's path. `value` is what stands
    behind the equals sign."""

    kind: str
    name: str
    line: int
    type: str
    value: Node | None
    decorators: dict[str, Node | None]
    existing: bool = False
    arguments: tuple[str, ...] = ()


@dataclass(slots=True)
class Template:
    path: Path
    scope: str = "resourceGroup"
    declarations: dict[str, Declaration] = field(default_factory=dict)
    outputs: dict[str, Declaration] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    """The file of each name that is imported."""

    def of(self, kind: str) -> list[Declaration]:
        return [item for item in self.declarations.values() if item.kind == kind]


def read(path: Path, text: str | None = None) -> Template:
    """Raises SyntaxFault."""
    source = path.read_text(encoding="utf-8") if text is None else text
    if path.suffix == ".bicepparam":
        source = re.sub(r"^using .*$", "", source, flags=re.MULTILINE)
        source = re.sub(r"^param (\w+) =", r"var \1 =", source, flags=re.MULTILINE)
    template = Template(path)
    # Only types have it, which are not read further.
    source = re.sub(r"^(\s*)\*:", r"\1any:", source, flags=re.MULTILINE)
    for element in parse(path, source):
        _declare(template, element)
    return template


def using(path: Path) -> Path:
    """The template that a parameter file is for."""
    found = re.search(r"^using '([^']+)'", path.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SyntaxFault(f"{path.name} does not say which template it is for")
    return (path.parent / found[1]).resolve()


def _declare(template: Template, element: Tree[Token]) -> None:
    kind = str(element.data)
    children = list(element.children)
    decorators = dict(_decorators(children))
    words = [item for item in children if isinstance(item, Token)]
    trees = [item for item in children if isinstance(item, Tree) and item.data != "decorators"]
    line = words[0].line or 0
    if kind == "scope":
        template.scope = str(literal(words[2]))
    elif kind == "custom_import":
        aliases = [str(item.children[0]) for item in trees if item.data == "import_alias"]
        template.imports |= dict.fromkeys(aliases, str(literal(words[-1])))
    elif kind in ("param", "var", "output", "resource", "module"):
        equals = any(word == "=" for word in words)
        value = expression(trees[-1]) if equals else None
        type_ = "" if kind == "var" else _type(trees[0])
        existing = any(word.type == "EXISTING" for word in words)
        found = Declaration(kind, str(words[1]), line, type_, value, decorators, existing)
        (template.outputs if kind == "output" else template.declarations)[found.name] = found
    elif kind == "custom_func":
        names = [str(word) for word in words if word.type == "STRING"]
        found = Declaration("func", names[0], line, "", expression(trees[-1]), decorators, arguments=tuple(names[1:]))
        template.declarations[found.name] = found
    elif kind != "custom_type":
        raise SyntaxFault(f"{template.path.name}:{line}: {kind} is not known here")


def _decorators(children: list[Any]) -> Iterator[tuple[str, Node | None]]:
    for group in children:
        if isinstance(group, Tree) and group.data == "decorators":
            for decorator in filter(_is_tree, group.children):
                inner = [item for item in decorator.children if isinstance(item, Tree)]
                yield str(decorator.children[1]), expression(inner[0]) if inner else None


def _is_tree(item: object) -> TypeGuard[Tree[Token]]:
    return isinstance(item, Tree)


def _type(tree: Tree[Token]) -> str:
    text = "".join(str(token) for token in tree.scan_values(lambda item: isinstance(item, Token)))
    return text.strip("'")
