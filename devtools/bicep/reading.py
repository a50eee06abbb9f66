"""Bicep files as values, read by `pycep-parser`.

Its grammar is used, not its own result: that keeps neither parentheses nor the order of operators, and loses `.?`.
So the tree is taken with all its tokens, and expressions are put in order here. Of parameter files, which that grammar
does not know, `using` is left out and each `param` is read as a variable.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput
from pycep.main import LARK_GRAMMAR


class SyntaxFault(Exception):
    """Where a file is no Bicep, or more of it than is known here."""


@dataclass(frozen=True, slots=True)
class Node:
    """An expression. `what` is an operator, or one of literal, text, name, list, object, for, if, call, member, index,
    not, choose; `parts` are what it is made of."""

    what: str
    parts: tuple[Any, ...]
    line: int


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


_OPERATORS = {
    "operator", "index_accessor", "property_accessor", "and_op", "or_op", "not_op", "coalesce", "conditional",
    "greater_than_or_equals", "greater_than", "less_than_or_equals", "less_than", "equals", "not_equals", "add",
    "divide", "minus", "modulo", "multiply", "substract",
}  # fmt: skip
_STRENGTH = {
    "??": 1, "||": 2, "&&": 3, "==": 4, "!=": 4, "<": 5, ">": 5, "<=": 5, ">=": 5, "+": 6, "-": 6, "*": 7, "/": 7,
    "%": 7,
}  # fmt: skip


def read(path: Path, text: str | None = None) -> Template:
    """Raises SyntaxFault."""
    source = path.read_text(encoding="utf-8") if text is None else text
    if path.suffix == ".bicepparam":
        source = re.sub(r"^using .*$", "", source, flags=re.MULTILINE)
        source = re.sub(r"^param (\w+) =", r"var \1 =", source, flags=re.MULTILINE)
    template = Template(path)
    # Only types have it, which are not read further.
    source = re.sub(r"^(\s*)\*:", r"\1any:", source, flags=re.MULTILINE)
    for element in _parse(path, source):
        _declare(template, element)
    return template


def using(path: Path) -> Path:
    """The template that a parameter file is for."""
    found = re.search(r"^using '([^']+)'", path.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SyntaxFault(f"{path.name} does not say which template it is for")
    return (path.parent / found[1]).resolve()


@cache
def _grammar() -> Lark:
    return Lark(
        grammar=LARK_GRAMMAR,
        parser="lalr",
        propagate_positions=True,
        regex=True,
        keep_all_tokens=True,
        maybe_placeholders=False,
    )


def _parse(path: Path, source: str) -> list[Tree[Token]]:
    try:
        tree = _grammar().parse(source.rstrip() + "\n")
    except UnexpectedInput as error:
        raise SyntaxFault(f"{path.name}:{error.line}: {str(error).splitlines()[0]}") from error
    return [item for item in tree.children if isinstance(item, Tree)]


# Declarations


def _declare(template: Template, element: Tree[Token]) -> None:
    kind = str(element.data)
    children = list(element.children)
    decorators = dict(_decorators(children))
    words = [item for item in children if isinstance(item, Token)]
    trees = [item for item in children if isinstance(item, Tree) and item.data != "decorators"]
    line = words[0].line or 0
    if kind == "scope":
        template.scope = str(_literal(words[2]))
    elif kind == "custom_import":
        aliases = [str(item.children[0]) for item in trees if item.data == "import_alias"]
        template.imports |= dict.fromkeys(aliases, str(_literal(words[-1])))
    elif kind in ("param", "var", "output", "resource", "module"):
        equals = any(word == "=" for word in words)
        value = _expression(trees[-1]) if equals else None
        type_ = "" if kind == "var" else _type(trees[0])
        existing = any(word.type == "EXISTING" for word in words)
        found = Declaration(kind, str(words[1]), line, type_, value, decorators, existing)
        (template.outputs if kind == "output" else template.declarations)[found.name] = found
    elif kind == "custom_func":
        names = [str(word) for word in words if word.type == "STRING"]
        found = Declaration("func", names[0], line, "", _expression(trees[-1]), decorators, arguments=tuple(names[1:]))
        template.declarations[found.name] = found
    elif kind != "custom_type":
        raise SyntaxFault(f"{template.path.name}:{line}: {kind} is not known here")


def _decorators(children: list[Any]) -> Iterator[tuple[str, Node | None]]:
    for group in children:
        if isinstance(group, Tree) and group.data == "decorators":
            for decorator in filter(_is_tree, group.children):
                inner = [item for item in decorator.children if isinstance(item, Tree)]
                yield str(decorator.children[1]), _expression(inner[0]) if inner else None


def _is_tree(item: object) -> TypeGuard[Tree[Token]]:
    return isinstance(item, Tree)


def _type(tree: Tree[Token]) -> str:
    text = "".join(str(token) for token in tree.scan_values(lambda item: isinstance(item, Token)))
    return text.strip("'")


# Expressions


def _expression(tree: Tree[Token]) -> Node:
    items = _Items(list(_flat(tree)))
    node = items.choice()
    if items.peek() is not None:
        raise SyntaxFault(f"line {node.line}: {items.peek()} is not understood")
    return node


def _flat(tree: Tree[Token] | Token) -> Iterator[Tree[Token] | Token]:
    """The operands and operators of an expression, from left to right; what stands in parentheses is one operand."""
    if isinstance(tree, Token):
        if "NL" not in tree.type and "NEWLINE" not in tree.type:
            yield tree
    elif tree.data in _OPERATORS:
        for child in tree.children:
            yield from _flat(child)
    else:
        yield tree


class _Items:
    """Puts operands and operators in order, by their strength."""

    def __init__(self, items: list[Tree[Token] | Token]) -> None:
        self.items, self.at = items, 0

    def peek(self) -> str | None:
        item = self.items[self.at] if self.at < len(self.items) else None
        return str(item) if isinstance(item, Token) else None

    def next(self) -> Tree[Token] | Token:
        self.at += 1
        return self.items[self.at - 1]

    def takes(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self.at += 1
        return True

    def choice(self) -> Node:
        condition = self.binary(1)
        if not self.takes("?"):
            return condition
        yes = self.choice()
        if not self.takes(":"):
            raise SyntaxFault(f"line {condition.line}: a choice has no other side")
        return Node("choose", (condition, yes, self.choice()), condition.line)

    def binary(self, least: int) -> Node:
        left = self.unary()
        while (operator := self.peek()) is not None and _STRENGTH.get(operator, 0) >= least:
            self.next()
            left = Node(operator, (left, self.binary(_STRENGTH[operator] + 1)), left.line)
        return left

    def unary(self) -> Node:
        if self.takes("!"):
            inner = self.unary()
            return Node("not", (inner,), inner.line)
        if self.takes("-"):
            inner = self.unary()
            return Node("literal", (-inner.parts[0],), inner.line)
        item = self.next()
        if isinstance(item, Token):
            raise SyntaxFault(f"line {item.line}: {item} is not understood")
        return self.accessed(_operand(item))

    def accessed(self, node: Node) -> Node:
        while True:
            if self.takes("."):
                safe = self.takes("?")
                name = self.next()
                node = Node("member", (node, str(_only(name)), safe), node.line)
            elif self.takes("["):
                node = Node("index", (node, self.choice()), node.line)
                if not self.takes("]"):
                    raise SyntaxFault(f"line {node.line}: an index has no end")
            else:
                return node


def _only(tree: Tree[Token] | Token) -> Token:
    tokens = [item for item in tree.children if isinstance(item, Token)] if isinstance(tree, Tree) else [tree]
    return tokens[-1]


def _operand(tree: Tree[Token]) -> Node:
    kind, line = str(tree.data), tree.meta.line
    inner = [item for item in tree.children if isinstance(item, Tree)]
    match kind:
        case "value_brackets":
            return _expression(inner[0])
        case "null" | "true" | "false":
            return Node("literal", ({"null": None, "true": True, "false": False}[kind],), line)
        case "int_type":
            return Node("literal", (int(_only(tree)),), line)
        case "string":
            token = _only(tree)
            return Node("name", (str(token),), line) if token.type == "STRING" else _text(token)
        case "array":
            return Node("list", tuple(_expression(item) for item in inner), line)
        case "object":
            return Node("object", tuple(_pair(item) for item in inner), line)
        case "function":
            return Node("call", (str(tree.children[0])[:-1], *(_expression(item) for item in inner)), line)
        case "loop":
            names = [str(item) for item in inner[0].children if isinstance(item, Token) and item.type == "STRING"]
            source = next(item for item in inner[0].children if isinstance(item, Tree))
            return Node("for", (names, _expression(source), _expression(inner[-1])), line)
        case "deploy_condition":
            return Node("if", (_expression(inner[0]), _expression(inner[1])), line)
    raise SyntaxFault(f"line {line}: {kind} is not known here")


def _pair(tree: Tree[Token]) -> tuple[Node, Node]:
    if tree.data != "pair":
        raise SyntaxFault(f"line {tree.meta.line}: {tree.data} is not known here")
    key, value = (item for item in tree.children if isinstance(item, Tree))
    token = _only(key)
    name = _text(token) if token.startswith("'") else Node("literal", (str(token),), tree.meta.line)
    return name, _expression(value)


_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\'": "'", "\\$": "$", "\\\\": "\\"}


def _text(token: Token) -> Node:
    line = token.line or 0
    parts: list[Node] = []
    plain, rest = "", str(token)[1:-1]
    while rest:
        if rest.startswith("${"):
            end = _end(rest)
            parts.append(Node("literal", (plain,), line))
            parts.append(_inner(rest[2:end], line))
            plain, rest = "", rest[end + 1 :]
        elif rest[:2] in _ESCAPES:
            plain, rest = plain + _ESCAPES[rest[:2]], rest[2:]
        else:
            plain, rest = plain + rest[0], rest[1:]
    if not parts:
        return Node("literal", (plain,), line)
    return Node("text", (*parts, Node("literal", (plain,), line)), line)


def _literal(token: Token) -> Any:
    return _text(token).parts[0]


def _end(text: str) -> int:
    """Of `${…}` at the beginning: the place of its brace."""
    depth, quoted = 0, False
    for at, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += {"{": 1, "}": -1}.get(character, 0)
            if depth == 0 and character == "}":
                return at
    raise SyntaxFault(f"{text} has no end")


def _inner(text: str, line: int) -> Node:
    element = _parse(Path(f"line {line}"), f"var inner = {text}")[0]
    return _expression([item for item in element.children if isinstance(item, Tree)][-1])
