"""How the command line is parsed, where that is not typer's own way."""

from typing import Any

import typer
from typer.core import TyperGroup

from acrmirror.cli.output import visible


class Commands(TyperGroup):
    """What typer says of wrong arguments repeats them: cleaned, as all that is printed (rule S6)."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        return _cleaned(super().make_context, *arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        return _cleaned(super().invoke, ctx)


def _cleaned(call: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return call(*arguments, **options)
    except _USAGE_ERROR as error:
        error.message = visible(error.message)
        raise


_USAGE_ERROR: Any = typer.BadParameter.__base__
"""What typer raises for arguments that it can't read; it has no public name in all versions."""
