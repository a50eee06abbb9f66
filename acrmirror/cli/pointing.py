"""The command that shows how to point a container tool at the mirror."""

import re
import sys
from typing import Annotated

import typer

from acrmirror.cli.failures import Usage
from acrmirror.cli.mirror_config import Tool, Way, configuration
from acrmirror.cli.options import client_of
from acrmirror.cli.output import Output
from acrmirror.reference import shown

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def mirror_config(
    context: typer.Context,
    tool: Annotated[Tool, typer.Argument(help="The tool that is to pull.")],
    registry: Annotated[str, typer.Option(help="The host in the names of images, such as name.azurecr.io.")],
    username: Annotated[str | None, typer.Option(help="The name of a pull credential.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the credential's password from standard input.")
    ] = False,
) -> None:
    """Print the configuration that points a tool at the mirror. It asks the function app nothing."""
    with client_of(context, Output.TABLE) as client:
        asked = f"point {tool} at the mirror"
        host = registry.lower()
        if not _HOST.fullmatch(host):
            raise Usage(asked, f"{shown(registry)} is no host", "Give the host alone, such as name.azurecr.io.")
        if (username is None) == password_stdin:
            raise Usage(asked, "a name and a password go together", "Give --username and --password-stdin, or neither.")
        if username is not None and not _NAME.fullmatch(username):
            raise Usage(asked, f"{shown(username)} is no name of a pull credential", "`acrmirror credentials list`.")
        password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
        if password == "":
            raise Usage(asked, "there is no password on standard input", "Pipe it in, or leave out --password-stdin.")
        way = Way(host, client.url, username, password)
    typer.echo(configuration(tool, way), nl=False)
