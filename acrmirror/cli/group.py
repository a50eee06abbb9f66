"""How the command line is parsed, where that is not typer's own way."""

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from acrmirror.cli.output import Output, visible

ALIASES = {"list": "ls"}
ANYWHERE = ("--url", "--key", "--ca", "--config")
"""Flags of all commands: they go before the command, or behind it."""
FORM = ("-o", "--output")
"""Each command takes it; before the command it is for whichever that is."""


class Commands(TyperGroup):
    """What typer says of wrong arguments repeats them: cleaned, as all that is printed (rule S6)."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        return _cleaned(super().make_context, *arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        return _cleaned(super().invoke, ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        ahead, rest = _split(args)
        form, ahead = _taken_out(ahead, FORM)
        if rest:
            rest = _behind(rest, form)
        else:
            ahead += form
        command = self.get_command(ctx, rest[0]) if rest else None
        own = {name for it in command.params for name in it.opts} if command is not None else set()
        moved, rest = _taken_out(rest, [it for it in ANYWHERE if it not in own])
        if rest and rest[0] == "export":
            rest = _with_to(rest)
        return super().parse_args(ctx, [*ahead, *moved, *rest])


def _split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is before the command, and the command with what is behind it."""
    at = 0
    while at < len(args) and args[at].startswith("-"):
        at += 2 if args[at] in (*ANYWHERE, *FORM) else 1
    return list(args[:at]), list(args[at:])


def _behind(args: Sequence[str], flags: Sequence[str]) -> list[str]:
    end = args.index("--") if "--" in args else len(args)
    return [*args[:end], *flags, *args[end:]]


def _taken_out(args: Sequence[str], names: Sequence[str]) -> tuple[list[str], list[str]]:
    taken: list[str] = []
    left: list[str] = []
    waiting = list(args)
    while waiting:
        it = waiting.pop(0)
        if it == "--":
            return taken, [*left, it, *waiting]
        if it in names and waiting:
            taken += [it, waiting.pop(0)]
        elif it.partition("=")[0] in names and "=" in it:
            taken.append(it)
        else:
            left.append(it)
    return taken, left


def _with_to(args: list[str]) -> list[str]:
    """`export … -o FILE` was how the file was named; `-o json` is what it is of every command."""
    return [
        "--to" if it == "-o" and behind is not None and behind not in set(Output) else it
        for it, behind in zip(args, [*args[1:], None], strict=True)
    ]


def _cleaned(call: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return call(*arguments, **options)
    except _USAGE_ERROR as error:
        error.message = visible(error.message)
        raise


_USAGE_ERROR: Any = typer.BadParameter.__base__
"""What typer raises for arguments that it can't read; it has no public name in all versions."""
