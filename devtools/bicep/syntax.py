"""The trees of `pycep-parser`, and the expressions in them with their operators in order.

Its grammar is used, not its own result: that keeps neither parentheses nor the order of operators, and loses `.?`.
So the tree is taken with all its tokens, and expressions are put in order here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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


_OPERATORS = {
    "operator", "index_accessor", "property_accessor", "and_op", "or_op", "not_op", "coalesce", "conditional",
    "greater_than_or_equals", "greater_than", "less_than_or_equals", "less_than", "equals", "not_equals", "add",
    "divide", "minus", "modulo", "multiply", "substract",
}  # fmt: skip
_STRENGTH = {
    "??": 1, "||": 2, "&&": 3, "==": 4, "!=": 4, "<": 5, ">": 5, "<=": 5, ">=": 5, "+": 6, "-": 6, "*": 7, "/": 7,
    "%": 7,
}  # fmt: skip


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


def parse(path: Path, source: str) -> list[Tree[Token]]:
    try:
        tree = _grammar().parse(source.rstrip() + "\n")
    except UnexpectedInput as error:
        raise SyntaxFault(f"{path.name}:{error.line}: {str(error).splitlines()[0]}") from error
    return [item for item in tree.children if isinstance(item, Tree)]


def expression(tree: Tree[Token]) -> Node:
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
            return expression(inner[0])
        case "null" | "true" | "false":
            return Node("literal", ({"null": None, "true": True, "false": False}[kind],), line)
        case "int_type":
            return Node("literal", (int(_only(tree)),), line)
        case "string":
            token = _only(tree)
            return Node("name", (str(token),), line) if token.type == "STRING" else _text(token)
        case "array":
            return Node("list", tuple(expression(item) for item in inner), line)
        case "object":
            return Node("object", tuple(_pair(item) for item in inner), line)
        case "function":
            return Node("call", (str(tree.children[0])[:-1], *(expression(item) for item in inner)), line)
        case "loop":
            names = [str(item) for item in inner[0].children if isinstance(item, Token) and item.type == "STRING"]
            source = next(item for item in inner[0].children if isinstance(item, Tree))
            return Node("for", (names, expression(source), expression(inner[-1])), line)
        case "deploy_condition":
            return Node("if", (expression(inner[0]), expression(inner[1])), line)
    raise SyntaxFault(f"line {line}: {kind} is not known here")


def _pair(tree: Tree[Token]) -> tuple[Node, Node]:
    if tree.data != "pair":
        raise SyntaxFault(f"line {tree.meta.line}: {tree.data} is not known here")
    key, value = (item for item in tree.children if isinstance(item, Tree))
    token = _only(key)
    name = _text(token) if token.startswith("'") else Node("literal", (str(token),), tree.meta.line)
    return name, expression(value)


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


def literal(token: Token) -> Any:
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
    element = parse(Path(f"line {line}"), f"var inner = {text}")[0]
    return expression([item for item in element.children if isinstance(item, Tree)][-1])
