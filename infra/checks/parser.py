"""A recursive-descent parser for the part of Bicep that this folder uses.

Two parsers from PyPI were tried first, and still have to accept every file (see the tests), but neither gives a tree to
calculate with: pycep has no operator precedence and does not tell `'a'` from `a`; tree-sitter-bicep binds `[2]` in
`a ? b : c[2]` to the whole choice, and splits a call inside an array.
"""

from pathlib import Path
from typing import Any

from infra.checks import syntax
from infra.checks.tokens import SyntaxFault, Token, tokenize


def read(path: Path, text: str | None = None) -> syntax.File:
    """Raises SyntaxFault. `text` stands in for what the file holds."""
    return _Parser(path, path.read_text(encoding="utf-8") if text is None else text).file()


# Weakest first. `??` binds weakest of the binary ones.
_BINARY = (("??",), ("||",), ("&&",), ("==", "!=", "=~", "!~"), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))


class _Parser:
    def __init__(self, path: Path, text: str, tokens: list[Token] | None = None, offset: int = 0) -> None:
        self.path = path
        self.text = text
        self.offset = offset
        self.tokens = tokenize(text) if tokens is None else tokens
        self.at = 0

    # tokens

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self, kind: str | None = None, text: str | None = None) -> Token:
        token = self.next
        if (kind and token.kind != kind) or (text and token.text != text):
            raise SyntaxFault(f"{token.text!r} stands where {text or kind} belongs", token.line)
        self.at += 1
        return token

    def accept(self, kind: str, text: str | None = None) -> Token | None:
        if self.next.kind == kind and (text is None or self.next.text == text):
            return self.take()
        return None

    def newlines(self) -> None:
        while self.accept("newline"):
            pass

    # statements

    def file(self) -> syntax.File:
        file = syntax.File(self.path, self.text)
        self.newlines()
        while self.next.kind != "end":
            self.statement(file)
            if self.next.kind != "end":
                self.take("newline")
            self.newlines()
        return file

    def statement(self, file: syntax.File) -> None:
        decorators: list[syntax.Call] = []
        while self.accept("@"):
            call = self.postfix()
            if not isinstance(call, syntax.Call):
                raise SyntaxFault("a decorator is a call", self.next.line)
            decorators.append(call)
            self.newlines()
        word = self.take("name")
        if word.text in ("targetScope", "using"):
            if word.text == "targetScope":
                self.take("=")
            value = str(self.text_of(self.take("string")))
            file.scope, file.using = (value, file.using) if word.text == "targetScope" else (file.scope, value)
            return
        readers = {"param": self.parameter, "var": self.variable, "output": self.output}
        if word.text in readers:
            declaration = readers[word.text](word, tuple(decorators))
        elif word.text in ("resource", "module"):
            declaration = self.deployable(word, tuple(decorators))
        else:
            raise SyntaxFault(f"{word.text!r} begins no statement that is used here", word.line)
        names: dict[str, Any] = file.outputs if isinstance(declaration, syntax.Output) else file.declarations
        if declaration.name in names:
            raise SyntaxFault(f"{declaration.name} is declared twice", declaration.line)
        names[declaration.name] = declaration

    def parameter(self, word: Token, decorators: tuple[syntax.Call, ...]) -> syntax.Parameter:
        name = self.take("name")
        kind = self.take("name").text if self.next.kind == "name" else ""  # a parameter file gives none
        default = self.expression() if self.accept("=") else None
        return syntax.Parameter(word.start, self.last, word.line, name.text, decorators, kind, default)

    def variable(self, word: Token, decorators: tuple[syntax.Call, ...]) -> syntax.Variable:
        name = self.take("name")
        self.take("=")
        value = self.expression()
        return syntax.Variable(word.start, self.last, word.line, name.text, decorators, value)

    def output(self, word: Token, decorators: tuple[syntax.Call, ...]) -> syntax.Output:
        name, kind = self.take("name"), self.take("name")
        self.take("=")
        value = self.expression()
        return syntax.Output(word.start, self.last, word.line, name.text, decorators, kind.text, value)

    def deployable(self, word: Token, decorators: tuple[syntax.Call, ...]) -> syntax.Deployable:
        name = self.take("name")
        what = self.text_of(self.take("string"))
        existing = self.accept("name", "existing") is not None
        self.take("=")
        condition, loop = None, None
        if self.accept("name", "if"):
            self.take("(")
            condition = self.expression()
            self.take(")")
        value = self.expression()
        if isinstance(value, syntax.Loop):
            loop, value = value, value.body
        if not isinstance(value, syntax.Object):
            raise SyntaxFault(f"{name.text} has no body", word.line)
        is_module = word.text == "module"
        return syntax.Deployable(
            word.start,
            self.last,
            word.line,
            name.text,
            decorators,
            str(what),
            is_module,
            existing,
            condition,
            loop,
            value,
        )

    @property
    def last(self) -> int:
        return self.tokens[self.at - 1].end + self.offset

    # expressions

    def expression(self) -> syntax.Node:
        condition = self.binary(0)
        if not self.accept("?"):
            return condition
        self.newlines()
        yes = self.expression()
        self.newlines()
        self.take(":")
        self.newlines()
        no = self.expression()
        return syntax.Choice(condition.start, no.end, condition.line, condition, yes, no)

    def binary(self, level: int) -> syntax.Node:
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while self.next.kind in _BINARY[level]:
            operator = self.take().text
            right = self.binary(level + 1)
            left = syntax.Operation(left.start, right.end, left.line, operator, (left, right))
        return left

    def unary(self) -> syntax.Node:
        if token := self.accept("!") or self.accept("-"):
            operand = self.unary()
            return syntax.Operation(token.start + self.offset, operand.end, token.line, token.text, (operand,))
        return self.postfix()

    def postfix(self) -> syntax.Node:
        node = self.primary()
        while True:
            if (token := self.accept(".")) or (token := self.accept(".?")):
                name = self.take("name")
                if self.next.kind == "(" and isinstance(node, syntax.Name) and node.name in ("az", "sys"):
                    node = self.call(name)
                    continue
                node = syntax.Member(node.start, name.end + self.offset, node.line, node, name.text, token.text == ".?")
            elif self.accept("["):
                index = self.expression()
                self.take("]")
                node = syntax.Index(node.start, self.last, node.line, node, index)
            else:
                return node

    def primary(self) -> syntax.Node:
        token = self.take()
        start, end = token.start + self.offset, token.end + self.offset
        if token.kind == "string":
            return self.string(token)
        if token.kind == "number":
            return syntax.Literal(start, end, token.line, int(token.text))
        if token.kind == "name":
            if token.text in ("true", "false", "null"):
                return syntax.Literal(start, end, token.line, {"true": True, "false": False, "null": None}[token.text])
            return self.call(token) if self.next.kind == "(" else syntax.Name(start, end, token.line, token.text)
        if token.kind == "(":
            node = self.expression()
            self.take(")")
            return node
        if token.kind == "[":
            return self.listing(token)
        if token.kind == "{":
            return self.object(token)
        raise SyntaxFault(f"{token.text!r} begins no expression", token.line)

    def call(self, name: Token) -> syntax.Call:
        self.take("(")
        arguments: list[syntax.Node] = []
        self.newlines()
        while self.next.kind != ")":
            arguments.append(self.expression())
            self.newlines()
            if not self.accept(","):
                break
            self.newlines()
        self.take(")")
        return syntax.Call(name.start + self.offset, self.last, name.line, name.text, tuple(arguments))

    def listing(self, token: Token) -> syntax.Node:
        if self.next.text == "for":
            return self.loop(token)
        items: list[syntax.Node] = []
        self.newlines()
        while self.next.kind != "]":
            items.append(self.expression())
            self.separator("]")
        self.take("]")
        return syntax.Listing(token.start + self.offset, self.last, token.line, tuple(items))

    def separator(self, closing: str) -> None:
        if not (self.accept(",") or self.next.kind in ("newline", closing)):
            raise SyntaxFault(f"{self.next.text!r} follows a value", self.next.line)
        self.newlines()

    def loop(self, token: Token) -> syntax.Loop:
        self.take("name", "for")
        index = None
        if self.accept("("):
            item = self.take("name").text
            self.take(",")
            index = self.take("name").text
            self.take(")")
        else:
            item = self.take("name").text
        self.take("name", "in")
        source = self.expression()
        self.take(":")
        body = self.expression()
        self.newlines()
        self.take("]")
        return syntax.Loop(token.start + self.offset, self.last, token.line, item, index, source, body)

    def object(self, token: Token) -> syntax.Object:
        properties: list[syntax.Property] = []
        self.newlines()
        while self.next.kind != "}":
            key = self.take()
            if key.kind not in ("name", "string"):
                raise SyntaxFault(f"{key.text!r} is no name of a property", key.line)
            name = self.string(key) if key.kind == "string" else syntax.Literal(*self.span(key), key.text)
            self.take(":")
            value = self.expression()
            if isinstance(name, syntax.Literal) and any(item.name == name.value for item in properties):
                raise SyntaxFault(f"{name.value} is given twice", key.line)
            properties.append(syntax.Property(name.start, value.end, key.line, name, value))
            self.separator("}")
        self.take("}")
        return syntax.Object(token.start + self.offset, self.last, token.line, tuple(properties))

    def span(self, token: Token) -> tuple[int, int, int]:
        return token.start + self.offset, token.end + self.offset, token.line

    def text_of(self, token: Token) -> str:
        node = self.string(token)
        if not isinstance(node, syntax.Literal):
            raise SyntaxFault("nothing can be interpolated here", token.line)
        return str(node.value)

    def string(self, token: Token) -> syntax.Node:
        nodes: list[syntax.Node] = []
        for is_code, text, begin in token.parts:
            if is_code:
                inner = _Parser(self.path, self.text, tokenize(text), begin + self.offset)
                nodes.append(inner.expression())
                inner.take("end")
            elif text or len(token.parts) == 1:
                nodes.append(syntax.Literal(begin + self.offset, begin + self.offset + len(text), token.line, text))
        if len(nodes) == 1 and isinstance(nodes[0], syntax.Literal):
            return syntax.Literal(*self.span(token), nodes[0].value)
        return syntax.Text(*self.span(token), tuple(nodes))
