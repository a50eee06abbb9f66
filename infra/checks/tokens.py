"""Bicep text to tokens. A string is one token, whose parts are literal text and the source of what is interpolated."""

import re
from dataclasses import dataclass


class SyntaxFault(Exception):
    """Where a file stops being Bicep."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """name, number, string, newline, end, or the symbol itself."""
    text: str
    start: int
    end: int
    line: int
    parts: tuple[tuple[bool, str, int], ...] = ()
    """Of a string: (is code, text, where in the file it begins)."""


_SPACE = re.compile(r"[ \t\r]+|//[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[0-9]+")
_SYMBOL = re.compile(r"=>|==|!=|=~|!~|<=|>=|&&|\|\||\?\?|\.\?|\[\?|::|[-+*/%!<>?:.,=()\[\]{}@|]")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", "$": "$"}


def tokenize(text: str) -> list[Token]:
    found: list[Token] = []
    at, line = 0, 1
    while at < len(text):
        if match := _SPACE.match(text, at):
            line += match[0].count("\n")
            at = match.end()
            continue
        begin = at
        if text[at] == "\n":
            found.append(Token("newline", "\n", at, at + 1, line))
            at, line = at + 1, line + 1
            continue
        if text.startswith("'''", at):
            at = _end_of(text, "'''", at + 3, line)
            body = text[begin + 3 : at - 3].removeprefix("\n")
            found.append(Token("string", body, begin, at, line, ((False, body, begin + 3),)))
            line += text[begin:at].count("\n")
            continue
        if text[at] == "'":
            at, parts = _string(text, at, line)
            found.append(Token("string", text[begin:at], begin, at, line, parts))
            continue
        for kind, pattern in (("name", _NAME), ("number", _NUMBER), ("", _SYMBOL)):
            if match := pattern.match(text, at):
                at = match.end()
                found.append(Token(kind or match[0], match[0], begin, at, line))
                break
        else:
            raise SyntaxFault(f"{text[at]!r} is not Bicep", line)
    found.append(Token("end", "", at, at, line))
    return found


def _end_of(text: str, closing: str, at: int, line: int) -> int:
    end = text.find(closing, at)
    if end < 0:
        raise SyntaxFault("a string does not end", line)
    return end + len(closing)


def _string(text: str, at: int, line: int) -> tuple[int, tuple[tuple[bool, str, int], ...]]:
    parts: list[tuple[bool, str, int]] = []
    literal: list[str] = []
    at += 1
    begin = at
    while True:
        if at >= len(text) or text[at] == "\n":
            raise SyntaxFault("a string does not end", line)
        character = text[at]
        if character == "'":
            parts.append((False, "".join(literal), begin))
            return at + 1, tuple(parts)
        if character == "\\":
            if text[at + 1] not in _ESCAPES:
                raise SyntaxFault(f"\\{text[at + 1]} is no escape", line)
            literal.append(_ESCAPES[text[at + 1]])
            at += 2
            continue
        if text.startswith("${", at):
            parts.append((False, "".join(literal), begin))
            literal = []
            end = _interpolation(text, at + 2, line)
            parts.append((True, text[at + 2 : end], at + 2))
            at = begin = end + 1
            continue
        literal.append(character)
        at += 1


def _interpolation(text: str, at: int, line: int) -> int:
    """Where the brace is that ends what begins here."""
    depth = 0
    while at < len(text) and text[at] != "\n":
        if text[at] == "'":
            at, _ = _string(text, at, line)
            continue
        if text[at] == "{":
            depth += 1
        elif text[at] == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    raise SyntaxFault("an interpolation does not end", line)
