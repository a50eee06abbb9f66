"""What several commands take, and how they reach the function app."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from acrmirror.cli import exits
from acrmirror.cli.messages import plain
from acrmirror.cli.output import Output, errors, print_error
from acrmirror.cli.settings import Connection
from acrmirror.client import Client
from acrmirror.errors import MirrorError

CONFIG = Path(typer.get_app_dir("acrmirror")) / "config.toml"

Url = Annotated[str | None, typer.Option(envvar="ACRMIRROR_URL", help="URL of the function app.")]
Key = Annotated[str | None, typer.Option(envvar="ACRMIRROR_KEY", help="One of its function keys.", show_default=False)]
Authority = Annotated[
    Path | None, typer.Option("--ca", envvar="ACRMIRROR_CA", help="A PEM file of an authority to trust, too.")
]
ConfigFile = Annotated[Path, typer.Option(envvar="ACRMIRROR_CONFIG", help="A TOML file with url, key and ca.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="A table for people, JSON for scripts.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow it to its end.")]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds after which to stop following.")]


def _not_empty(text: str | None) -> str | None:
    """An empty variable in a script must not show the present for a moment of the past."""
    if text == "":
        raise typer.BadParameter("it is empty, and has to be a day or a time")
    return text


At = Annotated[
    str | None,
    typer.Option(
        "--at",
        callback=_not_empty,
        help="As it was then: a day (its end in UTC), or a time such as 2026-11-01T12:00:00Z.",
    ),
]
Image = Annotated[str, typer.Argument(callback=plain, help="Repository with a tag or a digest, such as team/app:1.2.")]


@contextmanager
def client_of(context: typer.Context, output: Output) -> Iterator[Client]:
    """A failure is printed as a sentence and becomes an exit code."""
    connection: Connection = context.obj
    try:
        with connection.open() as client:
            yield client
    except MirrorError as error:
        print_error(error, output)
        raise typer.Exit(exits.exit_code(error)) from error
    except KeyboardInterrupt:
        errors.print("Interrupted.")
        raise typer.Exit(exits.INTERRUPTED) from None
